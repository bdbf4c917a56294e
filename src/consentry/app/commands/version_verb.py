"""`consentry version`."""

from __future__ import annotations

import argparse
import platform
from importlib.metadata import version

from consentry.app.exit_codes import ExitCode
from consentry.app.output import out


def build_parser() -> argparse.ArgumentParser:
    """The parser of this verb."""
    parser = argparse.ArgumentParser(prog="consentry version", description="Print the version.")
    parser.add_argument("--json", action="store_true", help="as JSON")
    return parser


def run(options: argparse.Namespace) -> int:
    """Prints the version."""
    told = {"consentry": version("consentry"), "python": platform.python_version()}
    if options.json:
        out().json(told)
    else:
        out().line(f"consentry {told['consentry']} (Python {told['python']})")
    return ExitCode.OK
