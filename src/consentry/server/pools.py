"""Threads for calls, which count the calls they owe, so that admission needs no bookkeeping.

grpcio picks a method's pool by the attribute `experimental_thread_pool` of the handler function
(its own health service does the same) and submits each call exactly once, whether or not the call
lives long enough for our function to run. So the count goes up when a call is submitted and down
when it was run or dropped: no path leaks a place.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, Final

log = logging.getLogger(__name__)

POOL_ATTRIBUTE: Final = "experimental_thread_pool"


class SubmittedCall:
    """One call in a pool. Of a future it has what grpcio uses: to be told when it ended."""

    __slots__ = ("_arguments", "_listeners", "_run", "is_ended")

    def __init__(self, run: Callable[..., object], arguments: tuple[object, ...]) -> None:
        self.is_ended = False
        self._run = run
        self._arguments = arguments
        self._listeners: list[Callable[[SubmittedCall], object]] = []

    def add_done_callback(self, listener: Callable[[SubmittedCall], object]) -> None:
        """Call `listener` when the call ended, or now if it has."""
        self._listeners.append(listener)
        if self.is_ended:
            self._tell()

    def run(self) -> None:
        """Make the call; what it raises is logged and goes no further."""
        try:
            self._run(*self._arguments)
        except BaseException as problem:  # noqa: BLE001  # the thread lives on whatever a call does
            _log_lost(problem)

    def end(self) -> None:
        """Tell the listeners, those that come later too."""
        self.is_ended = True
        self._tell()

    def _tell(self) -> None:
        # No lock: `add_done_callback` appends before it looks, and `end` marks before it tells, so
        # one of them sees the listener; taking it off the list is one step, so only one tells it.
        while self._listeners:
            try:
                listener = self._listeners.pop()
            except IndexError:
                return
            try:
                listener(self)
            except Exception as problem:  # noqa: BLE001  # as in `run`
                _log_lost(problem)


def _log_lost(problem: BaseException) -> None:
    # Not its text, which may hold what a caller sent.
    log.error("call_lost", extra={"error_class": type(problem).__name__})


class CallPool(ThreadPoolExecutor):
    """The threads of one class of methods, and how many calls of it are under way.

    `limit` bounds calls running and waiting for a thread; `is_full` tells the door to refuse.

    PERF: an executor only by name, because grpcio asks for one. The standard one makes a future
    with a condition for each call, and takes five locks to hand it over; this one takes the
    queue's and the count's. That is 0.05 of the CPU time of a bare grpcio call.

    Locks: `_lock` guards `_in_flight`, `_workers` and `_is_shut`; nothing is done while it is held
    but to count, and once for each thread to start it.
    """

    def __init__(self, name: str, *, threads: int, limit: int) -> None:
        super().__init__(max_workers=threads)
        self.name: Final = name
        self.limit: Final = limit
        self._thread_limit: Final = threads
        self._lock = threading.Lock()
        self._in_flight = 0
        self._is_shut = False
        self._workers: list[threading.Thread] = []
        self._calls: SimpleQueue[SubmittedCall | None] = SimpleQueue()

    def count_in_flight(self) -> int:
        """Calls taken in and not yet ended."""
        return self._in_flight

    @property
    def is_full(self) -> bool:
        """Whether the next call must be refused."""
        return self._in_flight >= self.limit

    def queue_depth(self) -> int:
        """Calls that wait for a thread."""
        return self._calls.qsize()

    def submit(  # type: ignore[override]  # no future: nobody asks for the result of a call
        self, fn: Callable[..., object], /, *args: Any
    ) -> SubmittedCall:
        """Run `fn` on one of the threads and count it until it ended.

        Raises:
            RuntimeError: the pool was shut down, or not one thread can be had.
        """
        call = SubmittedCall(fn, args)
        with self._lock:
            if self._is_shut:
                raise RuntimeError("this pool was shut down")
            if len(self._workers) < self._thread_limit:
                self._start_worker()
            self._in_flight += 1
            self._calls.put(call)
        return call

    def _start_worker(self) -> None:
        worker = threading.Thread(
            target=self._work, name=f"consentry-{self.name}_{len(self._workers)}", daemon=True
        )
        try:
            worker.start()
        except RuntimeError:  # the system has no thread left: fewer will do, none will not
            if not self._workers:
                raise
            log.warning("thread_not_started", extra={"pool": self.name})
        else:
            self._workers.append(worker)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call.run()
            self._end(call)
            # The call holds its request and its channel: not to be kept while waiting for the next.
            del call

    def _end(self, call: SubmittedCall) -> None:
        with self._lock:
            self._in_flight -= 1
        call.end()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - the executor's own signature
        """Take no more calls; run those that wait, or drop them with `cancel_futures`."""
        with self._lock:
            is_first, self._is_shut = not self._is_shut, True
            workers = list(self._workers)
        if cancel_futures:
            self._drop_waiting()
        if is_first or cancel_futures:
            for _ in workers:
                self._calls.put(None)
        if wait:
            for worker in workers:
                worker.join()

    def _drop_waiting(self) -> None:
        with suppress(Empty):
            while True:
                call = self._calls.get_nowait()
                if call is not None:
                    self._end(call)


class PoolOfNone(CallPool):
    """Makes each call where it is submitted: for what only says no.

    PERF: to say no through a thread costs three times as much, more than to answer a check; and it
    is beyond its capacity that a sidecar says no. Nothing may wait here: this is the thread that
    takes the calls in.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name, threads=1, limit=1)

    def submit(  # type: ignore[override]  # as in CallPool
        self, fn: Callable[..., object], /, *args: Any
    ) -> SubmittedCall:
        """Make the call now."""
        call = SubmittedCall(fn, args)
        call.run()
        call.end()
        return call
