"""The real clock and the real source of names: what `model.ports` asks for."""

from __future__ import annotations

import itertools
import logging
import secrets
import time
from collections.abc import Callable
from typing import Final

log = logging.getLogger(__name__)

# Only Linux has the second one; elsewhere the first may stand still while the machine sleeps.
_STEADY_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
_WORTH_TELLING_US: Final = 1_000_000


def steady_us() -> int:
    """Microseconds on a clock that never goes back and runs on while the machine sleeps.

    By it a sidecar that was suspended finds that its lease has run out.
    """
    return time.clock_gettime_ns(_STEADY_CLOCK) // 1_000


class SystemClock:
    """The machine's clocks, of which the one for dates is never told to go back.

    When it is set back, time stands still here until it has caught up: what has expired must not
    come to life again. Time may so run ahead of the machine's, which only ends things early.
    """

    def __init__(self, read_ns: Callable[[], int] = time.time_ns) -> None:
        self._read_ns: Final = read_ns
        self._highest_us = 0
        self._told_us = 0

    def now_us(self) -> int:
        """Microseconds since the epoch, UTC; never less than what was said before."""
        now_us = self._read_ns() // 1000
        # SAFETY: no lock. Of two threads here at once the earlier reading may be kept; that takes
        # back no more than the moment between the two, and only if the clock is set in that moment.
        if now_us >= self._highest_us:
            self._highest_us = now_us
            return now_us
        return self._hold(now_us)

    def start_from(self, at_us: int) -> None:
        """Do not stand before `at_us`, which is known to have been: the ledger's last event."""
        self._highest_us = max(self._highest_us, at_us)

    def _hold(self, now_us: int) -> int:
        highest_us = self._highest_us
        if highest_us - now_us > _WORTH_TELLING_US and self._told_us != highest_us:
            self._told_us = highest_us
            log.warning("clock_went_back", extra={"behind_s": (highest_us - now_us) // 1_000_000})
        return highest_us

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
