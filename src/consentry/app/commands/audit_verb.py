"""`consentry audit`: asking the decision log."""

from __future__ import annotations

import argparse
from typing import Final

from consentry.app.actions import Action, build_actions_parser
from consentry.app.audit import keeping, querying, replaying
from consentry.app.exit_codes import ExitCode
from consentry.app.ledger.place import told_errors
from consentry.app.output import err
from consentry.telemetry.audit.keys import AuditKeyError

_EXAMPLES: Final = """\
examples:
  consentry audit query --since 2h --decision deny --purpose marketing
  consentry audit query --subject customer-1042 --json       who used whose data, for what
  consentry audit replay --decision-id k3J9x-00000004f --question asked.json
  consentry audit replay --since 2026-05-01 --subject customer-1042
  consentry audit keys --begin                               then: --delete OLD

Searching reads the log in the state folder and what its workers wrote; a running sidecar is not in
the way. A person is found by hashing the id with every key that still lives.

"""
_ACTIONS: Final[dict[str, Action]] = {
    "query": (querying.QUERY_HELP, querying.add_query, querying.query),
    "replay": (replaying.REPLAY_HELP, replaying.add_replay, replaying.replay),
    "keys": (keeping.KEYS_HELP, keeping.add_keys, keeping.keys),
}


def build_parser() -> argparse.ArgumentParser:
    """The parser of this verb and of its actions."""
    return build_actions_parser(
        "audit",
        "Ask the decision log, and decide again what it says was decided.",
        _EXAMPLES,
        _ACTIONS,
    )


def run(options: argparse.Namespace) -> int:
    """Runs one action."""
    with told_errors(f"audit {options.action}") as status:
        try:
            status[0] = _ACTIONS[options.action][2](options)
        except AuditKeyError as problem:
            err().line(f"consentry audit {options.action}: {problem}")
            status[0] = ExitCode.LEDGER
    return status[0]
