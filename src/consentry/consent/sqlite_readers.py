"""Connections that only read, lent to one thread at a time and kept for the next."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from consentry.consent.errors import LedgerUnavailableError
from consentry.consent.sqlite_schema import open_reader


class ReaderPool:
    """As many connections as threads ever read at once; `_lock` guards the list of idle ones."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._idle: list[apsw.Connection] = []
        self._is_closed = False

    @contextmanager
    def connection(self) -> Iterator[apsw.Connection]:
        """Lends a connection; one in use when something failed is not lent again.

        Raises:
            LedgerUnavailableError: the pool is closed.
        """
        with self._lock:
            if self._is_closed:
                raise LedgerUnavailableError("the ledger is closed")
            reader = self._idle.pop() if self._idle else None
        if reader is None:
            reader = open_reader(self._path)
        try:
            yield reader
        except BaseException:
            reader.close()
            raise
        with self._lock:
            if not self._is_closed:
                self._idle.append(reader)
                return
        reader.close()

    def close(self) -> None:
        """Closes the idle connections now and the lent ones when they come back."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for reader in idle:
            reader.close()
