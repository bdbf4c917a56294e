"""How things are measured: CPU time of a process from outside, paired rounds, medians.

Wall time on shared machines says little; the CPU clock of the server process does. Sides of a
comparison take turns within each round, so that a drift of the machine hits all alike; ratios are
formed within a round and the median over rounds is quoted.
"""

from __future__ import annotations

import math
import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from pathlib import Path

CPUCLOCK_SCHED = 2
LEAST_ROUNDS = 3
"""Rounds that are counted however little time there is."""

_ends_s: ContextVar[float] = ContextVar("ends_s", default=math.inf)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """What is measured inside takes about so long: rounds that do not fit are left out."""
    token = _ends_s.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _ends_s.reset(token)


def has_time(needed_s: float = 0.0) -> bool:
    """Whether so many more seconds fit into the time that was given."""
    return time.monotonic() + needed_s <= _ends_s.get()


def process_cpu_ns(pid: int) -> int:
    """CPU time of a process, all its threads, in nanoseconds.

    The clock id of another process is made from its number, see clock_getcpuclockid(3).
    """
    return time.clock_gettime_ns((~pid << 3) | CPUCLOCK_SCHED)


def thread_cpu_ns(pid: int) -> dict[int, int]:
    """Processor time of each thread of a process, from the scheduler's accounts."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that ended meanwhile
            found[int(task.name)] = int((task / "schedstat").read_text().split()[0])
    return found


def memory_bytes(pid: int) -> int:
    """Memory that a process holds now, what it shares with others included (VmRSS)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@cache
def usable_cores() -> tuple[int, ...]:
    """The cores this process was started on, whatever it is pinned to later."""
    return tuple(sorted(os.sched_getaffinity(0)))


def pin(pid: int, core: int) -> None:
    """Keeps a process, with all threads it has and will have, on one core where there are more.

    `pid` 0 is this one. Each thread has an affinity of its own: to pin only the first one would let
    the others contend for the interpreter's lock across cores, which costs up to twice the time.
    """
    cores = usable_cores()
    if len(cores) > 1:
        _place(pid, {cores[core % len(cores)]})


def unpin(pid: int) -> None:
    """Lets a process, with all threads it has, run on all cores again."""
    _place(pid, set(usable_cores()))


def _place(pid: int, cores: set[int]) -> None:
    for task in Path(f"/proc/{pid or os.getpid()}/task").iterdir():
        with suppress(ProcessLookupError):  # a thread that ended meanwhile
            os.sched_setaffinity(int(task.name), cores)


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Microseconds per call of each side, one entry a round."""

    rounds: Mapping[str, tuple[float, ...]]

    def median(self, side: str) -> float:
        """Median microseconds per call of one side."""
        return statistics.median(self.rounds[side])

    def ratio(self, side: str, base: str) -> tuple[float, float, float]:
        """Least, median and greatest of the ratios formed within each round."""
        pairs = zip(self.rounds[side], self.rounds[base], strict=True)
        ratios = sorted(mine / theirs for mine, theirs in pairs)
        return ratios[0], statistics.median(ratios), ratios[-1]


def paired_rounds(
    sides: Mapping[str, Callable[[], float]], *, rounds: int, progress: Callable[[str], None]
) -> Series:
    """Runs each side once a round, in an order that turns round each time.

    A side returns microseconds per call. The first round warms up and is not counted. Where the
    time given by `within` runs out, there are fewer rounds.
    """
    results: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds + 1):
        began_s = time.monotonic()
        names = list(sides) if number % 2 else list(reversed(sides))
        for name in names:
            value = sides[name]()
            if number:
                results[name].append(value)
        progress(f"round {number}/{rounds}")
        if number >= LEAST_ROUNDS and not has_time(time.monotonic() - began_s):
            break
    return Series(rounds={name: tuple(values) for name, values in results.items()})
