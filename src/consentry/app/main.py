"""The command `consentry`: finds the verb, loads its module only, runs it.

A verb's module is imported when it is asked for, so that `consentry check` in an editor does not
pay for the server's libraries.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType
from typing import Final

from consentry.app.exit_codes import EXIT_CODES_HELP, ExitCode

VERBS: Final[dict[str, str]] = {
    "init": "write a small policy set to begin with",
    "check": "say what is wrong in a folder of policies",
    "fmt": "write policies in the one canonical format",
    "test": "run the tests that stand in the policies",
    "prove": "prove the promises: that no `never` is ever broken",
    "diff": "say which decisions change between two policy sets",
    "packs": "list the law packs, show what is in one, find what is about to change",
    "eval": "answer one question on the command line",
    "explain": "say why an answer is as it is, and what would change it",
    "plan": "say which people a job may touch, as a filter and as SQL",
    "statement": "write the public statement of what is done with people's data",
    "record": "write the record of processing activities (GDPR, Art. 30)",
    "subject-report": "tell one person who asked for their data, and what they decided",
    "serve": "run the sidecar",
    "config": "show and check the configuration of a sidecar",
    "mapping": "run the cases of a proxy's mapping: which question each request asks",
    "bundle": "put policies into one signed file; verify it, look into it",
    "audit": "ask the decision log; decide again what it says was decided",
    "ledger": "verify, back up, restore, import, export; forget a person",
    "receipt": "fetch, show and verify signed receipts of consent",
    "preferences": "make keys and links for the page where people choose",
    "keys": "make and list the keys that sign receipts and bundles",
    "probe": "withdraw for a made-up person and time every sidecar",
    "demo": "tell the story of a consent with a real sidecar and real callers",
    "version": "print the version",
}

_EXAMPLES: Final = """\
examples:
  consentry check policies                 all diagnostics, with the place underlined
  consentry fmt --check policies           fails when a file is not in canonical format
  consentry test policies -k withdrawn     tests whose name contains a word
  consentry serve --policies policies      a sidecar on 127.0.0.1:7470
  consentry VERB --help                    what a verb takes

"""


def build_parser() -> argparse.ArgumentParser:
    """The parser of the first word; what follows belongs to the verb."""
    verbs = "\n".join(f"  {verb:<16}{text}" for verb, text in VERBS.items())
    parser = argparse.ArgumentParser(
        prog="consentry",
        description=(
            "Policy-as-code authorization for customer data: purpose, consent and law in every "
            f"decision.\n\nverbs:\n{verbs}"
        ),
        epilog=_EXAMPLES + EXIT_CODES_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="consentry VERB ...",
    )
    parser.add_argument("verb", choices=VERBS, metavar="VERB", help=argparse.SUPPRESS)
    parser.add_argument("words", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    parser.add_argument("--version", action="store_true", help="print the version")
    return parser


def load_verb(verb: str) -> ModuleType:
    """The module of one verb."""
    return import_module(f"consentry.app.commands.{verb.replace('-', '_')}_verb")


def run(words: Sequence[str]) -> int:
    """Runs one command line and gives its exit status; a usage error leaves with SystemExit."""
    words = ["version"] if list(words[:1]) == ["--version"] else words
    options = build_parser().parse_args(words)
    module = load_verb(options.verb)
    parser: argparse.ArgumentParser = module.build_parser()
    status: int = module.run(parser.parse_args(options.words))
    return status


def main() -> None:
    """Entry point of the installed command."""
    try:
        status = run(sys.argv[1:])
        sys.stdout.flush()
    except KeyboardInterrupt:
        status = ExitCode.INTERRUPTED
    except BrokenPipeError:
        # The reader left (`consentry check | head`): no traceback, and nothing more to flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = ExitCode.FINDINGS
    sys.exit(int(status))
