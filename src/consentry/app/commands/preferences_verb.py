"""`consentry preferences`: keys and links for the page where people change their choices."""

from __future__ import annotations

import argparse
import re
import time
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

from consentry.app.exit_codes import EXIT_CODES_HELP, ExitCode
from consentry.app.output import err, out

_EXAMPLES: Final = """\
examples:
  consentry preferences key --keys links.key       a key; it signs from now on
  consentry preferences link --keys links.key --subject customer-1042 \\
      --url https://privacy.example.com --valid 7d

A link opens one person's page until it is over; whoever has it can choose for that person. It is a
JSON Web Token (HS256) with sub, aud `consentry-preferences`, exp and, if you like, name, so that
any library makes one with a line of the key file. Take a line away and its links are over.

"""
_UNITS_S: Final = {"m": 60, "h": 3_600, "d": 86_400}


def build_parser() -> argparse.ArgumentParser:
    """The parser of this verb and of its actions."""
    parser = argparse.ArgumentParser(
        prog="consentry preferences",
        description="Make keys and signed links for the preference page.",
        epilog=_EXAMPLES + EXIT_CODES_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    key = actions.add_parser("key", help="make a key")
    key.add_argument("--keys", type=Path, required=True, metavar="FILE", help="the key file")
    link = actions.add_parser("link", help="make a link for one person")
    link.add_argument("--keys", type=Path, required=True, metavar="FILE", help="the key file")
    link.add_argument("--subject", required=True, metavar="ID", help="the data subject's id")
    link.add_argument("--url", required=True, metavar="URL", help="where people reach the sidecar")
    link.add_argument(
        "--valid", default="7d", metavar="TIME", help="how long, such as 30m, 12h, 7d (default: 7d)"
    )
    link.add_argument("--name", default="", metavar="NAME", help="what the page calls the person")
    link.add_argument("--language", metavar="TAG", help="of the page (default: the browser's)")
    return parser


def run(options: argparse.Namespace) -> int:
    """Makes a key or a link."""
    from consentry.server.pages.keys import PageKeyError  # noqa: PLC0415 (not for help)

    try:
        return _make_key(options) if options.action == "key" else _make_link(options)
    except (PageKeyError, ValueError, OSError) as problem:
        err().line(f"consentry preferences {options.action}: {problem}")
        return ExitCode.USAGE


def _make_key(options: argparse.Namespace) -> int:
    from consentry.server.pages.keys import new_secret  # noqa: PLC0415 (not for help)

    path: Path = options.keys
    before = path.read_text("ascii") if path.exists() else ""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    new.touch(mode=0o600)
    # The first signs; those before are believed until somebody takes them out.
    new.write_text(f"{new_secret()}\n{before}", encoding="ascii")
    new.replace(path)
    out().line(f"{path}: a new key signs from now on; restart the sidecar")
    return ExitCode.OK


def _make_link(options: argparse.Namespace) -> int:
    from consentry.server.pages.keys import LINK, Grant, read_page_keys  # noqa: PLC0415 (as above)

    length = re.fullmatch(r"([1-9]\d{0,6})([mhd])", options.valid)
    if length is None:
        raise ValueError("--valid is a number and m, h or d, such as 7d")
    valid_s = int(length[1]) * _UNITS_S[length[2]]
    grant = Grant(
        data_subject_id=options.subject,
        expires_at_s=int(time.time()) + valid_s,
        name=options.name,
    )
    query = {"link": read_page_keys(options.keys).sign(LINK, grant)}
    if options.language:
        query["language"] = options.language
    out().line(f"{options.url.rstrip('/')}/preferences?{urlencode(query)}")
    return ExitCode.OK
