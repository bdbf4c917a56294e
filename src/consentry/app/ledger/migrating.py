"""`consentry ledger migrate`: brings the schema in PostgreSQL up to date."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from consentry.app.exit_codes import ExitCode
from consentry.app.ledger.place import NO_POSTGRES, CommandError
from consentry.app.output import out
from consentry.app.settings_loading import SettingsError, load_settings

MIGRATE_HELP: Final = "make or bring up to date the schema of a ledger in PostgreSQL"


def add_migrate(parser: argparse.ArgumentParser) -> None:
    """The flags of `migrate`."""
    add = parser.add_argument
    add("--config", type=Path, metavar="FILE", help="settings in TOML (or CONSENTRY_CONFIG)")
    add("--json", action="store_true", help="report as JSON")
    parser.epilog = (
        "The database is reached as CONSENTRY_LEDGER__CONNINFO says, or PGHOST and its kin. Its"
        " user must be allowed to create a schema; sidecars and nodes need no more than to read"
        " and to insert. Steps only add: take them before the programs are exchanged."
    )


def migrate(options: argparse.Namespace) -> ExitCode:
    """0 where the schema is current now."""
    try:
        from consentry.consent.postgres_schema import (  # noqa: PLC0415 - an extra
            dial,
            migrate,
            prepare,
        )
    except ModuleNotFoundError as problem:
        raise CommandError(NO_POSTGRES, ExitCode.USAGE) from problem
    try:
        settings = load_settings({}, options.config)
    except SettingsError as problem:
        raise CommandError("; ".join(problem.problems), ExitCode.USAGE) from problem
    connection = dial(settings.ledger.conninfo.get_secret_value())
    try:
        prepare(connection)
        before, after = migrate(connection)
    finally:
        connection.close()
    if options.json:
        out().json({"before": before, "after": after})
    elif before == after:
        out().line(f"schema {after} is current: nothing to do")
    else:
        out().line(f"schema {before or 'none'} -> {after}")
    return ExitCode.OK
