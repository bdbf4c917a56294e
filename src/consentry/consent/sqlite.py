"""The ledger in one SQLite file, owned by one process.

Order of a recording, on which the promises rest: validate, insert in one transaction, commit
(synchronous FULL), publish to the cells, move the position, acknowledge. `_write_lock` is held from
the transaction's start to the move of the position, so positions are dense, in the order of commits
and published in that order. Locks are taken in the order `_write_lock`, then the cells' own.

When a write fails, what the file holds is no longer taken for known: the next recording first opens
the file again, verifies its tail and empties the cells. Reading goes on meanwhile from the cells,
which show exactly what was acknowledged.

A file that was moved away or replaced under us takes no more events: they would be durable in a
file that nobody finds again. Failing and recovering are each told once in the log, not per call.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import apsw

from consentry.consent.anchor import Anchor, anchor_path, find_anchor, write_anchor
from consentry.consent.append import Append, NewRow, UsedKey, keys_of, plan_append
from consentry.consent.chain import Head, verify_rows
from consentry.consent.errors import (
    IdempotencyConflictError,
    LedgerCorruptError,
    LedgerError,
    LedgerUnavailableError,
)
from consentry.consent.event_codec import decode_event, genesis_digest
from consentry.consent.ledger import Recorded, SubjectCell
from consentry.consent.memory import DEFAULT_CAPACITY, SubjectCells
from consentry.consent.resolver import UNAVAILABLE, SubjectView
from consentry.consent.sqlite_readers import ReaderPool
from consentry.consent.sqlite_schema import FileLock, identity_of, ledger_errors, open_writer
from consentry.consent.trouble import Trouble
from consentry.consent.validate import check_events
from consentry.model.consent import ConsentEvent, ConsentView
from consentry.model.ports import Clock, IdSource

log = logging.getLogger(__name__)

TAIL_COUNT: Final = 1_000
_ROWS: Final = (
    "SELECT e.position, e.public, e.digest, p.data_subject_id, p.salt, p.personal"
    " FROM event e LEFT JOIN personal p ON p.position = e.position"
    " WHERE e.position > ? ORDER BY e.position"
)
_PERSONS_EVENTS: Final = (
    "SELECT e.public, p.personal FROM personal p JOIN event e ON e.position = p.position"
    " WHERE p.data_subject_id = ? AND p.position > ? ORDER BY p.position LIMIT ?"
)
_BY_KEY: Final = (
    "SELECT e.content_digest, e.public, p.salt FROM event e"
    " LEFT JOIN personal p ON p.position = e.position WHERE e.key_digest = ?"
)


def _pass(point: str) -> None:
    """The failpoint of production: nothing."""


class SqliteLedger:
    """Implements `consent.ledger.Ledger`; may be used from any thread.

    `failpoint` is called with `before_commit`, `after_commit` and `published`; tests stop, kill or
    raise there.

    Raises:
        LedgerBusyError: another process owns the file.
        LedgerSchemaError: the file is not a ledger, or of a newer version.
        LedgerCorruptError: it is damaged, or the tail of the chain does not hold.
        LedgerUnavailableError: it cannot be opened.
    """

    lease: Final = None
    """Nobody else writes this ledger, so what it shows is never old."""

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock,
        ids: IdSource,
        capacity: int = DEFAULT_CAPACITY,
        failpoint: Callable[[str], None] = _pass,
    ) -> None:
        self._path = path.resolve()
        self._clock = clock
        self._ids = ids
        self._failpoint = failpoint
        self._write_lock = threading.Lock()
        self._cells = SubjectCells(capacity)
        self._is_closed = False
        self._is_suspect = False
        self._write_trouble = Trouble("ledger_write")
        self._read_trouble = Trouble("ledger_read")
        self._file_lock = FileLock(self._path)
        try:
            self._writer = open_writer(self._path)
            try:
                self._identity = identity_of(self._path)
                self._readers = ReaderPool(self._path, self._identity)
                self._ledger_id, self._head = self._read_head()
                self._check_anchor()
            except BaseException:
                self._writer.close()
                raise
        except BaseException:
            self._file_lock.release()
            raise
        self._position = self._head.position
        self._drop_anchor()

    def record(self, events: Sequence[ConsentEvent]) -> tuple[Recorded, ...]:
        """Stores all events durably, or none; see the port."""
        check_events(events, self._clock.now_us())
        with self._write_lock:
            try:
                recorded = self._record(events)
            except IdempotencyConflictError:
                raise
            except LedgerError as problem:
                if not self._is_closed:
                    self._write_trouble.begin(problem)
                raise
            self._write_trouble.end()
        return recorded

    def _record(self, events: Sequence[ConsentEvent]) -> tuple[Recorded, ...]:
        self._make_usable()
        try:
            with ledger_errors():
                append = self._store(events)
            self._publish(append.added, append.head)
        except IdempotencyConflictError:
            raise
        except BaseException:
            # INVARIANT: an event may be in the file and not in the cells from here on; nothing
            # is acknowledged, a replay included, before `_make_usable` has read it all again.
            self._is_suspect = True
            raise
        return append.recorded

    def cell(self, data_subject_id: str) -> SubjectCell:
        """The person's cell; see the port."""
        return self._cells.cell(data_subject_id)

    def view(self, data_subject_id: str) -> ConsentView:
        """The person's current view; an unavailable one where it cannot be read."""
        try:
            return self._cells.view(data_subject_id, self._load)
        except LedgerError as problem:
            self._read_trouble.begin(problem)
            return UNAVAILABLE

    def position(self) -> int:
        """Position of the newest event that all cells show."""
        return self._position

    def newest_us(self) -> int:
        """When the newest event was received; 0 without one. The clock must not stand before it."""
        return self._head.received_at_us

    def list_events(
        self, data_subject_id: str, after_position: int, limit: int
    ) -> tuple[ConsentEvent, ...]:
        """The person's events after a position, oldest first, at most `limit`."""
        with ledger_errors(), self._readers.connection() as reader:
            rows = reader.execute(_PERSONS_EVENTS, (data_subject_id, after_position, limit))
            return tuple(decode_event(public, personal) for public, personal in rows)

    def verify(self) -> int:
        """Checks the whole chain and gives the number of events.

        Raises:
            LedgerCorruptError: names the first position that does not hold.
        """
        with ledger_errors(), self._readers.connection() as reader:
            start = Head(0, genesis_digest(self._ledger_id))
            return verify_rows(reader.execute(_ROWS, (0,)), start).position

    def close(self) -> None:
        """Gives the file up and empties the cells; may be called twice."""
        with self._write_lock:
            if self._is_closed:
                return
            self._is_closed = True
            self._drop_anchor()
            self._readers.close()
            self._cells.forget_all()
            self._writer.close()
            self._file_lock.release()

    def _check_anchor(self) -> None:
        """Refuses a file that is not, or no longer holds, what was here before."""
        path = anchor_path(self._path)
        anchor = find_anchor(path)
        if anchor is None:
            return
        digest: bytes | None = genesis_digest(self._ledger_id)
        if anchor.position > 0:
            rows = self._writer.execute(
                "SELECT digest FROM event WHERE position = ?", (anchor.position,)
            )
            digest = rows.get
        if (self._ledger_id, digest) != (anchor.ledger_id, anchor.digest):
            raise LedgerCorruptError(
                f"it is another ledger than the one that was here, or lacks events up to position"
                f" {anchor.position}; after restoring a backup on purpose, remove {path.name}"
            )

    def _drop_anchor(self) -> None:
        if self._is_suspect:  # the head may be of a transaction that was rolled back
            return
        head = self._head
        try:
            write_anchor(
                anchor_path(self._path), Anchor(self._ledger_id, head.position, head.digest)
            )
        except OSError as problem:
            # The one before still stands and still holds.
            log.warning("ledger_anchor_failed", extra={"error_number": problem.errno})

    def _make_usable(self) -> None:
        if self._is_closed:
            raise LedgerUnavailableError("the ledger is closed")
        # INVARIANT: before anything is written or opened; opening would make a new file there.
        if identity_of(self._path) != self._identity:
            raise LedgerUnavailableError("the ledger file was moved or replaced")
        if not self._is_suspect:
            return
        with ledger_errors():
            self._writer.close()
            self._writer = open_writer(self._path)
            _, head = self._read_head()
        if head.position < self._position:
            raise LedgerCorruptError("acknowledged events are gone from the ledger file")
        self._head = head
        self._cells.forget_all()
        self._position = self._head.position
        self._is_suspect = False

    def _read_head(self) -> tuple[str, Head]:
        """Identity of the ledger and the head, once the tail before it has been verified."""
        with ledger_errors():
            ledger_id = self._writer.execute("SELECT value FROM meta WHERE name = 'ledger_id'").get
            head = Head(0, genesis_digest(ledger_id))
            before = self._writer.execute(
                "SELECT position, digest FROM event"
                " WHERE position <= (SELECT max(position) FROM event) - ?"
                " ORDER BY position DESC LIMIT 1",
                (TAIL_COUNT,),
            ).fetchone()
            if before is not None:
                head = Head(*before)
            rows = self._writer.execute(_ROWS, (head.position,))
            return ledger_id, verify_rows(rows, head)

    def _store(self, events: Sequence[ConsentEvent]) -> Append:
        """Writes and commits what the events come to."""
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            append = plan_append(
                events,
                self._used_keys(keys_of(events, self._ledger_id)),
                ledger_id=self._ledger_id,
                head=self._head,
                now_us=self._clock.now_us(),
                ids=self._ids,
            )
            for row in append.rows:
                self._insert(row)
            self._failpoint("before_commit")
            self._writer.execute("COMMIT")
        finally:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
        self._failpoint("after_commit")
        return append

    def _used_keys(self, keys: Sequence[bytes]) -> dict[bytes, UsedKey]:
        found = ((key, self._writer.execute(_BY_KEY, (key,)).fetchone()) for key in keys)
        return {key: UsedKey(*row) for key, row in found if row is not None}

    def _insert(self, row: NewRow) -> None:
        self._writer.execute(
            "INSERT INTO event (position, key_digest, content_digest, public, digest)"
            " VALUES (?, ?, ?, ?, ?)",
            (row.position, row.key_digest, row.content_digest, row.public, row.digest),
        )
        self._writer.execute(
            "INSERT INTO personal (position, data_subject_id, salt, personal) VALUES (?, ?, ?, ?)",
            (row.position, row.data_subject_id, row.salt, row.personal),
        )

    def _publish(self, added: Sequence[ConsentEvent], head: Head) -> None:
        if added:
            by_person: dict[str, list[ConsentEvent]] = {}
            for event in added:
                by_person.setdefault(event.data_subject_id, []).append(event)
            self._cells.publish(by_person, head.position, head.received_at_us)
            self._head = head
            # INVARIANT: after the cells, so that position n is never seen before the views up to n.
            self._position = head.position
        self._failpoint("published")

    def _load(self, data_subject_id: str) -> SubjectView:
        with ledger_errors(), self._readers.connection() as reader, reader:
            # One transaction: the position is that of the very state the events are read from.
            position, newest_us = self._read_moment(reader)
            rows = reader.execute(_PERSONS_EVENTS, (data_subject_id, 0, -1))
            events = tuple(decode_event(public, personal) for public, personal in rows)
        self._read_trouble.end()
        return SubjectView(
            events=events,
            revision=events[-1].position if events else 0,
            position=position,
            read_at_us=max(self._clock.now_us(), newest_us),
        )

    def _read_moment(self, reader: apsw.Connection) -> tuple[int, int]:
        row = reader.execute(
            "SELECT position, public FROM event ORDER BY position DESC LIMIT 1"
        ).fetchone()
        return (0, 0) if row is None else (row[0], decode_event(row[1], None).received_at_us)
