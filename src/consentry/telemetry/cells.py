"""Counters that the hot path can afford, and that lose no increment under threads.

`prometheus_client` costs 0.3 to 1.1 us an increment; a `Cell` costs the call of one C function.
The exposition layer reads the cells when it is scraped (`metrics.py`).

Locks: each `Cell` and each family has one of its own, taken for reading and for making a series,
never for counting. None is held while another is taken.
"""

from __future__ import annotations

import itertools
import operator
import threading
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

OTHER: Final = "other"
"""Label value of every series past a family's cap."""


class Cell:
    """A number that only grows. Call `add()` once for each thing that happened."""

    __slots__ = ("_lock", "_read_count", "add")

    add: Callable[[], int]
    """Counts one. What it returns means nothing."""

    def __init__(self) -> None:
        # PERF: the bound method of a C iterator is one atomic step under the interpreter's lock,
        # where `self.n += 1` is a read and a write that another thread can come between.
        self.add = itertools.count().__next__
        self._lock = threading.Lock()
        self._read_count = 0

    def value(self) -> int:
        """How often `add` was called so far."""
        with self._lock:
            # The iterator can only be read by advancing it: earlier readings are taken off.
            seen = self.add() - self._read_count
            self._read_count += 1
            return seen


class Amount:
    """A number that grows by more than one at a time. Takes a lock: not for the hot path."""

    __slots__ = ("_lock", "_total")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._total = 0

    def add(self, count: int) -> None:
        """Count `count` things."""
        with self._lock:
            self._total += count

    def value(self) -> int:
        """The sum of everything added so far."""
        with self._lock:
            return self._total


class CounterFamily:
    """Cells of one metric, by label values; at most `max_series`, the rest share one `other`."""

    __slots__ = ("_cells", "_lock", "_max_series", "_overflow", "labels")

    def __init__(self, *labels: str, max_series: int = 2_000) -> None:
        self.labels: Final = labels
        self._cells: dict[tuple[str, ...], Cell] = {}
        self._lock = threading.Lock()
        self._max_series = max_series
        self._overflow = (OTHER,) * len(labels)

    def cell(self, *values: str) -> Cell:
        """The cell of these label values; the `other` cell once the cap is reached."""
        found = self._cells.get(values)
        return found if found is not None else self._make(values)

    def _make(self, values: tuple[str, ...]) -> Cell:
        if len(values) != len(self.labels):
            raise ValueError(f"expected {len(self.labels)} label values, got {len(values)}")
        with self._lock:
            # One place is kept for the series that takes the rest.
            if values not in self._cells and len(self._cells) >= self._max_series - 1:
                values = self._overflow
            return self._cells.setdefault(values, Cell())

    def series(self) -> Iterator[tuple[tuple[str, ...], int]]:
        """Label values and count of every series, as of now."""
        with self._lock:
            cells = list(self._cells.items())
        for values, cell in cells:
            yield values, cell.value()


Observed: TypeAlias = tuple[float, str, str, int]
"""One observation told by name: its value, decision id, trace id (or empty) and time in us."""


class _Shard:
    """What one thread observed. Only that thread writes it."""

    __slots__ = ("counts", "newest", "thread", "total")

    def __init__(self, thread: threading.Thread | None, size: int) -> None:
        self.thread = thread
        self.counts = [0] * size
        self.total = 0.0
        self.newest: list[Observed | None] = [None] * size


@dataclass(frozen=True, slots=True)
class Reading:
    """A histogram as of one moment: observations in each bucket (not cumulative, the last without
    bound), their sum, and the newest of each bucket that was told by name.
    """

    counts: tuple[int, ...]
    total: float
    newest: tuple[Observed | None, ...]


class Histogram:
    """A distribution over fixed bounds, kept in one shard for each thread.

    A sum of floats has no atomic step, so each thread adds to a shard of its own, and the reader
    adds the shards up. Shards of threads that ended are folded into one.
    """

    __slots__ = ("_ended", "_local", "_lock", "_shards", "bounds")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds: Final = bounds
        self._local = threading.local()
        self._lock = threading.Lock()
        self._shards: list[_Shard] = []
        self._ended = _Shard(None, len(bounds) + 1)

    def observe(self, value: float) -> None:
        """Count one observation."""
        try:
            shard: _Shard = self._local.shard
        except AttributeError:
            shard = self._join()
        shard.counts[bisect_left(self.bounds, value)] += 1
        shard.total += value

    def observe_many(self, value: float, count: int) -> None:
        """Count `count` observations of one value."""
        try:
            shard: _Shard = self._local.shard
        except AttributeError:
            shard = self._join()
        shard.counts[bisect_left(self.bounds, value)] += count
        shard.total += value * count

    def observe_by_name(self, observed: Observed) -> None:
        """Count one observation, and remember it as the newest of its bucket."""
        try:
            shard: _Shard = self._local.shard
        except AttributeError:
            shard = self._join()
        value = observed[0]
        index = bisect_left(self.bounds, value)
        shard.counts[index] += 1
        shard.total += value
        shard.newest[index] = observed

    def _join(self) -> _Shard:
        shard = _Shard(threading.current_thread(), len(self.bounds) + 1)
        with self._lock:
            self._shards.append(shard)
        self._local.shard = shard
        return shard

    def read(self) -> Reading:
        """All that was observed so far."""
        with self._lock:
            alive = []
            for shard in self._shards:
                if shard.thread is not None and shard.thread.is_alive():
                    alive.append(shard)
                else:
                    _add_shard(self._ended, shard)
            self._shards = alive
            seen = _Shard(None, len(self.bounds) + 1)
            for shard in (self._ended, *alive):
                _add_shard(seen, shard)
        return Reading(tuple(seen.counts), seen.total, tuple(seen.newest))


def _add_shard(into: _Shard, shard: _Shard) -> None:
    for index, count in enumerate(shard.counts):
        into.counts[index] += count
    into.total += shard.total
    into.newest = [_newer(*pair) for pair in zip(into.newest, shard.newest, strict=True)]


def _newer(one: Observed | None, other: Observed | None) -> Observed | None:
    if one is None or other is None:
        return one or other
    return max(one, other, key=operator.itemgetter(3))


class HistogramFamily:
    """Histograms of one metric, by label values, with the cap of a `CounterFamily`."""

    __slots__ = ("_histograms", "_lock", "_max_series", "_overflow", "bounds", "labels")

    def __init__(self, *labels: str, bounds: tuple[float, ...], max_series: int = 200) -> None:
        self.labels: Final = labels
        self.bounds: Final = bounds
        self._histograms: dict[tuple[str, ...], Histogram] = {}
        self._lock = threading.Lock()
        self._max_series = max_series
        self._overflow = (OTHER,) * len(labels)

    def histogram(self, *values: str) -> Histogram:
        """The histogram of these label values; the `other` one once the cap is reached."""
        found = self._histograms.get(values)
        if found is not None:
            return found
        if len(values) != len(self.labels):
            raise ValueError(f"expected {len(self.labels)} label values, got {len(values)}")
        with self._lock:
            if values not in self._histograms and len(self._histograms) >= self._max_series - 1:
                values = self._overflow
            return self._histograms.setdefault(values, Histogram(self.bounds))

    def series(self) -> Iterator[tuple[tuple[str, ...], Reading]]:
        """Label values and reading of every series, as of now."""
        with self._lock:
            histograms = list(self._histograms.items())
        for values, histogram in histograms:
            yield values, histogram.read()
