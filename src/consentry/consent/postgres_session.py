"""Following a ledger in PostgreSQL: one connection that listens, looks and tells."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Final

from consentry.consent.errors import LedgerDivergedError
from consentry.consent.feed import Frame, Place
from consentry.consent.postgres_pool import cut
from consentry.consent.postgres_rows import CHANNEL, head_in, page_from
from consentry.consent.postgres_schema import (
    Connection,
    check_version,
    dial,
    postgres_errors,
    prepare,
)

PAGE: Final = 1_000
MAX_CATCH_UP: Final = 20_000
"""Who is further behind forgets everything and begins at the head: that is quicker."""


class PostgresSession:
    """Implements `consent.source.Session`.

    A notification only wakes: what is told is read by position, and what was lost is found at the
    next heartbeat.
    """

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
            check_version(connection)
            with postgres_errors():
                connection.execute(f"LISTEN {CHANNEL}")
            while True:
                with postgres_errors():
                    frame = self._look(connection)
                yield frame
                if frame.is_complete:
                    with postgres_errors():
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
        place = self._place
        if place is None:
            return self._begin(connection, elapsed_us)
        here, page = page_from(connection, place, PAGE)
        if here is None or here.contradicts(place):
            raise LedgerDivergedError("the ledger no longer holds events it has acknowledged")
        if not page.is_last and head_in(connection).position - place.position > MAX_CATCH_UP:
            return self._begin(connection, elapsed_us)
        self._place = page.place
        return Frame(
            after=place.position,
            place=page.place,
            entries=page.entries,
            elapsed_us=elapsed_us,
            is_complete=page.is_last,
        )

    def _begin(self, connection: Connection, elapsed_us: int) -> Frame:
        head = head_in(connection)
        self._place = Place(head.position, head.digest)
        return Frame(after=None, place=self._place, elapsed_us=elapsed_us)
