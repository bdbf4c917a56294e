"""How often somebody may do something: a bucket for each name, bounded in number.

Locks: `_lock` guards the buckets; it is held for a few steps.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

_SECONDS: Final = 60.0


class RateLimit:
    """At most `per_minute` on average for each name, and as many at once. Any thread may ask."""

    def __init__(
        self, per_minute: int, *, read_s: Callable[[], float], max_names: int = 10_000
    ) -> None:
        self._rate: Final = per_minute / _SECONDS
        self._size: Final = float(per_minute)
        self._read_s: Final = read_s
        self._max_names: Final = max_names
        self._lock: Final = threading.Lock()
        # Tokens left, and when that was so; the least recently used first.
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def allows(self, name: str) -> bool:
        """Whether `name` may do it now; it then counts as done."""
        now_s = self._read_s()
        with self._lock:
            left, at_s = self._buckets.pop(name, (self._size, now_s))
            left = min(self._size, left + (now_s - at_s) * self._rate)
            is_allowed = left >= 1.0
            self._buckets[name] = (left - 1.0 if is_allowed else left, now_s)
            if len(self._buckets) > self._max_names:
                self._buckets.popitem(last=False)
        return is_allowed
