"""`consentry ledger backup` and `restore`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from consentry.app.exit_codes import ExitCode
from consentry.app.ledger.place import CommandError, add_place, find_place
from consentry.app.output import ProgressBar, counted, out
from consentry.consent.errors import LedgerCorruptError
from consentry.consent.sqlite_file import backup_file, restore_file

BACKUP_HELP: Final = "copy the ledger while its sidecar goes on, and verify the copy"
RESTORE_HELP: Final = "put a verified backup in the ledger's place"


def add_backup(parser: argparse.ArgumentParser) -> None:
    """The flags of `backup`."""
    add_place(parser)
    parser.add_argument("target", type=Path, metavar="FILE", help="where the copy goes")


def add_restore(parser: argparse.ArgumentParser) -> None:
    """The flags of `restore`."""
    add_place(parser)
    parser.add_argument("backup", type=Path, metavar="FILE", help="the backup")
    parser.add_argument(
        "--accept-loss",
        action="store_true",
        help="though the anchor tells of events that the backup does not hold",
    )


def backup(options: argparse.Namespace) -> ExitCode:
    """Copies and verifies; the target must not be there."""
    bar = ProgressBar("backing up")
    try:
        checked = backup_file(find_place(options).ledger, options.target, bar)
    finally:
        bar.close()
    head = checked.head
    out().line(f"{options.target}: {counted(head.position, 'row')}, verified")
    out().line(f"{head.position}:{head.digest.hex()}")
    return ExitCode.OK


def restore(options: argparse.Namespace) -> ExitCode:
    """Verifies the backup and takes it; refuses to lose events unless told so."""
    place = find_place(options)
    bar = ProgressBar("restoring")
    try:
        restored = restore_file(
            options.backup, place.ledger, place.anchor, bar, accepts_loss=options.accept_loss
        )
    except LedgerCorruptError as problem:
        if problem.code != "rolled_back":
            raise
        raise CommandError(
            f"{problem}; say --accept-loss to take it all the same", ExitCode.FINDINGS
        ) from problem
    finally:
        bar.close()
    head = restored.checked.head
    out().line(f"restored: {counted(head.position, 'row')}, up to {head.position}")
    if restored.lost_count:
        out().line(f"lost: {counted(restored.lost_count, 'row')} that had been acknowledged")
    if restored.kept_as is not None:
        out().line(f"what stood there is kept as {restored.kept_as}")
    return ExitCode.OK
