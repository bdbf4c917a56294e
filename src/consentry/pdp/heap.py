"""Keeps the garbage collector's runs short, whatever lives long."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable
from typing import Final

EVERY_S: Final = 60.0
MAX_RULES: Final = 5_000


class Heap:
    """What lives long is set aside, so that no later run of the collector looks at it again.

    A policy set that was replaced leaves cycles behind among what was set aside: a few objects for
    each distinct condition. To find them means to look at everything, which holds up all threads
    for some ten milliseconds. So that is done when there is reason to: a minute after the last
    time, or when sets of so many rules in all have come since. A storm of reloads is not a storm of
    such pauses. Used under the store's load lock.
    """

    def __init__(
        self,
        monotonic_s: Callable[[], float],
        *,
        every_s: float = EVERY_S,
        max_rules: int = MAX_RULES,
    ) -> None:
        self._monotonic_s: Final = monotonic_s
        self._every_s: Final = every_s
        self._max_rules: Final = max_rules
        self._cleaned_s = -math.inf
        self._rules = 0

    def settle(self, rules: int) -> None:
        """Sets aside what is there now, a set of so many rules among it; looks for what nobody
        needs before, where that is due.
        """
        now_s = self._monotonic_s()
        self._rules += rules
        if now_s - self._cleaned_s >= self._every_s or self._rules > self._max_rules:
            gc.unfreeze()
            gc.collect()
            self._cleaned_s, self._rules = now_s, 0
        gc.freeze()
