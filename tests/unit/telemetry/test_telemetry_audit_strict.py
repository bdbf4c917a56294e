"""Claims about strict mode: no answer before its record is durable, and none without."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise

from consentry.telemetry.audit.strict import AuditUnavailableError, Piece, StrictAuditLog
from tests.support.audit import NOW_US, FixedKeys, MemorySink, fields

FIELDS = fields()


class GatedSink(MemorySink):
    """Waits for its gate in every write."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.entered = threading.Semaphore(0)
        self.sizes: list[int] = []

    def write_durably(self, lines: Sequence[bytes]) -> None:
        self.entered.release()
        assert self.gate.wait(30)
        super().write_durably(lines)
        self.sizes.append(len(lines))


@contextmanager
def strict_log(sink: MemorySink, patience_s: float = 30.0) -> Iterator[StrictAuditLog]:
    log = StrictAuditLog(sink, keys=FixedKeys(), now_us=lambda: NOW_US, patience_s=patience_s)
    log.start()
    try:
        yield log
    finally:
        log.close()


def answer(log: StrictAuditLog, count: int = 1) -> bool:
    """Whether a call with so many decisions has its answer."""
    for number in range(count):
        log.append(FIELDS, NOW_US, f"id{number}", 7, "", False)
    try:
        log.commit()
    except AuditUnavailableError:
        return False
    return True


def test_call_waits_until_its_record_is_durable() -> None:
    sink = GatedSink()
    with strict_log(sink) as log, ThreadPoolExecutor(1) as pool:
        call = pool.submit(answer, log)
        sink.entered.acquire()
        assert not call.done()
        sink.gate.set()

        assert call.result(30)
        assert sink.numbers() == [1]


def test_calls_that_wait_share_one_wait_for_the_disk() -> None:
    sink = GatedSink()
    with strict_log(sink) as log, ThreadPoolExecutor(9) as pool:
        calls = [pool.submit(answer, log)]
        sink.entered.acquire()
        calls += [pool.submit(answer, log, 3) for _ in range(8)]
        pause = threading.Event()
        while log.waiting_count() < 8:
            pause.wait(0.001)
        sink.gate.set()

        assert all(call.result(30) for call in calls)
        assert sink.sizes == [1, 24]
        assert sink.numbers() == list(range(1, 26))


def test_call_has_no_answer_where_the_disk_refuses() -> None:
    sink = MemorySink(refusals=[False, True, True, False])
    with strict_log(sink) as log:
        given = [answer(log) for _ in range(4)]

        assert given == [True, False, False, True]
        assert (log.written.value(), log.withheld.value()) == (2, 2)
    assert sink.numbers() == [1, 2], "numbers have no hole where nothing was answered"


def test_answered_is_stored_exactly_whatever_the_disk_does() -> None:
    sink = MemorySink(refusals=[bool(number % 3) for number in range(40)])
    with strict_log(sink) as log, ThreadPoolExecutor(8) as pool:
        given = list(pool.map(lambda size: (answer(log, size), size), [1, 2, 5, 30] * 50))

        answered = sum(size for is_given, size in given if is_given)
        assert answered == log.written.value() == len(sink.numbers())
        assert log.withheld.value() == sum(not is_given for is_given, _ in given) > 0
    assert sink.numbers() == list(range(1, answered + 1))


def test_disk_that_hangs_costs_callers_no_more_than_their_patience() -> None:
    sink = GatedSink()
    with strict_log(sink, patience_s=0.05) as log, ThreadPoolExecutor(4) as pool:
        given = list(pool.map(lambda _: answer(log), range(4)))

        assert given == [False] * 4
        assert log.is_failing
        assert not answer(log), "who comes later is refused at once"
        assert log.withheld.value() == 5
        sink.gate.set()
        pause = threading.Event()
        while log.is_failing:
            pause.wait(0.001)
        assert answer(log)


def chained(count: int) -> list[Piece]:
    """Calls that share one wait, in order."""
    pieces = [Piece([]) for _ in range(count)]
    for piece, behind in pairwise(pieces):
        piece.behind = behind
    return pieces


def test_calls_are_woken_one_after_the_other() -> None:
    first, second, third = chained(3)
    first.tell()

    assert not third.turn.acquire(blocking=False), "the one before has not woken yet"
    assert [piece.wait(0) for piece in (first, second, third)] == [True] * 3


def test_word_goes_past_calls_that_have_gone() -> None:
    gone, also_gone, last = chained(3)
    assert not gone.wait(0)
    assert not also_gone.wait(0)
    gone.tell()

    assert last.wait(0)


def test_word_is_never_lost_to_a_call_that_goes_as_it_comes() -> None:
    with ThreadPoolExecutor(2) as pool:
        for round_ in range(600):
            first, going, last = chained(3)
            begin = threading.Barrier(2)

            def go(piece: Piece = going, begin: threading.Barrier = begin, n: int = round_) -> bool:
                begin.wait(30)
                return piece.wait(n % 30 * 1e-6)

            went = pool.submit(go)
            first.wait(0)
            begin.wait(30)
            first.tell()

            assert last.wait(30), "told by the call or in its place"
            went.result(30)


def test_disk_that_is_well_again_is_found_without_a_call() -> None:
    sink = MemorySink()
    sink.is_broken = True
    with strict_log(sink) as log:
        assert not answer(log)
        assert log.is_failing
        sink.is_broken = False
        pause = threading.Event()
        while log.is_failing:
            pause.wait(0.01)

        assert sink.stored == [{"event": "resumed"}]


def test_nobody_is_answered_after_close() -> None:
    sink = MemorySink()
    with strict_log(sink) as log:
        assert answer(log)
    assert not answer(log)
    assert sink.is_closed
    assert sink.numbers() == [1]
