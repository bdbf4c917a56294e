"""Connections to PostgreSQL, lent to one thread at a time, each use with a limit in time.

A server that has frozen, or a network that swallows everything, gives no error to wait for. So who
borrows a connection says for how long; when that is over its socket is shut, and whatever the
borrower was waiting for fails at once.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

import psycopg

from consentry.consent.errors import LedgerUnavailableError
from consentry.consent.postgres_schema import Connection, dial, postgres_errors, prepare

_MAX_IDLE: Final = 8


def cut(connection: Connection) -> None:
    """Ends a connection from outside, whatever its user is waiting for."""
    # A descriptor of our own on the same socket: the user may close its own at any time.
    with (
        suppress(OSError, psycopg.Error),
        socket.socket(fileno=os.dup(connection.fileno())) as handle,
    ):
        handle.shutdown(socket.SHUT_RDWR)


class Guard:
    """Cuts connections whose time is over. One thread, started with the first use.

    Locks: `_changed` guards the table.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._ends: dict[Connection, float] = {}
        self._thread: threading.Thread | None = None
        self._is_closed = False

    @contextmanager
    def limit(self, connection: Connection, limit_s: float) -> Iterator[None]:
        """Within, `connection` works for at most `limit_s`."""
        with self._changed:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="consentry-postgres-guard", daemon=True
                )
                self._thread.start()
            self._ends[connection] = time.monotonic() + limit_s
            self._changed.notify()
        try:
            yield
        finally:
            with self._changed:
                self._ends.pop(connection, None)

    def close(self) -> None:
        """Cuts everything that is in use."""
        with self._changed:
            self._is_closed = True
            for connection in self._ends:
                cut(connection)
            self._changed.notify()

    def _run(self) -> None:
        with self._changed:
            while not self._is_closed:
                now_s = time.monotonic()
                for connection in [c for c, end_s in self._ends.items() if end_s <= now_s]:
                    del self._ends[connection]
                    cut(connection)
                next_s = min(self._ends.values(), default=now_s + 3600)
                self._changed.wait(max(0.0, next_s - now_s))


class Pool:
    """Idle connections of one kind. `check` looks at each new one.

    Locks: `_lock` guards the idle ones.
    """

    def __init__(
        self, conninfo: str, guard: Guard, check: Callable[[Connection], None], *, limit_s: float
    ) -> None:
        self._conninfo: Final = conninfo
        self._guard: Final = guard
        self._check: Final = check
        self._limit_s: Final = limit_s
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._is_closed = False

    @contextmanager
    def connection(self, limit_s: float | None = None) -> Iterator[Connection]:
        """Lends a connection; one in use when something failed is not lent again.

        Raises:
            LedgerUnavailableError: there is none, or what was done with it failed or took too long.
        """
        with self._lock:
            if self._is_closed:
                raise LedgerUnavailableError("the ledger is closed")
            connection = self._idle.pop() if self._idle else None
        is_new = connection is None
        connection = connection or dial(self._conninfo)
        try:
            with (
                postgres_errors(),
                self._guard.limit(connection, self._limit_s if limit_s is None else limit_s),
            ):
                if is_new:
                    prepare(connection)
                    self._check(connection)
                yield connection
        except BaseException:
            connection.close()
            # The server has probably gone, and the idle ones with it: the next one is to be new.
            self.drop_idle()
            raise
        with self._lock:
            if len(self._idle) < _MAX_IDLE and not self._is_closed:
                self._idle.append(connection)
                return
        connection.close()

    def drop_idle(self) -> None:
        """Closes the connections that nobody uses."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def close(self) -> None:
        """Lends nothing more."""
        with self._lock:
            self._is_closed = True
        self.drop_idle()
