"""The ledger in one SQLite file, owned by one process.

Order of a recording, on which the promises rest: validate, insert in one transaction, commit
(synchronous FULL), publish to the cells, move the position, acknowledge. `_write_lock` is held from
the transaction's start to the move of the position, so positions are dense, in the order of commits
and published in that order. Recordings that arrive together share a transaction. Locks are taken in
the order `_write_lock`, then the cells' own.

When a write fails, what the file holds is no longer taken for known: the next recording first opens
the file again, verifies its tail and empties the cells. Reading goes on meanwhile from the cells,
which show exactly what was acknowledged.

A file that was moved away or replaced under us takes no more events: they would be durable in a
file that nobody finds again. Nor does one that turned out to be damaged, and nothing is read from
it any more. On a full disk the reserve lets events in that narrow what may be done. Failing and
recovering are each told once in the log, not per call.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import apsw

from consentry.consent.anchor import Anchor, AnchorKeeper, anchor_path, check_anchor, find_anchor
from consentry.consent.chain import Head, Row, Verification
from consentry.consent.erasure import Erased, plan_erasure, standing_rights
from consentry.consent.errors import (
    IdempotencyConflictError,
    LedgerCorruptError,
    LedgerError,
    LedgerUnavailableError,
    RightsStandError,
)
from consentry.consent.event_codec import genesis_digest
from consentry.consent.group import GroupAppend, GroupCommit, Ticket, plan_group
from consentry.consent.ledger import ChangeListener, Recorded, SubjectCell
from consentry.consent.memory import DEFAULT_CAPACITY, SubjectCells
from consentry.consent.reserve import RESERVE_BYTES, Reserve
from consentry.consent.resolver import UNAVAILABLE, SubjectView
from consentry.consent.sqlite_readers import ReaderPool
from consentry.consent.sqlite_rows import (
    check_database,
    data_subjects_in,
    delete_personal,
    digest_at,
    erasable_rows,
    events_of,
    head_in,
    insert_rows,
    ledger_id_in,
    rows_after,
    transaction,
    used_keys,
    view_in,
)
from consentry.consent.sqlite_schema import FileLock, identity_of, ledger_errors, open_writer
from consentry.consent.trouble import Trouble
from consentry.consent.validate import check_events
from consentry.model.consent import ConsentEvent, ConsentView
from consentry.model.ports import Clock, IdSource

log = logging.getLogger(__name__)

_WAIT_S: Final = 30.0
"""How long a recording waits for its turn; whoever asked gave up long before."""


def _pass(point: str) -> None:
    """The failpoint of production: nothing."""


class SqliteLedger:
    """Implements `consent.ledger.Ledger`; may be used from any thread.

    `anchor` is where the head is kept beside the file, better on another disk. `failpoint` is
    called with `before_commit`, `after_commit` and `published`; tests stop, kill or raise there.

    Raises:
        LedgerBusyError: another process owns the file.
        LedgerSchemaError: the file is not a ledger, or of a newer version.
        LedgerCorruptError: it is damaged, the tail of the chain does not hold, or it lacks what
            the anchor tells of.
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
        anchor: Path | None = None,
        reserve_bytes: int = RESERVE_BYTES,
        failpoint: Callable[[str], None] = _pass,
    ) -> None:
        self._path = path.resolve()
        self._clock = clock
        self._ids = ids
        self._failpoint = failpoint
        self._write_lock = threading.Lock()
        self._group: Final = GroupCommit(self._write, wait_s=_WAIT_S)
        self._cells = SubjectCells(capacity)
        self._is_closed = False
        self._is_suspect = False
        self._damage: LedgerCorruptError | None = None
        self._write_trouble = Trouble("ledger_write")
        self._read_trouble = Trouble("ledger_read")
        self.file_lock: Final = FileLock(self._path)
        try:
            self._writer = open_writer(self._path)
            try:
                self._identity = identity_of(self._path)
                self._readers = ReaderPool(self._path, self._identity)
                with ledger_errors():
                    self.ledger_id: Final = ledger_id_in(self._writer)
                    self._head = head_in(self._writer, self.ledger_id)
                self._check_anchor(anchor or anchor_path(self._path))
                self._reserve = Reserve(self._path, reserve_bytes, clock)
            except BaseException:
                self._writer.close()
                raise
        except BaseException:
            self.file_lock.release()
            raise
        self._position = self._head.position
        self._anchor = AnchorKeeper(anchor or anchor_path(self._path))
        self._anchor.start(self._anchor_of(self._head))

    def record(self, events: Sequence[ConsentEvent]) -> tuple[Recorded, ...]:
        """Stores all events durably, or none; see the port."""
        check_events(events, self._clock.now_us())
        return self._group.record(events)

    def _write(self, tickets: Sequence[Ticket]) -> None:
        with self._write_lock:
            try:
                self._make_usable()
                self._reserve.write(tickets, self._append, self._make_usable)
            except LedgerError as problem:
                if not self._is_closed:
                    self._write_trouble.begin(problem)
                raise
            self._write_trouble.end()

    def _append(self, tickets: Sequence[Ticket]) -> None:
        with self._suspecting():
            group = self._store(tickets)
            self._publish(group.added, group.head)

    @contextmanager
    def _suspecting(self) -> Iterator[None]:
        """Whatever fails within leaves the file's content unknown."""
        try:
            with ledger_errors():
                yield
        except IdempotencyConflictError:
            raise
        except BaseException:
            # INVARIANT: an event may be in the file and not in the cells from here on; nothing
            # is acknowledged, a replay included, before `_make_usable` has read it all again.
            self._is_suspect = True
            raise

    def erase(self, data_subject_id: str, *, with_rights: bool = False) -> Erased:
        """Forgets a person: durably, and in every later view. What remains: `consent.erasure`.

        Raises:
            RightsStandError: an objection, opt-out or the like stands, and `with_rights` is not
                said; nothing was erased.
            LedgerError: the ledger could not be written.
        """
        with self._write_lock:
            self._make_usable()
            with ledger_errors():
                events = events_of(self._writer, data_subject_id)
            if not events:
                return Erased(count=0, position=0)
            if not with_rights and (standing := standing_rights(events)):
                raise RightsStandError(tuple(sorted({event.kind.value for event in standing})))
            erased = self._reserve.helping(lambda: self._erase(data_subject_id), self._make_usable)
            self._overwrite()
            return erased

    def _erase(self, data_subject_id: str) -> Erased:
        with self._suspecting():
            with transaction(self._writer, self._failpoint):
                rows = erasable_rows(self._writer, data_subject_id)
                row, head = plan_erasure(
                    rows, self._head, event_id=self._ids.new_id(), now_us=self._clock.now_us()
                )
                insert_rows(self._writer, [row])
                delete_personal(self._writer, rows)
            self._cells.forget(data_subject_id, head.position)
            self._move(head)
            self._failpoint("published")
        return Erased(count=len(rows), position=head.position)

    def _overwrite(self) -> None:
        """Brings the erasure into the file and empties the log, which still holds what was erased.

        A reader that is just at work keeps it there until the next time.
        """
        try:
            self._writer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        except apsw.Error as problem:
            log.warning("ledger_erased_not_overwritten", extra={"error": type(problem).__name__})

    def cell(self, data_subject_id: str) -> SubjectCell:
        """The person's cell; see the port."""
        return self._cells.cell(data_subject_id)

    def view(self, data_subject_id: str, *, wait_s: float | None = None) -> ConsentView:  # noqa: ARG002 (the port's shape)
        """The person's current view; an unavailable one where it cannot be read."""
        try:
            return self._cells.view(data_subject_id, self._load)
        except LedgerError as problem:
            self._read_trouble.begin(problem)
            return UNAVAILABLE

    def position(self) -> int:
        """Position of the newest event that all cells show."""
        return self._position

    @property
    def is_space_short(self) -> bool:
        """Whether only what narrows is recorded, for want of space."""
        return self._reserve.is_short

    def newest_us(self) -> int:
        """When the newest event was received; 0 without one. The clock must not stand before it."""
        return self._head.received_at_us

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

    def read_rows(self, after_position: int, limit: int) -> tuple[Row, ...]:
        """Rows of the chain after a position, in order, erasures included; at most `limit`."""
        with ledger_errors(), self._readers.connection() as reader:
            return tuple(rows_after(reader, after_position, limit))

    def check_store(self) -> None:
        """Lets SQLite check its pages and indexes; see `sqlite_rows.check_database`."""
        with ledger_errors(), self._readers.connection() as reader:
            check_database(reader)

    def verify(self) -> int:
        """Checks the whole chain and gives the number of rows.

        Raises:
            LedgerCorruptError: names the first position that does not hold.
        """
        walk = Verification(self.ledger_id)
        with ledger_errors(), self._readers.connection() as reader, reader:
            walk.feed(rows_after(reader, 0))
        return walk.finish().position

    def mark_damaged(self, problem: LedgerCorruptError) -> None:
        """From now on nothing is read or recorded, and every view is unavailable."""
        self._damage = problem
        # INVARIANT: after the mark, so that no view read before it is stored after. No event will
        # come any more: the position after the last one tells what was read before from all else.
        self._cells.forget_all(self._position + 1)

    def _refuse_damage(self) -> None:
        if self._damage is not None:
            raise LedgerCorruptError(str(self._damage), self._damage.position, self._damage.code)

    def close(self) -> None:
        """Gives the file up and empties the cells; may be called twice."""
        with self._write_lock:
            if self._is_closed:
                return
            self._is_closed = True
            self._anchor.close()
            self._readers.close()
            self._cells.forget_all(self._position)
            with suppress(apsw.Error):  # a checkpoint that fails is left to the next start
                self._writer.close()
            self.file_lock.release()

    def _check_anchor(self, path: Path) -> None:
        """Refuses a file that is not, or no longer holds, what was here before."""
        anchor = find_anchor(path)
        if anchor is not None:
            with ledger_errors():
                check_anchor(anchor, self.ledger_id, self._digest_at, self._head.position)

    def _digest_at(self, position: int) -> bytes | None:
        return digest_at(self._writer, position) if position else genesis_digest(self.ledger_id)

    def _anchor_of(self, head: Head) -> Anchor:
        return Anchor(self.ledger_id, head.position, head.digest)

    def _make_usable(self) -> None:
        if self._is_closed:
            raise LedgerUnavailableError("the ledger is closed")
        self._refuse_damage()
        # INVARIANT: before anything is written or opened; opening would make a new file there.
        if identity_of(self._path) != self._identity:
            raise LedgerUnavailableError("the ledger file was moved or replaced")
        if not self._is_suspect:
            return
        with ledger_errors():
            self._writer.close()
            self._writer = open_writer(self._path)
            head = head_in(self._writer, self.ledger_id)
        if head.position < self._position:
            raise LedgerCorruptError(
                "acknowledged events are gone from the ledger file",
                head.position + 1,
                "rolled_back",
            )
        self._cells.forget_all(head.position)
        self._move(head)
        self._is_suspect = False

    def _store(self, tickets: Sequence[Ticket]) -> GroupAppend:
        """Writes and commits what the tickets come to."""
        try:
            # PERF: nearly all keys are new, and the table itself refuses one that is not; looking
            # each up beforehand took as long as writing its row.
            return self._insert(tickets, are_keys_new=True)
        except (apsw.ConstraintError, IdempotencyConflictError):
            return self._insert(tickets, are_keys_new=False)

    def _insert(self, tickets: Sequence[Ticket], *, are_keys_new: bool) -> GroupAppend:
        events = [event for ticket in tickets for event in ticket.events]
        with transaction(self._writer, self._failpoint):
            used = {} if are_keys_new else used_keys(self._writer, events, self.ledger_id)
            group = plan_group(
                tickets,
                used,
                ledger_id=self.ledger_id,
                head=self._head,
                now_us=self._clock.now_us(),
                ids=self._ids,
            )
            for ticket in tickets:
                if are_keys_new and ticket.problem is not None:
                    raise ticket.problem
            insert_rows(self._writer, group.rows)
        return group

    def _publish(self, added: Sequence[ConsentEvent], head: Head) -> None:
        if added:
            by_person: dict[str, list[ConsentEvent]] = {}
            for event in added:
                by_person.setdefault(event.data_subject_id, []).append(event)
            self._cells.publish(by_person, head.position, head.received_at_us)
            self._move(head)
        self._failpoint("published")

    def _move(self, head: Head) -> None:
        self._head = head
        # INVARIANT: after the cells, so that position n is never seen before the views up to n.
        self._position = head.position
        self._anchor.move(self._anchor_of(head))

    def _load(self, data_subject_id: str) -> SubjectView:
        self._refuse_damage()
        with ledger_errors(), self._readers.connection() as reader, reader:
            view = view_in(reader, data_subject_id, self._clock.now_us())
        self._read_trouble.end()
        return view
