"""The ledger in PostgreSQL, for many processes at once; implements `consent.source.Source`.

Order of a recording: lock the head row, read it, look the keys up, insert, move the head, commit.
The lock is held from before the position is chosen to after the commit, so positions are dense and
their order is that of commits, and who reads "all after n" can never miss one that commits later
with a lower number. A notification goes out with the commit; it only wakes those who follow.

A recording that fails with its connection is tried once more on a new one: the keys settle whether
the first attempt was committed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from consentry.consent.append import keys_of
from consentry.consent.chain import Row, Verification
from consentry.consent.erasure import Erased, plan_erasure, standing_rights
from consentry.consent.errors import (
    LedgerCorruptError,
    LedgerUnavailableError,
    RightsStandError,
)
from consentry.consent.event_codec import genesis_digest
from consentry.consent.feed import Place
from consentry.consent.group import GroupCommit, Ticket, plan_group
from consentry.consent.ledger import Recorded
from consentry.consent.postgres_pool import Guard, Pool
from consentry.consent.postgres_rows import (
    begin_append,
    commit_append,
    data_subjects_in,
    digest_at,
    erasable_rows,
    events_of,
    head_in,
    ledger_id_in,
    page_from,
    rows_after,
)
from consentry.consent.postgres_schema import check_version
from consentry.consent.postgres_session import PAGE, PostgresSession
from consentry.consent.recent import Page
from consentry.consent.source import Reading
from consentry.model.consent import ConsentEvent
from consentry.model.ports import Clock, IdSource
from consentry.model.values import MICROS_PER_SECOND

_READ_S: Final = 1.0
_WRITE_S: Final = 5.0
_VERIFY_S: Final = 3_600.0


class PostgresSource:
    """A ledger in PostgreSQL; may be used from any thread. Opens nothing before it is asked.

    `conninfo` is libpq's, several hosts included. `heartbeat_us` is how often a session looks when
    nothing wakes it; `read_us` the steady clock it measures with.
    """

    def __init__(
        self,
        conninfo: str,
        *,
        clock: Clock,
        ids: IdSource,
        read_us: Callable[[], int],
        heartbeat_us: int,
        write_s: float = _WRITE_S,
    ) -> None:
        self._conninfo: Final = conninfo
        self._clock: Final = clock
        self._ids: Final = ids
        self._read_us: Final = read_us
        self._heartbeat_s: Final = heartbeat_us / MICROS_PER_SECOND
        self._guard: Final = Guard()
        self._readers: Final = Pool(conninfo, self._guard, check_version, limit_s=_READ_S)
        self._writers: Final = Pool(conninfo, self._guard, check_version, limit_s=write_s)
        self._group: Final = GroupCommit(self._write, wait_s=2 * write_s)
        self._ledger_id = ""

    def check(self) -> int:
        """Whether server and schema can be used; the time of receipt of the newest event.

        Raises:
            LedgerSchemaError: the schema is outside of what this program knows.
            LedgerError: the server does not keep our conditions.
            LedgerUnavailableError: it cannot be reached now.
        """
        with self._readers.connection() as reader:
            return head_in(reader).received_at_us

    @property
    def ledger_id(self) -> str:
        """The identity that the chain begins with.

        Raises:
            LedgerUnavailableError: it could not be read, and was not before.
        """
        if not self._ledger_id:
            with self._readers.connection() as reader:
                self._ledger_id = ledger_id_in(reader)
        return self._ledger_id

    def follow(self, place: Place | None) -> PostgresSession:
        """A session from `place` on."""
        return PostgresSession(self._conninfo, place, self._read_us, self._heartbeat_s)

    def record(self, events: Sequence[ConsentEvent]) -> tuple[Recorded, ...]:
        """Stores all events durably, or none; shares a transaction with whoever comes meanwhile."""
        return self._group.record(events)

    def read_person(self, data_subject_id: str, at_least: int) -> Reading:
        """All events of a person, in one reading with the position."""
        with self._readers.connection() as reader:
            position, events = events_of(reader, data_subject_id)
        if position < at_least:
            raise LedgerUnavailableError("the ledger is behind what it has acknowledged")
        return Reading(events, position)

    def list_events(
        self, data_subject_id: str, after_position: int, limit: int
    ) -> tuple[ConsentEvent, ...]:
        """The person's events after a position, oldest first, at most `limit`."""
        with self._readers.connection() as reader:
            return events_of(reader, data_subject_id, after_position, limit)[1]

    def data_subjects(self, after: str, limit: int) -> tuple[str, ...]:
        """Those of whom it holds an event, by id from beyond `after` on, at most `limit`."""
        with self._readers.connection() as reader:
            return data_subjects_in(reader, after, limit)

    def read_after(self, position: int, limit: int) -> Page:
        """Everybody's entries after a position, oldest first."""
        with self._readers.connection() as reader:
            return page_from(reader, Place(position), limit)[1]

    def digest_at(self, position: int) -> bytes | None:
        """The chain's digest at a position; None where there is no such event."""
        if position == 0:
            return genesis_digest(self.ledger_id)
        with self._readers.connection() as reader:
            return digest_at(reader, position)

    def read_rows(self, after_position: int, limit: int) -> tuple[Row, ...]:
        """Rows of the chain after a position, in order, erasures included; at most `limit`."""
        with self._readers.connection() as reader:
            return tuple(rows_after(reader, after_position, limit))

    def verify(self, told: Callable[[int], None] = lambda _: None) -> int:
        """Checks the whole chain and gives the number of rows; `told` hears how far it is.

        Raises:
            LedgerCorruptError: names the first position that does not hold.
            LedgerUnavailableError: it could not be read.
        """
        walk = Verification(self.ledger_id)
        with self._readers.connection(limit_s=_VERIFY_S) as reader:
            # One state from the first row to the head, however long it takes.
            reader.execute("SET statement_timeout = 0; BEGIN ISOLATION LEVEL REPEATABLE READ")
            while rows := rows_after(reader, walk.head.position, 10 * PAGE):
                told(walk.feed(rows).position)
            head = head_in(reader)
            reader.execute("ROLLBACK; SET statement_timeout = '10s'")
        end = walk.finish()
        if (head.position, head.digest) != (end.position, end.digest):
            raise LedgerCorruptError(
                "the head is not the end of the chain", end.position + 1, "rolled_back"
            )
        return end.position

    def erase(self, data_subject_id: str, *, with_rights: bool = False) -> Erased:
        """Forgets a person, durably; see `consent.erasure`.

        Raises:
            RightsStandError: an objection, opt-out or the like stands, and `with_rights` is not
                said; nothing was erased.
            LedgerError: the ledger could not be written.
        """
        with self._writers.connection() as writer:
            head, _ = begin_append(writer, ())
            events = events_of(writer, data_subject_id)[1]
            standing = () if with_rights else standing_rights(events)
            if standing or not events:
                writer.execute("ROLLBACK")
            else:
                rows = erasable_rows(writer, data_subject_id)
                row, head = plan_erasure(
                    rows, head, event_id=self._ids.new_id(), now_us=self._clock.now_us()
                )
                commit_append(writer, [row], head, [row.position for row in rows])
        if standing:
            raise RightsStandError(tuple(sorted({event.kind.value for event in standing})))
        return Erased(count=len(events), position=head.position if events else 0)

    def close(self) -> None:
        """Closes what is idle and cuts what is in use."""
        self._readers.close()
        self._writers.close()
        self._guard.close()

    def _write(self, tickets: Sequence[Ticket]) -> None:
        try:
            self._write_once(tickets)
        except LedgerUnavailableError:
            # The connection may have died long ago. The keys settle what became of the first try.
            self._write_once(tickets)

    def _write_once(self, tickets: Sequence[Ticket]) -> None:
        with self._writers.connection() as writer:
            self._ledger_id = self._ledger_id or ledger_id_in(writer)
            events = [event for ticket in tickets for event in ticket.events]
            head, used = begin_append(writer, keys_of(events, self._ledger_id))
            group = plan_group(
                tickets,
                used,
                ledger_id=self._ledger_id,
                head=head,
                now_us=self._clock.now_us(),
                ids=self._ids,
            )
            commit_append(writer, group.rows, group.head)
