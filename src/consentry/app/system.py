"""The real clock and the real source of names: what `model.ports` asks for."""

from __future__ import annotations

import itertools
import secrets
import time


class SystemClock:
    """The machine's clocks."""

    def now_us(self) -> int:
        """Microseconds since the epoch, UTC."""
        return time.time_ns() // 1000

    def monotonic_s(self) -> float:
        """Seconds on a clock that only goes forward."""
        return time.monotonic()


class ProcessIds:
    """Names that never repeat: one random prefix for each process, then a count.

    Sortable within a process; across processes the 72 random bits keep them apart.
    """

    def __init__(self) -> None:
        # PERF: called on every check; a count costs a tenth of a fresh random name.
        self._prefix = secrets.token_urlsafe(9)
        self._next = itertools.count(1).__next__

    def new_id(self) -> str:
        """A fresh name."""
        return f"{self._prefix}-{self._next():09x}"
