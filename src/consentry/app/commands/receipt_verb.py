"""`consentry receipt`: receipts of consent, fetched, shown and verified without the sidecar."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, Final

from consentry.app.exit_codes import EXIT_CODES_HELP, ExitCode
from consentry.app.output import err, out
from consentry.app.reaching import add_reach

_EXAMPLES: Final = """\
examples:
  consentry receipt get --target 127.0.0.1:7470 --subject customer-1042 --event EVENT > ada.jws
  consentry receipt verify --keys jwks.json ada.jws     offline; 1 if it was changed
  consentry receipt show ada.jws                        what it says, as JSON
  consentry receipt show --page --keys jwks.json ada.jws > receipt.html

"""
_STATES: Final = {
    "dpv:ConsentRequested": "asked",
    "dpv:ConsentGiven": "given",
    "dpv:ConsentRefused": "refused",
    "dpv:ConsentWithdrawn": "withdrawn",
}


def build_parser() -> argparse.ArgumentParser:
    """The parser of this verb and of its actions."""
    parser = argparse.ArgumentParser(
        prog="consentry receipt",
        description="Fetch, show and verify signed consent receipts.",
        epilog=_EXAMPLES + EXIT_CODES_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    get = actions.add_parser("get", help="fetch the receipt of one event from a sidecar")
    get.add_argument("--target", required=True, metavar="ADDRESS", help="the sidecar")
    add_reach(get)
    get.add_argument("--subject", required=True, metavar="ID", help="the data subject's id")
    get.add_argument("--event", required=True, metavar="ID", help="the event's id")
    show = actions.add_parser("show", help="tell what a receipt says")
    show.add_argument("file", metavar="FILE", help="the receipt; - for standard input")
    show.add_argument("--keys", type=Path, metavar="FILE", help="verify it, too, with these keys")
    show.add_argument("--page", action="store_true", help="as a page to print, in HTML")
    verify = actions.add_parser("verify", help="was it signed by one of these keys, and unchanged?")
    verify.add_argument("file", metavar="FILE", help="the receipt; - for standard input")
    verify.add_argument("--keys", type=Path, required=True, metavar="FILE", help="a JWK Set")
    verify.add_argument("--json", action="store_true", help="report as JSON")
    return parser


def run(options: argparse.Namespace) -> int:
    """Runs one action."""
    from consentry.consent.signing import (  # noqa: PLC0415 (not for help)
        BadSignatureError,
        KeyFileError,
        SigningUnavailableError,
    )

    if options.action == "get":
        return _get(options)
    try:
        text = sys.stdin.read() if options.file == "-" else Path(options.file).read_text("ascii")
        return _show(options, text) if options.action == "show" else _verify(options, text)
    except BadSignatureError as problem:
        err().line(f"consentry receipt {options.action}: {problem}")
        return ExitCode.FINDINGS
    except (OSError, UnicodeDecodeError, KeyFileError, SigningUnavailableError) as problem:
        err().line(f"consentry receipt {options.action}: {problem}")
        return ExitCode.USAGE


def _get(options: argparse.Namespace) -> int:
    from consentry.app.ledger.place import told_errors  # noqa: PLC0415 (not for help)
    from consentry.app.ledger.remote import sidecar_at  # noqa: PLC0415 (as above)

    with told_errors("receipt get") as status, sidecar_at(options) as client:
        out().line(client.get_receipt(options.subject, options.event).receipt)
    return status[0]


def _verify(options: argparse.Namespace, text: str) -> int:
    from consentry.consent.receipts import open_receipt  # noqa: PLC0415 (not for help)
    from consentry.consent.signing import read_jwk_set  # noqa: PLC0415 (as above)

    receipt, key_id = open_receipt(text, read_jwk_set(options.keys))
    if options.json:
        out().json({"verified": True, "key_id": key_id, "receipt": receipt})
    else:
        out().line(f"verified with {key_id}")
        out().line(_in_a_line(receipt))
    return ExitCode.OK


def _show(options: argparse.Namespace, text: str) -> int:
    from consentry.consent.receipts import look_into_receipt, open_receipt  # noqa: PLC0415
    from consentry.consent.signing import read_jwk_set  # noqa: PLC0415 (not for help)

    key_id = None
    if options.keys is not None:
        receipt, key_id = open_receipt(text, read_jwk_set(options.keys))
    else:
        receipt = look_into_receipt(text)
    if options.page:
        from consentry.publish.receipt_page import receipt_page  # noqa: PLC0415 (only here)

        out().line(receipt_page(receipt, signed=text.strip(), verified_by=key_id).rstrip())
    else:
        out().json(receipt)
    if key_id is None:
        err().line("not verified: say --keys to check the signature")
    return ExitCode.OK


def _in_a_line(receipt: dict[str, Any]) -> str:
    record = receipt["dpv:hasRecordOfActivity"]
    newest = record["dpv:hasStatus"][-1]
    person = record["dpv:hasDataSubject"]["dct:identifier"]
    purpose = record["dpv:hasProcess"]["dpv:hasPurpose"]["dct:identifier"]
    state = _STATES.get(newest["@type"], newest["@type"])
    return f"{person}: {purpose}, {state} on {newest['dpv:isIndicatedAtTime']}"
