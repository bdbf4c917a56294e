"""The statements of the PostgreSQL ledger: rows of the chain in and out of one connection."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from consentry.consent.append import NewRow, UsedKey
from consentry.consent.chain import Head, Row
from consentry.consent.entries import decode_entry
from consentry.consent.erasure import Erasable
from consentry.consent.errors import LedgerCorruptError
from consentry.consent.event_codec import decode_event
from consentry.consent.feed import Place
from consentry.consent.postgres_schema import Connection
from consentry.consent.recent import Page
from consentry.model.consent import ConsentEvent

CHANNEL: Final = "consentry_ledger"

_HEAD: Final = "SELECT position, digest, received_at_us FROM consentry.head"
# With the position of the very state that the events are read from.
_PERSON: Final = (
    "SELECT h.position, e.public, p.personal FROM consentry.head h"
    " LEFT JOIN (consentry.personal p JOIN consentry.event e ON e.position = p.position)"
    " ON p.data_subject_id = %s AND p.position > %s ORDER BY p.position LIMIT %s"
)
_PERSONS: Final = (
    "SELECT DISTINCT data_subject_id FROM consentry.personal WHERE data_subject_id > %s"
    " ORDER BY data_subject_id LIMIT %s"
)
_FROM: Final = (
    "SELECT e.position, e.digest, e.public, p.personal FROM consentry.event e"
    " LEFT JOIN consentry.personal p ON p.position = e.position"
    " WHERE e.position >= %s ORDER BY e.position LIMIT %s"
)
_ROWS: Final = (
    "SELECT e.position, e.key_digest, e.content_digest, e.public, e.digest,"
    " p.data_subject_id, p.salt, p.personal"
    " FROM consentry.event e LEFT JOIN consentry.personal p ON p.position = e.position"
    " WHERE e.position > %s ORDER BY e.position LIMIT %s"
)
_USED: Final = (
    "SELECT e.key_digest, e.content_digest, e.public, p.salt FROM consentry.event e"
    " LEFT JOIN consentry.personal p ON p.position = e.position WHERE e.key_digest = ANY(%s)"
)
_ERASABLE: Final = (
    "SELECT e.position, e.key_digest, e.content_digest FROM consentry.personal p"
    " JOIN consentry.event e ON e.position = p.position"
    " WHERE p.data_subject_id = %s ORDER BY p.position"
)
# One statement, for each costs a turn of the connection: rows, head, and the word that wakes
# followers. The reference from a personal part to its event is looked at when all of it is done.
_APPEND: Final = """
WITH events AS (
    INSERT INTO consentry.event (position, key_digest, content_digest, public, digest)
    SELECT * FROM unnest(%b::bigint[], %b::bytea[], %b::bytea[], %b::bytea[], %b::bytea[])
), personal AS (
    INSERT INTO consentry.personal (position, data_subject_id, salt, personal)
    SELECT * FROM unnest(%b::bigint[], %b::text[], %b::bytea[], %b::bytea[])
), moved AS (
    UPDATE consentry.head SET position = %s, digest = %b, received_at_us = %s
)
SELECT pg_notify('consentry_ledger', %s)"""


def ledger_id_in(connection: Connection) -> str:
    """The identity that the ledger was given when it was made."""
    row = connection.execute("SELECT value FROM consentry.meta WHERE name = 'ledger_id'").fetchone()
    if row is None:
        raise LedgerCorruptError("the ledger has no identity")
    return str(row[0])


def head_in(connection: Connection) -> Head:
    """The end of the chain."""
    return _head(connection.execute(_HEAD).fetchone())


def begin_append(
    connection: Connection, keys: Sequence[bytes]
) -> tuple[Head, dict[bytes, UsedKey]]:
    """Begins a transaction and locks the head; with it, what is held of events that used `keys`."""
    with connection.pipeline():
        connection.execute("BEGIN")
        locked = connection.execute(f"{_HEAD} FOR UPDATE")
        # A statement sees what was committed when it began, and this one begins with the lock held.
        found = connection.execute(_USED, (list(keys),))
    return _head(locked.fetchone()), {key: UsedKey(*rest) for key, *rest in found.fetchall()}


def commit_append(
    connection: Connection, rows: Sequence[NewRow], head: Head, erased: Sequence[int] = ()
) -> None:
    """Writes rows, moves the head and wakes followers, all with the commit."""
    with connection.pipeline():
        if erased:
            connection.execute(
                "DELETE FROM consentry.personal WHERE position = ANY(%s)", (list(erased),)
            )
        if rows:
            told = (head.position, head.digest, head.received_at_us, str(head.position))
            connection.execute(_APPEND, (*_columns(rows), *told))
        connection.execute("COMMIT")


def _columns(rows: Sequence[NewRow]) -> Iterator[list[object]]:
    """The five columns of events, and the four of their personal parts where they have one."""
    for name in ("position", "key_digest", "content_digest", "public", "digest"):
        yield [getattr(row, name) for row in rows]
    for name in ("position", "data_subject_id", "salt", "personal"):
        yield [getattr(row, name) for row in rows if row.salt is not None]


def events_of(
    connection: Connection, data_subject_id: str, after: int = 0, limit: int | None = None
) -> tuple[int, tuple[ConsentEvent, ...]]:
    """The ledger's position, and a person's events after a position, oldest first."""
    rows = connection.execute(_PERSON, (data_subject_id, after, limit)).fetchall()
    if not rows:
        raise LedgerCorruptError("the ledger has no head")
    events = tuple(decode_event(row[1], row[2]) for row in rows if row[1] is not None)
    return int(rows[0][0]), events


def data_subjects_in(connection: Connection, after: str, limit: int) -> tuple[str, ...]:
    """Those of whom the ledger holds an event, by id from beyond `after` on, at most `limit`."""
    rows = connection.execute(_PERSONS, (after, limit)).fetchall()
    return tuple(str(row[0]) for row in rows)


def page_from(connection: Connection, place: Place, limit: int) -> tuple[Place | None, Page]:
    """What stands at `place` itself now (None: nothing), and the page after it, in one reading."""
    rows = connection.execute(_FROM, (place.position, limit + 1)).fetchall()
    here = None
    if rows and rows[0][0] == place.position:
        here = Place(rows[0][0], rows.pop(0)[1])
    elif place.position == 0:
        here = place
    after = Place(rows[-1][0], rows[-1][1]) if rows else (here or place)
    entries = tuple(decode_entry(position, *texts) for position, _, *texts in rows)
    return here, Page(entries, after, len(rows) < limit)


def rows_after(connection: Connection, position: int, limit: int) -> Iterable[Row]:
    """Rows after a position, in order, in the shape that is verified."""
    return connection.execute(_ROWS, (position, limit)).fetchall()


def digest_at(connection: Connection, position: int) -> bytes | None:
    """The chain's digest at a position; None where no such row stands."""
    row = connection.execute(
        "SELECT digest FROM consentry.event WHERE position = %s", (position,)
    ).fetchone()
    return None if row is None else bytes(row[0])


def erasable_rows(connection: Connection, data_subject_id: str) -> tuple[Erasable, ...]:
    """What of a person can be erased, in order of position."""
    rows = connection.execute(_ERASABLE, (data_subject_id,)).fetchall()
    return tuple(Erasable(*row) for row in rows)


def _head(row: Sequence[Any] | None) -> Head:
    if row is None:
        raise LedgerCorruptError("the ledger has no head")
    return Head(row[0], bytes(row[1]), row[2])
