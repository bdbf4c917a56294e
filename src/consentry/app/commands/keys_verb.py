"""`consentry keys`: the keys that sign receipts and policy bundles."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from consentry.app.exit_codes import EXIT_CODES_HELP, ExitCode
from consentry.app.output import err, out

_EXAMPLES: Final = """\
examples:
  consentry keys generate          a first key, or the next one: it signs from now on
  consentry keys list              all keys; the public set is keys/jwks.json
  consentry keys generate --keys release-keys      a key of its own for policy bundles

A private key never leaves its file. The public keys of all before stay in the set, so that every
receipt is verified for ever; give jwks.json to whoever verifies.

"""


def build_parser() -> argparse.ArgumentParser:
    """The parser of this verb."""
    parser = argparse.ArgumentParser(
        prog="consentry keys",
        description="Make and list the Ed25519 keys that sign consent receipts and bundles.",
        epilog=_EXAMPLES + EXIT_CODES_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("action", choices=("generate", "list"), help="what to do")
    add("--config", type=Path, metavar="FILE", help="settings in TOML (or CONSENTRY_CONFIG)")
    add("--state", metavar="DIR", help="state folder of the sidecar (default: var/consentry)")
    add("--keys", type=Path, metavar="DIR", help="another folder of keys (default: of receipts)")
    add("--json", action="store_true", help="report as JSON")
    return parser


def run(options: argparse.Namespace) -> int:
    """Makes a key or tells which there are."""
    from consentry.app.settings_loading import SettingsError, load_settings  # noqa: PLC0415 (not for help)
    from consentry.consent.signing import (  # noqa: PLC0415 (as above)
        KeyFileError,
        KeyFolder,
        SigningUnavailableError,
    )

    flags = {"state": {"path": options.state}} if options.state else {}
    try:
        folder = KeyFolder(options.keys or load_settings(flags, options.config).receipt_keys)
        if options.action == "generate":
            folder.generate()
        active = folder.active_id()
        keys = folder.public_keys()
    except (SettingsError, KeyFileError, SigningUnavailableError, OSError) as problem:
        err().line(f"consentry keys: {problem}")
        return ExitCode.USAGE
    if options.json:
        out().json([{"key_id": key.key_id, "signs": key.key_id == active} for key in keys])
        return ExitCode.OK
    for key in keys:
        out().line(f"{key.key_id}  {'signs' if key.key_id == active else 'verifies'}")
    return ExitCode.OK if keys else ExitCode.FINDINGS
