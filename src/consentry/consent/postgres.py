"""The ledger in PostgreSQL, for many processes at once; implements `consent.source.Source`.

Order of a recording: lock the head row, read it, look the keys up, insert, move the head, commit.
The lock is held from before the position is chosen to after the commit, so positions are dense and
their order is that of commits, and who reads "all after n" can never miss one that commits later
with a lower number. A notification goes out with the commit; it only wakes those who follow, who
read by position whether it arrived or not.

A recording that fails with the connection is tried once more on a new one: the keys settle whether
the first attempt was committed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from consentry.consent.append import NewRow, UsedKey, keys_of, plan_append
from consentry.consent.chain import Head, verify_rows
from consentry.consent.errors import (
    IdempotencyConflictError,
    LedgerCorruptError,
    LedgerDivergedError,
    LedgerUnavailableError,
)
from consentry.consent.event_codec import decode_event, genesis_digest
from consentry.consent.feed import Frame, Place
from consentry.consent.group import GroupCommit, Ticket
from consentry.consent.ledger import Recorded
from consentry.consent.postgres_pool import Guard, Pool, cut
from consentry.consent.postgres_schema import (
    Connection,
    check_version,
    dial,
    postgres_errors,
    prepare,
)
from consentry.consent.recent import Page
from consentry.consent.source import Reading
from consentry.model.consent import ConsentEvent
from consentry.model.ports import Clock, IdSource
from consentry.model.values import MICROS_PER_SECOND

CHANNEL: Final = "consentry_ledger"
PAGE: Final = 1_000
MAX_CATCH_UP: Final = 20_000
"""Who is further behind forgets everything and begins at the head: that is quicker."""

_READ_S: Final = 1.0
_WRITE_S: Final = 5.0
_PERSON: Final = (
    "SELECT h.position, e.public, p.personal FROM consentry.head h"
    " LEFT JOIN (consentry.personal p JOIN consentry.event e ON e.position = p.position)"
    " ON p.data_subject_id = %s AND p.position > %s ORDER BY p.position LIMIT %s"
)
# From the follower's own position on, that one included, in one reading of one state.
_AFTER: Final = (
    "SELECT e.position, e.digest, e.public, p.personal FROM consentry.event e"
    " LEFT JOIN consentry.personal p ON p.position = e.position"
    " WHERE e.position >= %s ORDER BY e.position LIMIT %s"
)
_ROWS: Final = (
    "SELECT e.position, e.public, e.digest, p.data_subject_id, p.salt, p.personal"
    " FROM consentry.event e LEFT JOIN consentry.personal p ON p.position = e.position"
    " WHERE e.position > %s ORDER BY e.position LIMIT %s"
)
_USED: Final = (
    "SELECT e.key_digest, e.content_digest, e.public, p.salt FROM consentry.event e"
    " LEFT JOIN consentry.personal p ON p.position = e.position WHERE e.key_digest = ANY(%s)"
)
_LOCK_HEAD: Final = "SELECT position, digest, received_at_us FROM consentry.head FOR UPDATE"
_INSERT_EVENTS: Final = (
    "INSERT INTO consentry.event (position, key_digest, content_digest, public, digest)"
    " SELECT * FROM unnest(%s::bigint[], %s::bytea[], %s::bytea[], %s::bytea[], %s::bytea[])"
)
_INSERT_PERSONAL: Final = (
    "INSERT INTO consentry.personal (position, data_subject_id, salt, personal)"
    " SELECT * FROM unnest(%s::bigint[], %s::text[], %s::bytea[], %s::bytea[])"
)


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
            row = reader.execute("SELECT received_at_us FROM consentry.head").fetchone()
        return 0 if row is None else int(row[0])

    def follow(self, place: Place | None) -> PostgresSession:
        """A session from `place` on."""
        return PostgresSession(self._conninfo, place, self._read_us, self._heartbeat_s)

    def record(self, events: Sequence[ConsentEvent]) -> tuple[Recorded, ...]:
        """Stores all events durably, or none; shares a transaction with whoever comes meanwhile."""
        return self._group.record(events)

    def read_person(self, data_subject_id: str, at_least: int) -> Reading:
        """All events of a person, in one reading with the position."""
        with self._readers.connection() as reader:
            rows = reader.execute(_PERSON, (data_subject_id, 0, None)).fetchall()
        if not rows or rows[0][0] < at_least:
            raise LedgerUnavailableError("the ledger is behind what it has acknowledged")
        return Reading(_events(row[1:] for row in rows if row[1] is not None), rows[0][0])

    def list_events(
        self, data_subject_id: str, after_position: int, limit: int
    ) -> tuple[ConsentEvent, ...]:
        """The person's events after a position, oldest first, at most `limit`."""
        with self._readers.connection() as reader:
            rows = reader.execute(_PERSON, (data_subject_id, after_position, limit)).fetchall()
        return _events(row[1:] for row in rows if row[1] is not None)

    def read_after(self, position: int, limit: int) -> Page:
        """Everybody's events after a position, oldest first."""
        with self._readers.connection() as reader:
            rows = reader.execute(_AFTER, (position + 1, limit)).fetchall()
        place = Place(rows[-1][0], rows[-1][1]) if rows else Place(position)
        return Page(_events(row[2:] for row in rows), place, len(rows) < limit)

    def digest_at(self, position: int) -> bytes | None:
        """The chain's digest at a position; None where there is no such event."""
        if position == 0:
            return genesis_digest(self._id())
        with self._readers.connection() as reader:
            row = reader.execute(
                "SELECT digest FROM consentry.event WHERE position = %s", (position,)
            ).fetchone()
        return None if row is None else bytes(row[0])

    def verify(self, told: Callable[[int], None] = lambda _: None) -> int:
        """Checks the whole chain and gives the number of events; `told` hears how far it is.

        Raises:
            LedgerCorruptError: names the first position that does not hold.
            LedgerUnavailableError: it could not be read.
        """
        head = Head(0, genesis_digest(self._id()))
        with self._readers.connection(limit_s=3600.0) as reader:
            # One state from the first row to the head, however long it takes.
            reader.execute("SET statement_timeout = 0; BEGIN ISOLATION LEVEL REPEATABLE READ")
            while rows := reader.execute(_ROWS, (head.position, 10 * PAGE)).fetchall():
                head = verify_rows(rows, head)
                told(head.position)
            end = reader.execute("SELECT position, digest FROM consentry.head").fetchone()
            reader.execute("ROLLBACK; SET statement_timeout = '10s'")
        if end is None or (end[0], bytes(end[1])) != (head.position, head.digest):
            raise LedgerCorruptError("the head is not the end of the chain")
        return head.position

    def close(self) -> None:
        """Closes what is idle and cuts what is in use."""
        self._readers.close()
        self._writers.close()
        self._guard.close()

    def _id(self) -> str:
        if not self._ledger_id:
            with self._readers.connection() as reader:
                self._ledger_id = _ledger_id(reader)
        return self._ledger_id

    def _write(self, tickets: Sequence[Ticket]) -> None:
        try:
            self._write_once(tickets)
        except LedgerUnavailableError:
            # The connection may have died long ago. The keys settle what became of the first try.
            self._write_once(tickets)

    def _write_once(self, tickets: Sequence[Ticket]) -> None:
        with self._writers.connection() as writer:
            events = [event for ticket in tickets for event in ticket.events]
            self._ledger_id = self._ledger_id or _ledger_id(writer)
            with writer.pipeline():
                writer.execute("BEGIN")
                locked = writer.execute(_LOCK_HEAD)
                keys = list(keys_of(events, self._ledger_id))
                # A statement sees what was committed when it began, and this one begins with the
                # lock already held.
                found = writer.execute(_USED, (keys,))
            row = locked.fetchone()
            if row is None:
                raise LedgerCorruptError("the ledger has no head")
            head = Head(row[0], row[1], row[2])
            used = {key: UsedKey(*rest) for key, *rest in found.fetchall()}
            rows, head = self._plan(tickets, used, head)
            with writer.pipeline():
                if rows:
                    _insert(writer, rows, head)
                writer.execute("COMMIT")

    def _plan(
        self, tickets: Sequence[Ticket], used: dict[bytes, UsedKey], head: Head
    ) -> tuple[list[NewRow], Head]:
        rows: list[NewRow] = []
        for ticket in tickets:
            ticket.problem = None
            try:
                append = plan_append(
                    ticket.events,
                    used,
                    ledger_id=self._ledger_id,
                    head=head,
                    now_us=self._clock.now_us(),
                    ids=self._ids,
                )
            except IdempotencyConflictError as problem:
                ticket.problem = problem
                continue
            ticket.answer, head = append.recorded, append.head
            rows += append.rows
            used |= {r.key_digest: UsedKey(r.content_digest, r.public, r.salt) for r in append.rows}
        return rows, head


class PostgresSession:
    """One connection that follows; see `consent.source.Session`."""

    def __init__(
        self,
        conninfo: str,
        place: Place | None,
        read_us: Callable[[], int],
        heartbeat_s: float,
    ) -> None:
        self._conninfo: Final = conninfo
        self._place = place
        self._read_us: Final = read_us
        self._heartbeat_s: Final = heartbeat_s
        self._opened_us: Final = read_us()
        # Guards the two below: `close` may come while the connection is being made.
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._is_closed = False

    def frames(self) -> Iterator[Frame]:
        """A frame at once, at each notification and at each heartbeat."""
        connection = dial(self._conninfo)
        try:
            with self._lock:
                if self._is_closed:
                    return
                self._connection = connection
            prepare(connection)
            with postgres_errors():
                check_version(connection)
                connection.execute(f"LISTEN {CHANNEL}")
                while True:
                    frame = self._look(connection)
                    yield frame
                    if frame.is_complete:
                        # What comes only wakes; what was lost is found at the heartbeat.
                        for _ in connection.notifies(timeout=self._heartbeat_s, stop_after=1):
                            pass
        finally:
            with self._lock:
                self._connection = None
            connection.close()

    def close(self) -> None:
        """Cuts the connection."""
        with self._lock:
            self._is_closed = True
            if self._connection is not None:
                cut(self._connection)

    def _look(self, connection: Connection) -> Frame:
        # INVARIANT: before the query is sent: it shows what was committed by then, or later.
        elapsed_us = self._read_us() - self._opened_us
        if self._place is None:
            return self._begin(connection, elapsed_us)
        place = self._place
        rows = connection.execute(_AFTER, (place.position, PAGE + 1)).fetchall()
        if place.position > 0:
            mine = rows.pop(0) if rows and rows[0][0] == place.position else None
            if mine is None or place.contradicts(Place(mine[0], mine[1])):
                raise LedgerDivergedError("the ledger no longer holds events it has acknowledged")
        is_complete = len(rows) < PAGE
        if not is_complete and self._count_missed(connection) > MAX_CATCH_UP:
            return self._begin(connection, elapsed_us)
        if rows:
            self._place = Place(rows[-1][0], rows[-1][1])
        return Frame(
            after=place.position,
            place=self._place,
            events=_events(row[2:] for row in rows),
            elapsed_us=elapsed_us,
            is_complete=is_complete,
        )

    def _begin(self, connection: Connection, elapsed_us: int) -> Frame:
        row = connection.execute("SELECT position, digest FROM consentry.head").fetchone()
        if row is None:
            raise LedgerCorruptError("the ledger has no head")
        self._place = Place(row[0], row[1])
        return Frame(after=None, place=self._place, elapsed_us=elapsed_us)

    def _count_missed(self, connection: Connection) -> int:
        row = connection.execute("SELECT position FROM consentry.head").fetchone()
        return 0 if row is None or self._place is None else int(row[0]) - self._place.position


def _insert(writer: Connection, rows: Sequence[NewRow], head: Head) -> None:
    positions = [row.position for row in rows]
    writer.execute(
        _INSERT_EVENTS,
        (
            positions,
            [row.key_digest for row in rows],
            [row.content_digest for row in rows],
            [row.public for row in rows],
            [row.digest for row in rows],
        ),
    )
    writer.execute(
        _INSERT_PERSONAL,
        (
            positions,
            [row.data_subject_id for row in rows],
            [row.salt for row in rows],
            [row.personal for row in rows],
        ),
    )
    writer.execute(
        "UPDATE consentry.head SET position = %s, digest = %s, received_at_us = %s",
        (head.position, head.digest, head.received_at_us),
    )
    writer.execute("SELECT pg_notify(%s, %s)", (CHANNEL, str(head.position)))


def _events(rows: Any) -> tuple[ConsentEvent, ...]:
    return tuple(decode_event(public, personal) for public, personal in rows)


def _ledger_id(connection: Connection) -> str:
    row = connection.execute("SELECT value FROM consentry.meta WHERE name = 'ledger_id'").fetchone()
    if row is None:
        raise LedgerCorruptError("the ledger has no identity")
    return str(row[0])
