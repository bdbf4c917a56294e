"""Signals, in the order in which they arrive, for a main thread that only waits for them.

A thread that sleeps on a lock is woken only if the signal interrupts that very sleep. One that
comes a moment before, or that the system hands to another thread, is noted by the interpreter and
slept over: the sidecar would not leave. So the interpreter writes each signal into a socket
(`signal.set_wakeup_fd`), and who waits reads that: what was written before is found all the same.
"""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

TAKEN: Final = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, name)
)


class Arrivals:
    """The signals that have arrived and were not asked for yet; any one thread may ask."""

    def __init__(self, reader: socket.socket) -> None:
        self._reader: Final = reader

    def wait(self) -> int:
        """The number of the next one, whenever it comes."""
        self._reader.settimeout(None)
        return self._reader.recv(1)[0]

    def wait_for(self, timeout_s: float) -> int | None:
        """The number of the next one; None if none came in time."""
        self._reader.settimeout(timeout_s)
        try:
            return self._reader.recv(1)[0]
        except TimeoutError:
            return None


@contextmanager
def arriving_signals() -> Iterator[Arrivals]:
    """SIGTERM, SIGINT and SIGHUP as they arrive; former handlers come back at the end.

    Entered by the main thread, before anything is built.
    """
    reader, writer = socket.socketpair()
    with reader, writer:
        writer.setblocking(False)
        former_fd = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        former = {number: signal.signal(number, _note) for number in TAKEN}
        try:
            yield Arrivals(reader)
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(former_fd)


def _note(_number: int, _frame: FrameType | None) -> None:
    """Keeps the signal from its default effect; the socket has its number already."""
