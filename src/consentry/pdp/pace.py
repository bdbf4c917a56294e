"""Long work beside checks, done in short pieces with rests in between.

The interpreter runs one thread at a time. A thread that wants its turn waits for the one that has
it: through the whole of a call into C, and 5 ms among lines of Python, as often as it asks. A check
asks several times. So a reload, which nobody waits for, lets go by itself after each short piece,
and long enough that those who wait are served, also where they share one core with it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

PIECE_S: Final = 0.000_2
"""Work at a stretch, about: a check itself takes half as long."""

REST_S: Final = 0.000_5


class Pace:
    """The pieces of one thread's work; whoever shares one shares its lock.

    `step` is called between parts that are each much shorter than a piece.
    """

    __slots__ = ("_began_s", "_monotonic_s", "_rest")

    def __init__(
        self,
        monotonic_s: Callable[[], float] = time.monotonic,
        rest: Callable[[float], None] = time.sleep,
    ) -> None:
        self._monotonic_s: Final = monotonic_s
        self._rest: Final = rest
        self._began_s = 0.0

    def step(self) -> None:
        """Rests where a piece is over."""
        if self._monotonic_s() - self._began_s >= PIECE_S:
            self._rest(REST_S)
            self._began_s = self._monotonic_s()

    def let_go(self, things: list[object]) -> None:
        """Empties the list, so that what nobody else holds is freed piece by piece.

        To free a large whole is one long call; whoever drops it takes its parts first.
        """
        while things:
            del things[-_AT_ONCE:]
            self.step()


_AT_ONCE: Final = 64


def at_once() -> None:
    """The step of work that nobody else waits for."""
