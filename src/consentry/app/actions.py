"""A verb that has actions (`consentry ledger verify`): its parser, made of a table."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import TypeAlias

from consentry.app.exit_codes import EXIT_CODES_HELP, ExitCode

Action: TypeAlias = tuple[
    str, Callable[[argparse.ArgumentParser], None], Callable[[argparse.Namespace], ExitCode]
]
"""What it does in a few words, how its flags are added, and what runs it."""


def build_actions_parser(
    verb: str, description: str, examples: str, actions: Mapping[str, Action]
) -> argparse.ArgumentParser:
    """The parser of the verb and of its actions; the chosen one is `options.action`."""
    parser = argparse.ArgumentParser(
        prog=f"consentry {verb}",
        description=description,
        epilog=examples + EXIT_CODES_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    choices = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, (text, add_flags, _) in actions.items():
        action = choices.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        add_flags(action)
    return parser
