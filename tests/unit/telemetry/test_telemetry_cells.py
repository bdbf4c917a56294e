"""Claims about counters: cheap, bounded, and nothing is lost."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from consentry.telemetry.cells import OTHER, Amount, Cell, CounterFamily, Histogram

THREADS = 4
TIMES = 20_000


@pytest.fixture
def eager_switching() -> Iterator[None]:
    """Switch threads as often as the interpreter can, so that races show."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def run_in_threads(work: Callable[[], object]) -> None:
    barrier = threading.Barrier(THREADS)

    def run() -> None:
        barrier.wait()
        for _ in range(TIMES):
            work()

    threads = [threading.Thread(target=run) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_cell_loses_no_increment_under_threads(eager_switching: None) -> None:
    cell = Cell()

    run_in_threads(cell.add)

    assert cell.value() == THREADS * TIMES


def test_a_counter_that_reads_and_writes_loses_increments() -> None:
    """The seeded fault: two threads meet between the reading and the writing of one number."""
    meeting = threading.Barrier(2)

    class Naive:
        n = 0

        def add(self) -> None:
            seen = self.n
            meeting.wait()
            self.n = seen + 1

    naive = Naive()
    threads = [threading.Thread(target=naive.add) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert naive.n == 1


def test_reading_while_others_count_disturbs_no_count(eager_switching: None) -> None:
    cell = Cell()
    readings: list[int] = []

    def count_and_read() -> None:
        cell.add()
        readings.append(cell.value())

    run_in_threads(count_and_read)

    assert cell.value() == max(readings) == THREADS * TIMES


def test_amount_adds_up() -> None:
    amount = Amount()
    amount.add(3)
    amount.add(4)

    assert amount.value() == 7


def test_histogram_loses_no_observation_under_threads(eager_switching: None) -> None:
    histogram = Histogram((1.0, 2.0))

    run_in_threads(lambda: histogram.observe(1.5))

    first = histogram.read()
    counts, total = first.counts, first.total
    assert counts == (0, THREADS * TIMES, 0)
    assert total == 1.5 * THREADS * TIMES
    assert histogram.read() == first


def test_histogram_keeps_what_ended_threads_saw_without_keeping_the_threads() -> None:
    histogram = Histogram((1.0,))
    for _ in range(10):
        thread = threading.Thread(target=histogram.observe, args=(0.5,))
        thread.start()
        thread.join()

    counts = histogram.read().counts

    assert counts == (10, 0)
    assert histogram._shards == []


def test_histogram_bound_is_inclusive() -> None:
    histogram = Histogram((1.0, 2.0))
    for value in (1.0, 1.1, 2.0, 2.1):
        histogram.observe(value)

    assert histogram.read().counts == (1, 2, 1)


def test_family_stops_making_series_at_its_cap() -> None:
    family = CounterFamily("purpose", max_series=3)

    for number in range(10):
        family.cell(f"p{number}").add()

    series = dict(family.series())
    assert series == {("p0",): 1, ("p1",): 1, (OTHER,): 8}


def test_family_gives_the_same_cell_for_the_same_labels() -> None:
    family = CounterFamily("a", "b")

    assert family.cell("x", "y") is family.cell("x", "y")
    assert family.cell("x", "y") is not family.cell("y", "x")


def test_family_refuses_a_wrong_number_of_labels() -> None:
    with pytest.raises(ValueError, match="expected 1"):
        CounterFamily("a").cell("x", "y")


def test_newest_observation_of_a_bucket_is_told_by_its_name() -> None:
    histogram = Histogram((1.0, 2.0))
    histogram.observe_by_name((0.5, "old", "", 1))
    histogram.observe_by_name((0.7, "new", "trace", 3))
    thread = threading.Thread(target=histogram.observe_by_name, args=((0.6, "between", "", 2),))
    thread.start()
    thread.join()
    histogram.observe(1.5)
    reading = histogram.read()

    assert reading.counts == (3, 1, 0)
    assert reading.newest == ((0.7, "new", "trace", 3), None, None)
