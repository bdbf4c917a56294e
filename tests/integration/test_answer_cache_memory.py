"""Claims about what kept answers hold in memory, and that the cache reckons with it."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from consentry.app.wiring import Application
from consentry.model.consent import ConsentEvent, EventKind, Proof, Scope
from tests.bench.equal_work import PERSON, consentry_request
from tests.bench.profile import QUESTION, application

KEPT = 3_000
ROOMY = f"[cache]\nmax_entries = {2 * KEPT}\n"
MOST_BYTES = 600


@contextmanager
def traced() -> Iterator[Callable[[], int]]:
    """Gives what is held by what was made since, in bytes."""
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]

        def held() -> int:
            gc.collect()
            return tracemalloc.get_traced_memory()[0] - before

        yield held
    finally:
        tracemalloc.stop()


@contextmanager
def two_persons() -> Iterator[Application]:
    """A sidecar without doors, with room for all answers and consent of two persons."""
    with application(ROOMY) as made:
        for turn in "01":
            event = ConsentEvent(
                kind=EventKind.GIVEN,
                data_subject_id=f"{PERSON}{turn}",
                scope=Scope(purpose=QUESTION.purpose),
                happened_at_us=0,
                proof=Proof(method="form"),
                idempotency_key=turn,
            )
            made.ledger.record([event])
        yield made


def ask_all(made: Application, numbers: range) -> None:
    """A different question for each number; their records are written as well.

    The persons take turns, so that no answer has the end of the one before.
    """
    for number in numbers:
        request = consentry_request(QUESTION, number)
        request.subject.id += str(number % 2)
        made.point.check_bytes(request.SerializeToString())
    assert made.audit is not None
    made.audit.drain()


def test_kept_answers_hold_what_the_cache_reckons(figure: Callable[[str, object], None]) -> None:
    with two_persons() as made:
        ask_all(made, range(KEPT, KEPT + 10))
        with traced() as held:
            ask_all(made, range(KEPT))
            once = held()
            ask_all(made, range(KEPT))
            again = held()
        cache = made.point.cache
        assert len(cache) == KEPT + 10
        reckoned = cache.size_bytes * KEPT // len(cache)

    figure("bytes a kept answer: given once / given again", f"{once // KEPT} / {again // KEPT}")
    figure("bytes a kept answer: as the cache reckons", reckoned // KEPT)
    # What the decision log keeps of an answer that was given again is reckoned with from the first.
    assert 0.85 <= again / reckoned <= 1
    assert once <= again
    assert once / KEPT <= MOST_BYTES


def test_what_is_dropped_is_let_go() -> None:
    with two_persons() as made, traced() as held:
        ask_all(made, range(KEPT))
        full = held()
        made.point.cache.drop_older()

        assert made.point.cache.size_bytes == 0
        assert held() < full / 4  # tables stay as large as they were
