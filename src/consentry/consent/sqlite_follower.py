"""The ledger as a worker sees it: reads the file itself, and has its parent write.

Every question begins with the shared counter. Where that has moved on, the worker first reads the
rows it has not seen and publishes them to its cells; so an answer shows every event that was
acknowledged before it was asked for, whoever recorded it.

Lock: `_catch_lock` is held while rows are read and published, so they are published in order.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from consentry.consent.chain import Row
from consentry.consent.entries import Erasure, decode_entry
from consentry.consent.erasure import Erased
from consentry.consent.errors import LedgerCorruptError, LedgerError
from consentry.consent.ledger import ChangeListener, Recorded, SubjectCell
from consentry.consent.memory import DEFAULT_CAPACITY, SubjectCells
from consentry.consent.resolver import UNAVAILABLE, SubjectView
from consentry.consent.shared_counter import SharedCounter
from consentry.consent.sqlite_readers import ReaderPool
from consentry.consent.sqlite_rows import (
    data_subjects_in,
    events_of,
    ledger_id_in,
    moment_in,
    newest_position,
    rows_after,
    view_in,
)
from consentry.consent.sqlite_schema import identity_of, ledger_errors
from consentry.consent.trouble import Trouble
from consentry.model.consent import ConsentEvent, ConsentView
from consentry.model.ports import Clock


class Writer(Protocol):
    """Who writes the file; what it raises are the ledger's own errors."""

    def record(self, events: Sequence[ConsentEvent]) -> tuple[Recorded, ...]:
        """As `Ledger.record`."""
        ...

    def erase(self, data_subject_id: str, *, with_rights: bool = False) -> Erased:
        """As `SqliteLedger.erase`."""
        ...


class SqliteFollower:
    """Implements `consent.ledger.Ledger` for one worker; may be used from any thread.

    Raises:
        LedgerUnavailableError: the file cannot be opened.
    """

    lease: Final = None
    """The counter is compared before each answer, so what it shows is never old."""

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock,
        counter: SharedCounter,
        writer: Writer,
        capacity: int = DEFAULT_CAPACITY,
    ) -> None:
        path = path.resolve()
        self._clock = clock
        self._counter = counter
        self._writer = writer
        self._cells = SubjectCells(capacity)
        self._readers = ReaderPool(path, identity_of(path))
        self._read_trouble = Trouble("ledger_read")
        self._catch_lock = threading.Lock()
        self._is_damaged = False
        with ledger_errors(), self._readers.connection() as reader:
            self.ledger_id: Final = ledger_id_in(reader)
            # Nothing is held yet, so there is nothing to publish.
            self._position = newest_position(reader)
            self._newest_us = moment_in(reader)[1]

    def record(self, events: Sequence[ConsentEvent]) -> tuple[Recorded, ...]:
        """Has the events stored; see the port. They are in the cells when this is back."""
        recorded = self._writer.record(events)
        self.position()
        return recorded

    def erase(self, data_subject_id: str, *, with_rights: bool = False) -> Erased:
        """Has a person forgotten; see `SqliteLedger.erase`."""
        erased = self._writer.erase(data_subject_id, with_rights=with_rights)
        self.position()
        return erased

    def position(self) -> int:
        """Position of the newest event that all cells show: at least the counter's."""
        seen = self._counter.read()
        # PERF: this is all that a check pays for being one of several workers.
        if not 0 <= seen <= self._position:
            self._catch_up(seen)
        return self._position

    def cell(self, data_subject_id: str) -> SubjectCell:
        """The person's cell; see the port."""
        return self._cells.cell(data_subject_id)

    def view(self, data_subject_id: str, *, wait_s: float | None = None) -> ConsentView:  # noqa: ARG002 (the port's shape)
        """The person's current view; an unavailable one where it cannot be read."""
        self.position()
        try:
            return self._cells.view(data_subject_id, self._load)
        except LedgerError as problem:
            self._read_trouble.begin(problem)
            return UNAVAILABLE

    def newest_us(self) -> int:
        """When the newest event at the start was received; the clock must not stand before it."""
        return self._newest_us

    def on_change(self, listener: ChangeListener) -> None:
        """Call `listener` whenever views moved; see the port."""
        self._cells.on_change(listener)

    def list_events(
        self, data_subject_id: str, after_position: int, limit: int
    ) -> tuple[ConsentEvent, ...]:
        """The person's events after a position, oldest first, at most `limit`."""
        self._refuse_damage()
        with ledger_errors(), self._readers.connection() as reader:
            return events_of(reader, data_subject_id, after_position, limit)

    def data_subjects(self, after: str, limit: int) -> tuple[str, ...]:
        """Those of whom it holds an event, by id from beyond `after` on, at most `limit`."""
        self._refuse_damage()
        with ledger_errors(), self._readers.connection() as reader:
            return data_subjects_in(reader, after, limit)

    def close(self) -> None:
        """Gives the file back and empties the cells."""
        self._readers.close()
        self._cells.forget_all(self._position)

    def _catch_up(self, seen: int) -> None:
        with self._catch_lock:
            if seen < 0:
                self._note_damage()
                return
            if seen <= self._position:
                return
            try:
                with ledger_errors(), self._readers.connection() as reader:
                    rows = list(rows_after(reader, self._position))
                self._publish(rows)
            except LedgerError as problem:
                # What cannot be read may hold a withdrawal: nothing that is held may be used.
                self._read_trouble.begin(problem)
                self._cells.forget_all(seen)
                return
            self._read_trouble.end()

    def _publish(self, rows: Sequence[Row]) -> None:
        now_us = self._clock.now_us()
        for position, _, _, public, _, _, _, personal in rows:
            entry = decode_entry(position, public, personal)
            if isinstance(entry, Erasure):
                # Nobody is told whose events lost their personal part: all are read again.
                self._cells.forget_all(position)
            elif entry.data_subject_id:
                self._cells.publish({entry.data_subject_id: (entry,)}, position, now_us)
            # INVARIANT: after the cells, so that position n is never seen before the views up to n.
            self._position = position

    def _note_damage(self) -> None:
        if not self._is_damaged:
            self._is_damaged = True
            self._cells.forget_all(self._position + 1)

    def _refuse_damage(self) -> None:
        if self._counter.read() < 0:
            raise LedgerCorruptError("the ledger was found damaged")

    def _load(self, data_subject_id: str) -> SubjectView:
        self._refuse_damage()
        with ledger_errors(), self._readers.connection() as reader, reader:
            view = view_in(reader, data_subject_id, self._clock.now_us())
        self._read_trouble.end()
        return view
