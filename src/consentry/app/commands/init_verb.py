"""`consentry init`: a small policy set to begin with, with tests; nothing is ever overwritten."""

from __future__ import annotations

import argparse
from importlib import resources
from pathlib import Path

from consentry.app.exit_codes import EXIT_CODES_HELP, ExitCode
from consentry.app.output import counted, err, out
from consentry.pdp.folder import SUFFIX

_EXAMPLES = """\
examples:
  consentry init              writes into ./policies
  consentry init my-policies

"""


def build_parser() -> argparse.ArgumentParser:
    """The parser of this verb."""
    parser = argparse.ArgumentParser(
        prog="consentry init",
        description=(
            "Write a starter set: a mission, data, purposes, rules, promises and tests, ready to "
            "be changed. A folder that holds policies is left alone."
        ),
        epilog=_EXAMPLES + EXIT_CODES_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "path",
        nargs="?",
        default="policies",
        metavar="DIR",
        help="where to write (default: policies); made if it is not there",
    )
    return parser


def starter_set() -> dict[str, str]:
    """The texts of the starter set by file name."""
    folder = resources.files("consentry.app") / "starter"
    return {
        entry.name: entry.read_text(encoding="utf-8")
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(SUFFIX)
    }


def run(options: argparse.Namespace) -> int:
    """Writes all files, or none where some policy stands already."""
    folder = Path(options.path)
    try:
        return _write(folder)
    except OSError as error:
        why = (error.strerror or "unknown error").lower()
        err().line(f"consentry init: `{folder}` cannot be written: {why}")
        return ExitCode.USAGE


def _write(folder: Path) -> int:
    if folder.is_dir() and (found := sorted(folder.rglob(f"*{SUFFIX}"))):
        first = found[0].relative_to(folder)
        err().line(f"consentry init: `{folder}` holds policies already, such as {first}")
        return ExitCode.USAGE
    folder.mkdir(parents=True, exist_ok=True)
    texts = starter_set()
    for name, text in texts.items():
        # Opened to be made, never to be written over: somebody may have been faster.
        with (folder / name).open("x", encoding="utf-8", newline="") as file:
            file.write(text)
    out().line(out().styled(f"wrote {counted(len(texts), 'file')} into {folder}", "green"))
    out().line("next:")
    for verb, purpose in (
        ("check", "what is wrong"),
        ("test --min 100", "run the tests, and see that they reach every rule"),
        ("prove", "hold the promises against all rules"),
    ):
        out().line(f"  consentry {verb} {folder}".ljust(42) + purpose)
    return ExitCode.OK
