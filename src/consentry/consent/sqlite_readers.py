"""Connections that only read, lent to one thread at a time and kept for the next."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from consentry.consent.errors import LedgerUnavailableError
from consentry.consent.sqlite_schema import identity_of, open_reader


class ReaderPool:
    """As many connections as threads ever read at once; `_lock` guards the list of idle ones.

    All of them read the file that had `identity` at the start, whatever now stands in its place.
    """

    def __init__(self, path: Path, identity: tuple[int, int]) -> None:
        self._path = path
        self._identity = identity
        self._lock = threading.Lock()
        self._idle: list[apsw.Connection] = []
        self._is_closed = False

    @contextmanager
    def connection(self) -> Iterator[apsw.Connection]:
        """Lends a connection; one in use when something failed is not lent again.

        Raises:
            LedgerUnavailableError: the pool is closed, or another file is in the ledger's place.
        """
        with self._lock:
            if self._is_closed:
                raise LedgerUnavailableError("the ledger is closed")
            reader = self._idle.pop() if self._idle else None
        if reader is None:
            reader = open_reader(self._path)
            if identity_of(self._path) != self._identity:
                reader.close()
                raise LedgerUnavailableError("the ledger file was moved or replaced")
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
