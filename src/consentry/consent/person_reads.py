"""Reading persons from a ledger that is elsewhere: in threads of its own, waited for but briefly.

A check has a few milliseconds for a person it does not hold. What has not come by then is answered
as unavailable, and the reading goes on: the next check of the same person finds it. So a source
that hangs costs each check no more than that, and once every reader hangs, nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeAlias

from consentry.consent.errors import LedgerUnavailableError, ReadTooLateError
from consentry.consent.ledger import SubjectCell
from consentry.model.consent import ConsentView

DEFAULT_THREADS: Final = 8
_WAITING_PER_THREAD: Final = 8
_Key: TypeAlias = tuple[str, SubjectCell, int]
"""Holds the cell itself, so that no other one can come to look like it."""


class PersonReads:
    """At most one reading of a person at a time, shared by all who want it.

    Locks: `_lock` guards the readings under way; nothing is done under it.
    """

    def __init__(
        self,
        read: Callable[[str], ConsentView],
        cell: Callable[[str], SubjectCell],
        *,
        wait_s: float,
        threads: int = DEFAULT_THREADS,
    ) -> None:
        self._read: Final = read
        self._cell: Final = cell
        self._wait_s: Final = wait_s
        self._limit: Final = threads * _WAITING_PER_THREAD
        self._pool: Final = ThreadPoolExecutor(threads, thread_name_prefix="consentry-person")
        self._lock = threading.Lock()
        self._under_way: dict[_Key, Future[ConsentView]] = {}

    def view(self, data_subject_id: str, wait_s: float | None = None) -> ConsentView:
        """The person's view, read if need be; `wait_s` only ever shortens the wait.

        Raises:
            ReadTooLateError: it did not come in time, or too many are being read.
            LedgerError: reading failed.
        """
        cell = self._cell(data_subject_id)
        # INVARIANT: a reading is joined only by those who came before the person's events changed
        # again; who comes after an acknowledgement gets a reading that began after it.
        key = (data_subject_id, cell, cell.change_count)
        view = cell.view
        if view is not None:
            return view
        with self._lock:
            reading = self._under_way.get(key)
            if reading is None:
                if len(self._under_way) >= self._limit:
                    raise ReadTooLateError("too many persons are being read")
                try:
                    reading = self._pool.submit(self._read, data_subject_id)
                except RuntimeError:
                    raise LedgerUnavailableError("the ledger is closed") from None
                self._under_way[key] = reading
                is_new = True
            else:
                is_new = False
        if is_new:
            # Outside the lock: a reading that is done already calls this here and now.
            reading.add_done_callback(lambda _: self._forget(key))
        try:
            return reading.result(self._wait_s if wait_s is None else min(wait_s, self._wait_s))
        except TimeoutError:
            raise ReadTooLateError("the person was not read in time") from None

    def close(self) -> None:
        """Reads nothing more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _forget(self, key: _Key) -> None:
        with self._lock:
            self._under_way.pop(key, None)
