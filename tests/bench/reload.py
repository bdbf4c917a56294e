"""Reloads: what callers see beside them, and what one changed file costs the compiler."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path

from consentry.diagnostics.span import Source
from consentry.pdp.compile_process import CompilerProcess
from consentry.pdp.sources import read_packs
from tests.bench import h2
from tests.bench.beside import Beside, repeating
from tests.bench.engine import many_files
from tests.bench.equal_work import Question
from tests.bench.measure import Series, paired_rounds, pin, process_cpu_ns
from tests.bench.peer_series import Say, ours_running

RATE = 1_000
CHANGES_A_SECOND = 100
RELOAD_EVERY_S = 0.5
FILES = 100


def measure_p99(*, rounds: int, seconds: int, rule_count: int, say: Say) -> Series:
    """The 99th percentile, in microseconds, at a steady rate: quiet, and beside disturbances."""
    with tempfile.TemporaryDirectory() as folder:
        policies = Path(folder)
        with (
            ours_running(Question(rule_count), policies) as (contender, sidecar),
            Beside.of(sidecar, policies) as beside,
        ):
            pin(0, 1)

            def p99() -> float:
                return h2.load(
                    contender.door,
                    contender.body,
                    calls=RATE * seconds,
                    connections=4,
                    streams=16,
                    calls_per_s=RATE,
                ).p99_us

            def disturbed(action: Callable[[int], None], every_s: float) -> Callable[[], float]:
                def side() -> float:
                    with repeating(action, every_s):
                        return p99()

                return side

            sides = {
                "quiet": p99,
                "scrapes": disturbed(beside.scrape, 1.0),
                "consent changes": disturbed(beside.change_consent, 1 / CHANGES_A_SECOND),
                "reloads": disturbed(beside.reload, RELOAD_EVERY_S),
                "quiet again": p99,
            }
            return paired_rounds(sides, rounds=rounds, progress=say)


def split(rule_count: int) -> list[Source]:
    """The generated set with its permits in a hundred files."""
    return many_files(rule_count, per_file=max(1, rule_count // FILES))


def _must_compile(child: CompilerProcess, sources: Sequence[Source]) -> None:
    if child.compile(sources, read_packs(), timeout_s=300).program is None:
        raise ValueError("the generated set does not compile")


@contextmanager
def changed_file(rule_count: int) -> Iterator[dict[str, Callable[[], float]]]:
    """Microseconds of CPU for a set of which one file changed: in a child that is new, and in one
    that compiled the set before.
    """
    sources, numbers = split(rule_count), count()

    def changed() -> list[Source]:
        last = sources[-1]
        return [*sources[:-1], Source(last.name, f"{last.text}# {next(numbers)}\n")]

    def new_child() -> float:
        with closing(CompilerProcess()) as child:
            _must_compile(child, changed())
            return process_cpu_ns(child.pid) / 1000

    with closing(CompilerProcess()) as lasting:

        def same_child() -> float:
            before = process_cpu_ns(lasting.pid)
            _must_compile(lasting, changed())
            return (process_cpu_ns(lasting.pid) - before) / 1000

        yield {"new child": new_child, "same child": same_child}


def measure_changed_file(*, rule_count: int, rounds: int, say: Say) -> Series:
    """The two sides of `changed_file`, in turns."""
    with changed_file(rule_count) as sides:
        return paired_rounds(sides, rounds=rounds, progress=say)
