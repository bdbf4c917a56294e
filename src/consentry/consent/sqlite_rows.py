"""The statements of the SQLite ledger: rows of the chain in and out of one connection."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import apsw

from consentry.consent.append import NewRow, UsedKey, keys_of
from consentry.consent.chain import Head, Row, Verification
from consentry.consent.erasure import Erasable
from consentry.consent.errors import LedgerCorruptError
from consentry.consent.event_codec import decode_event, received_at_in
from consentry.consent.resolver import SubjectView
from consentry.model.consent import ConsentEvent

TAIL_COUNT: Final = 1_000
_ROWS: Final = (
    "SELECT e.position, e.key_digest, e.content_digest, e.public, e.digest,"
    " p.data_subject_id, p.salt, p.personal"
    " FROM event e LEFT JOIN personal p ON p.position = e.position"
    " WHERE e.position > ? ORDER BY e.position LIMIT ?"
)
_PERSONS_EVENTS: Final = (
    "SELECT e.public, p.personal FROM personal p JOIN event e ON e.position = p.position"
    " WHERE p.data_subject_id = ? AND p.position > ? ORDER BY p.position LIMIT ?"
)
_PERSONS_DIGESTS: Final = (
    "SELECT e.position, e.key_digest, e.content_digest"
    " FROM personal p JOIN event e ON e.position = p.position"
    " WHERE p.data_subject_id = ? ORDER BY p.position"
)
_BY_KEY: Final = (
    "SELECT e.content_digest, e.public, p.salt FROM event e"
    " LEFT JOIN personal p ON p.position = e.position WHERE e.key_digest = ?"
)


def ledger_id_in(connection: apsw.Connection) -> str:
    """The identity that the ledger was given when it was made."""
    found = connection.execute("SELECT value FROM meta WHERE name = 'ledger_id'").get
    if not isinstance(found, str):
        raise LedgerCorruptError("the ledger has no identity")
    return found


def rows_after(connection: apsw.Connection, position: int, limit: int = -1) -> Iterator[Row]:
    """Rows after a position, in order; a negative limit is none."""
    rows: Iterator[Row] = connection.execute(_ROWS, (position, limit))
    return rows


def digest_at(connection: apsw.Connection, position: int) -> bytes | None:
    """The chain's digest at a position; None where no such row stands."""
    found: bytes | None = connection.execute(
        "SELECT digest FROM event WHERE position = ?", (position,)
    ).get
    return found


def newest_position(connection: apsw.Connection) -> int:
    """Position of the last row; 0 without one."""
    return int(connection.execute("SELECT coalesce(max(position), 0) FROM event").get)


def head_in(connection: apsw.Connection, ledger_id: str, tail_count: int = TAIL_COUNT) -> Head:
    """The head, once the tail before it has been verified.

    Raises:
        LedgerCorruptError: the tail does not hold.
    """
    start = newest_position(connection) - tail_count
    before = None if start <= 0 else digest_at(connection, start)
    walk = Verification(ledger_id, None if before is None else Head(start, before))
    walk.feed(rows_after(connection, walk.head.position))
    return walk.finish()


def used_keys(
    connection: apsw.Connection, events: Iterable[ConsentEvent], ledger_id: str
) -> dict[bytes, UsedKey]:
    """What is held of events that used the keys of these."""
    keys = keys_of(events, ledger_id)
    found = ((key, connection.execute(_BY_KEY, (key,)).fetchone()) for key in keys)
    return {key: UsedKey(*row) for key, row in found if row is not None}


@contextmanager
def transaction(connection: apsw.Connection, passing: Callable[[str], None]) -> Iterator[None]:
    """One transaction, committed at the end; `passing` is told of the points around that."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        passing("before_commit")
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    passing("after_commit")


def insert_rows(connection: apsw.Connection, rows: Sequence[NewRow]) -> None:
    """Appends rows, with their personal parts where they have one.

    Raises:
        apsw.ConstraintError: a key was used before; some rows may be there, to be rolled back.
    """
    connection.executemany(
        "INSERT INTO event (position, key_digest, content_digest, public, digest)"
        " VALUES (?, ?, ?, ?, ?)",
        (row[:5] for row in rows),
    )
    connection.executemany(
        "INSERT INTO personal (position, data_subject_id, salt, personal) VALUES (?, ?, ?, ?)",
        ((row[0], *row[5:]) for row in rows if row.salt is not None),
    )


def events_of(
    connection: apsw.Connection, data_subject_id: str, after: int = 0, limit: int = -1
) -> tuple[ConsentEvent, ...]:
    """A person's events after a position, oldest first."""
    rows = connection.execute(_PERSONS_EVENTS, (data_subject_id, after, limit))
    return tuple(decode_event(public, personal) for public, personal in rows)


def stored_events(connection: apsw.Connection) -> Iterator[ConsentEvent]:
    """All events that are still somebody's, in order of position."""
    rows = connection.execute(
        "SELECT e.public, p.personal FROM event e JOIN personal p ON p.position = e.position"
        " ORDER BY e.position"
    )
    return (decode_event(public, personal) for public, personal in rows)


def data_subjects_in(
    connection: apsw.Connection, after: str = "", limit: int = -1
) -> tuple[str, ...]:
    """Those of whom the ledger holds an event, by id from beyond `after` on, at most `limit`."""
    found = connection.execute(
        "SELECT DISTINCT data_subject_id FROM personal WHERE data_subject_id > ?"
        " ORDER BY 1 LIMIT ?",
        (after, limit),
    )
    return tuple(name for (name,) in found)


def erasable_rows(connection: apsw.Connection, data_subject_id: str) -> tuple[Erasable, ...]:
    """What of a person can be erased, in order of position."""
    rows = connection.execute(_PERSONS_DIGESTS, (data_subject_id,))
    return tuple(Erasable(*row) for row in rows)


def delete_personal(connection: apsw.Connection, rows: Sequence[Erasable]) -> None:
    """Takes the personal parts away."""
    connection.executemany(
        "DELETE FROM personal WHERE position = ?", [(row.position,) for row in rows]
    )


def moment_in(connection: apsw.Connection) -> tuple[int, int]:
    """The newest position and when it was received; zeros without one."""
    row = connection.execute(
        "SELECT position, public FROM event ORDER BY position DESC LIMIT 1"
    ).fetchone()
    return (0, 0) if row is None else (row[0], received_at_in(row[1]))


def view_in(connection: apsw.Connection, data_subject_id: str, now_us: int) -> SubjectView:
    """A person's view. To be read in one transaction, so that its position is that of the very
    state the events are read from; `now_us` is the clock's, never before the newest event.
    """
    position, newest_us = moment_in(connection)
    events = events_of(connection, data_subject_id)
    return SubjectView(
        events=events,
        revision=events[-1].position if events else 0,
        position=position,
        read_at_us=max(now_us, newest_us),
    )


def check_database(connection: apsw.Connection) -> None:
    """Lets SQLite check its own pages and indexes: an index that lost an entry hides an event
    from its person, which no digest shows.

    Raises:
        LedgerCorruptError: it found something.
    """
    found = connection.execute("PRAGMA integrity_check(1)").get
    if found != "ok":
        raise LedgerCorruptError("an index or a page of the ledger file is damaged")
