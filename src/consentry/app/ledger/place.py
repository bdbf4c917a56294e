"""Where the ledger of a command stands, and how its errors are told."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from consentry.app.exit_codes import ExitCode
from consentry.app.output import err
from consentry.app.settings_loading import SettingsError, load_settings
from consentry.app.state_folder import LEDGER_FILE, LEDGER_FOLDER
from consentry.consent.anchor import anchor_path
from consentry.consent.errors import LedgerBusyError, LedgerCorruptError, LedgerError

NO_POSTGRES: Final = "PostgreSQL needs the extra: pip install 'consentry[postgres]'"


class CommandError(Exception):
    """The command cannot go on; `status` is what it leaves with."""

    def __init__(self, text: str, status: ExitCode) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class Place:
    """The files of one ledger."""

    ledger: Path
    anchor: Path


def add_place(parser: argparse.ArgumentParser) -> None:
    """The flags that say which ledger is meant."""
    add = parser.add_argument
    add("--config", type=Path, metavar="FILE", help="settings in TOML (or CONSENTRY_CONFIG)")
    add("--state", metavar="DIR", help="state folder of the sidecar (default: var/consentry)")
    add("--ledger", type=Path, metavar="FILE", help="a ledger file, such as a backup")


def find_place(options: argparse.Namespace) -> Place:
    """The ledger that the flags, the environment or the settings file name.

    Raises:
        CommandError: the settings are wrong.
    """
    if options.ledger is not None:
        return Place(options.ledger, anchor_path(options.ledger))
    flags = {"state": {"path": options.state}} if options.state else {}
    try:
        settings = load_settings(flags, options.config)
    except SettingsError as problem:
        raise CommandError("; ".join(problem.problems), ExitCode.USAGE) from problem
    if settings.ledger.kind != "sqlite" and not options.state:
        raise CommandError(
            f"the settings keep the ledger elsewhere ({settings.ledger.kind}); say --target",
            ExitCode.USAGE,
        )
    ledger = settings.state.path / LEDGER_FOLDER / LEDGER_FILE
    return Place(ledger, settings.state.anchor_path or anchor_path(ledger))


@contextmanager
def told_errors(command: str) -> Iterator[list[ExitCode]]:
    """Tells whatever fails within in one sentence; the list holds the status to leave with."""
    status = [ExitCode.OK]
    try:
        yield status
    except CommandError as problem:
        err().line(f"consentry {command}: {problem}")
        status[0] = problem.status
    except LedgerBusyError:
        err().line(
            f"consentry {command}: a sidecar is running on this ledger; stop it, or say --target"
        )
        status[0] = ExitCode.LEDGER
    except LedgerCorruptError as problem:
        err().line(f"consentry {command}: {problem}")
        status[0] = ExitCode.FINDINGS
    except (LedgerError, OSError) as problem:
        err().line(f"consentry {command}: {problem}")
        status[0] = ExitCode.LEDGER
