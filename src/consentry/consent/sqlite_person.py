"""Reads one person's events from a ledger file that another process may own."""

from __future__ import annotations

from pathlib import Path

from consentry.consent.sqlite_rows import events_of, moment_in
from consentry.consent.sqlite_schema import ledger_errors, open_reader
from consentry.model.consent import ConsentEvent


def read_events(path: Path, data_subject_id: str) -> tuple[int, tuple[ConsentEvent, ...]]:
    """The ledger's position and the person's events up to it, oldest first.

    Raises:
        LedgerError: the file cannot be read or is no ledger.
    """
    with ledger_errors():
        reader = open_reader(path)
        try:
            with reader:  # one transaction: both are of the same moment
                position, _ = moment_in(reader)
                events = events_of(reader, data_subject_id)
        finally:
            reader.close()
    return position, events
