"""Reads people's events from a ledger file that another process may own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import apsw

from consentry.consent.sqlite_rows import data_subjects_in, events_of, moment_in
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


class PeopleOfFile:
    """Everybody in a ledger file, as of one moment; made by `open_people`."""

    def __init__(self, reader: apsw.Connection) -> None:
        self._reader: Final = reader

    def position(self) -> int:
        """The ledger's position at that moment."""
        return moment_in(self._reader)[0]

    def data_subjects(self, after: str, limit: int) -> tuple[str, ...]:
        """Those of whom it holds an event, by id from beyond `after` on, at most `limit`."""
        return data_subjects_in(self._reader, after, limit)

    def list_events(
        self, data_subject_id: str, after_position: int, limit: int
    ) -> tuple[ConsentEvent, ...]:
        """The person's events after a position, oldest first, at most `limit`."""
        return events_of(self._reader, data_subject_id, after_position, limit)


@contextmanager
def open_people(path: Path) -> Iterator[PeopleOfFile]:
    """The people of a ledger file, all read in one transaction.

    Raises:
        LedgerError: the file cannot be read or is no ledger.
    """
    with ledger_errors():
        reader = open_reader(path)
        try:
            with reader:
                people = PeopleOfFile(reader)
                people.position()  # the transaction begins with its first statement
                yield people
        finally:
            reader.close()
