"""What goes on beside the checks: the decision log, scrapes, doors, several worker processes."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from tests.bench import h2
from tests.bench.beside import Beside, repeating
from tests.bench.equal_work import Question
from tests.bench.measure import Series, paired_rounds, pin, process_cpu_ns, unpin
from tests.bench.peer_series import CHECK, NO_AUDIT, Contender, Say, ours_running

CHANNELS = 8
STREAMS = 8
RATE = 1_000
RECORD_BYTES = 500
STRICT = '[audit]\nmode = "strict"\n'


@contextmanager
def _running(stack: ExitStack, settings: str = "", *flags: str) -> Iterator[Contender]:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    with ours_running(Question(100), folder, settings, *flags) as (contender, _):
        yield contender


def measure_telemetry(*, rounds: int, calls: int, say: Say) -> Series:
    """Server CPU per call: nothing on, the decision log, the log and a scrape a second."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        logged, sidecar = stack.enter_context(ours_running(Question(100), folder))
        silent = stack.enter_context(_running(stack, NO_AUDIT))
        beside = stack.enter_context(Beside.of(sidecar, folder))
        pin(0, 1)

        def all_on() -> float:
            with repeating(beside.scrape, 1.0):
                return logged.us_per_call(calls, 16)

        sides = {
            "off": lambda: silent.us_per_call(calls, 16),
            "decision log": lambda: logged.us_per_call(calls, 16),
            "all on": all_on,
            "off again": lambda: silent.us_per_call(calls, 16),
        }
        return paired_rounds(sides, rounds=rounds, progress=say)


def _sync_p99_us(path: Path, count: int = 400) -> float:
    """The 99th percentile of appending a record's bytes to a file and waiting for the disk."""
    took = []
    with path.open("ab", buffering=0) as file:
        for _ in range(count):
            began_ns = time.perf_counter_ns()
            file.write(bytes(RECORD_BYTES))
            os.fdatasync(file.fileno())
            took.append((time.perf_counter_ns() - began_ns) / 1_000)
    return sorted(took)[count * 99 // 100]


def measure_strict(*, rounds: int, seconds: int, say: Say) -> Series:
    """The 99th percentile, in microseconds, at a steady rate: without a decision log, and with; and
    that of the disk alone, which strict mode waits for.
    """
    with ExitStack() as stack:
        disk = Path(stack.enter_context(tempfile.TemporaryDirectory()), "records")
        sides: dict[str, Callable[[], float]] = {}
        for name, config in (("off", NO_AUDIT), ("buffered", ""), ("strict", STRICT)):
            contender = stack.enter_context(_running(stack, config))

            def p99(contender: Contender = contender) -> float:
                return h2.load(
                    contender.door,
                    contender.body,
                    calls=RATE * seconds,
                    connections=4,
                    streams=16,
                    calls_per_s=RATE,
                ).p99_us

            sides[name] = p99
        sides["disk alone"] = lambda: _sync_p99_us(disk)
        sides["off again"] = sides["off"]
        pin(0, 1)
        return paired_rounds(sides, rounds=rounds, progress=say)


def measure_doors(*, rounds: int, calls: int, say: Say) -> Series:
    """Server CPU per call over TCP and over a Unix socket, one at a time and sixteen."""
    with (
        tempfile.TemporaryDirectory() as folder,
        ours_running(Question(100), Path(folder)) as (contender, sidecar),
    ):
        pin(0, 1)
        door = h2.Door(address=sidecar.socket, path=CHECK, pid=sidecar.pid)
        by_socket = replace(contender, door=door)
        sides = {
            "TCP, 1": lambda: contender.us_per_call(calls, 1),
            "Unix socket, 1": lambda: by_socket.us_per_call(calls, 1),
            "TCP, 16": lambda: contender.us_per_call(calls, 16),
            "Unix socket, 16": lambda: by_socket.us_per_call(calls, 16),
        }
        return paired_rounds(sides, rounds=rounds, progress=say)


def children_of(pid: int) -> list[int]:
    """Processes that this one started and that live."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(word) for task in tasks for word in (task / "children").read_text().split()]


def measure_workers(*, rounds: int, calls: int, say: Say) -> tuple[Series, Series]:
    """One process and two, over eight connections with eight calls each, on all cores together.

    CPU per call, that of all processes; and wall time per call, which is what more processes are
    for. On two cores the load generator takes its share of them.
    """
    cpu: dict[str, list[float]] = {}
    with ExitStack() as stack:
        one = stack.enter_context(_running(stack))
        two = stack.enter_context(_running(stack, "", "--workers", "2"))
        pids = {}
        for name, side in (("1 process", one), ("2 processes", two)):
            pids[name] = [side.door.pid, *children_of(side.door.pid)]
            for pid in pids[name]:
                unpin(pid)
            cpu[name] = []
        unpin(0)

        def wall(name: str, contender: Contender) -> Callable[[], float]:
            def side() -> float:
                before = sum(process_cpu_ns(pid) for pid in pids[name])
                result = h2.load(
                    contender.door,
                    contender.body,
                    calls=calls,
                    connections=CHANNELS,
                    streams=STREAMS,
                    answer_bytes=contender.answer_bytes,
                )
                spent = sum(process_cpu_ns(pid) for pid in pids[name]) - before
                cpu[name].append(spent / 1000 / calls)
                return 1e6 / result.calls_per_s

            return side

        sides = {"1 process": wall("1 process", one), "2 processes": wall("2 processes", two)}
        walls = paired_rounds(sides, rounds=rounds, progress=say)
    # The first round warmed up.
    return Series(rounds={name: tuple(found[1:]) for name, found in cpu.items()}), walls
