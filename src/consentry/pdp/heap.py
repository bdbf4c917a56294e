"""Keeps the garbage collector's runs short, whatever lives long."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

EVERY_S: Final = 3600.0


@contextmanager
def set_aside() -> Iterator[None]:
    """Whatever is made inside will live long: the collector looks at it neither now nor later.

    Otherwise it would look at a growing policy set again and again, and each time at all of it.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


class Heap:
    """What lives long is set aside, so that no later run of the collector looks at it again.

    A policy set that was replaced leaves no cycles behind (`engine.link`). What else was under way
    when things were set aside may have, a little each time. To find that means to look at
    everything, which holds up all threads for 40 ms and more; so it is done at the start and, if
    sets are replaced at all, once an hour. Used under the store's load lock.
    """

    def __init__(self, monotonic_s: Callable[[], float], *, every_s: float = EVERY_S) -> None:
        self._monotonic_s: Final = monotonic_s
        self._every_s: Final = every_s
        self._cleaned_s = -math.inf

    def settle(self) -> None:
        """Sets aside what is there now; looks for what nobody needs before, where that is due."""
        now_s = self._monotonic_s()
        if now_s - self._cleaned_s >= self._every_s:
            gc.unfreeze()
            gc.collect()
            self._cleaned_s = now_s
        gc.freeze()
