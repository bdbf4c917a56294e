"""`consentry ledger`: keeping, checking and moving what people decided."""

from __future__ import annotations

import argparse
from typing import Final

from consentry.app.actions import Action, build_actions_parser
from consentry.app.ledger import checking, copying, erasing, exporting, importing, migrating
from consentry.app.ledger.place import told_errors

_EXAMPLES: Final = """\
examples:
  consentry ledger verify                          the ledger in var/consentry, all of it
  consentry ledger verify --target 127.0.0.1:7470  the same, by the sidecar that runs on it
  consentry ledger head                            POSITION:DIGEST, to keep elsewhere
  consentry ledger backup /backup/consent.sqlite   while the sidecar goes on
  consentry ledger import --check consents.csv     what would be refused, and why
  consentry ledger import --format tcf --map map.toml strings.ndjson --target 127.0.0.1:7470
  consentry ledger export --format iso27560 records.jsonl
  consentry ledger erase --subject customer-1042   forget a person
  consentry ledger migrate                         the schema of a ledger in PostgreSQL

"""
_ACTIONS: Final[dict[str, Action]] = {
    "verify": (checking.VERIFY_HELP, checking.add_verify, checking.verify),
    "head": (checking.HEAD_HELP, checking.add_head, checking.head),
    "backup": (copying.BACKUP_HELP, copying.add_backup, copying.backup),
    "restore": (copying.RESTORE_HELP, copying.add_restore, copying.restore),
    "import": (importing.IMPORT_HELP, importing.add_import, importing.import_events),
    "export": (exporting.EXPORT_HELP, exporting.add_export, exporting.export_events),
    "erase": (erasing.ERASE_HELP, erasing.add_erase, erasing.erase),
    "migrate": (migrating.MIGRATE_HELP, migrating.add_migrate, migrating.migrate),
}


def build_parser() -> argparse.ArgumentParser:
    """The parser of this verb and of its actions."""
    return build_actions_parser(
        "ledger",
        "Check, copy, import and export the consent ledger, and forget a person.",
        _EXAMPLES,
        _ACTIONS,
    )


def run(options: argparse.Namespace) -> int:
    """Runs one action."""
    with told_errors(f"ledger {options.action}") as status:
        status[0] = _ACTIONS[options.action][2](options)
    return status[0]
