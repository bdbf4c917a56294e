"""Thread pools that count the calls they owe, so that admission needs no bookkeeping of its own.

grpcio picks a method's pool by the attribute `experimental_thread_pool` of the handler function
(its own health service does the same) and submits each call exactly once, whether or not the call
lives long enough for our function to run. So the count goes up when a call is submitted and down
when its future ends: no path leaks a place.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")

POOL_ATTRIBUTE: Final = "experimental_thread_pool"


class CallPool(ThreadPoolExecutor):
    """The threads of one class of methods, and how many calls of it are under way.

    `limit` bounds calls running and waiting for a thread; `is_full` tells the door to refuse.
    The lock guards `_in_flight` alone; it is held for one addition.
    """

    def __init__(self, name: str, *, threads: int, limit: int) -> None:
        super().__init__(max_workers=threads, thread_name_prefix=f"consentry-{name}")
        self.name: Final = name
        self.limit: Final = limit
        self._count_lock = threading.Lock()
        self._in_flight = 0

    def count_in_flight(self) -> int:
        """Calls taken in and not yet ended."""
        return self._in_flight

    @property
    def is_full(self) -> bool:
        """Whether the next call must be refused."""
        return self._in_flight >= self.limit

    def queue_depth(self) -> int:
        """Calls that wait for a thread."""
        return self._work_queue.qsize()

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Run `fn` on one of the threads and count it until it ended."""
        with self._count_lock:
            self._in_flight += 1
        try:
            future = super().submit(fn, *args, **kwargs)
        except BaseException:
            self._release()
            raise
        future.add_done_callback(self._on_done)
        return future

    def _on_done(self, _future: Future[_T]) -> None:
        self._release()

    def _release(self) -> None:
        with self._count_lock:
            self._in_flight -= 1
