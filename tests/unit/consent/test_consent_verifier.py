"""Verifying behind the doors: to the end, to the first fault, or as far as the store lets it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence

import pytest

from consentry.consent.append import keys_of, plan_append
from consentry.consent.chain import Head, Row
from consentry.consent.errors import LedgerCorruptError, LedgerUnavailableError
from consentry.consent.event_codec import genesis_digest
from consentry.consent.verifier import Verifier
from tests.support.consent_events import FakeClock, FakeIds, gave

COUNT = 1_234


def chain(count: int) -> list[Row]:
    events = [gave(1, idempotency_key=f"k{n}") for n in range(count)]
    planned = plan_append(
        events,
        keys_of(events, "here"),
        {},
        head=Head(0, genesis_digest("here")),
        now_us=5,
        ids=FakeIds(),
    )
    return list(planned.rows)


class FakeLedger:
    """Rows in a list; `failure` is raised when they are read."""

    ledger_id = "here"

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows
        self.failure: Exception | None = None
        self.store_fault: LedgerCorruptError | None = None
        self.damage: LedgerCorruptError | None = None
        self.has_stopped = threading.Event()

    def read_rows(self, after_position: int, limit: int) -> Sequence[Row]:
        if self.failure is not None:
            raise self.failure
        return self.rows[after_position : after_position + limit]

    def check_store(self) -> None:
        if self.store_fault is not None:
            raise self.store_fault

    def mark_damaged(self, problem: LedgerCorruptError) -> None:
        self.damage = problem


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return chain(COUNT)


@pytest.fixture
def ledger(rows: list[Row]) -> FakeLedger:
    return FakeLedger(list(rows))


@pytest.fixture
def verify(ledger: FakeLedger) -> Iterator[Callable[[], Verifier]]:
    """Walks once and gives the verifier, at rest."""
    made: list[Verifier] = []

    def walk() -> Verifier:
        verifier = Verifier(ledger, FakeClock(), pause_s=0.0)
        made.append(verifier)
        verifier.start()
        wait_for_end(verifier)
        return verifier

    yield walk
    for verifier in made:
        verifier.close()


def wait_for_end(verifier: Verifier) -> None:
    ended = threading.Event()
    for _ in range(20_000):
        if verifier.progress.ended_at_us:
            return
        ended.wait(0.001)
    raise AssertionError("the walk does not end")


def test_whole_chain_is_walked(ledger: FakeLedger, verify: Callable[[], Verifier]) -> None:
    progress = verify().progress

    assert (progress.position, progress.is_done, progress.fault) == (COUNT, True, None)
    assert progress.digest == ledger.rows[-1][4]
    assert ledger.damage is None


@pytest.mark.parametrize("position", [1, 500, 501, 1_234])
def test_first_fault_ends_the_walk_and_marks_the_ledger(
    ledger: FakeLedger, verify: Callable[[], Verifier], position: int
) -> None:
    row = ledger.rows[position - 1]
    ledger.rows[position - 1] = (*row[:3], row[3].replace(b"given", b"taken"), *row[4:])

    progress = verify().progress

    assert progress.fault is not None
    assert (progress.fault.position, progress.fault.code) == (position, "chain_broken")
    assert not progress.is_done
    assert ledger.damage is progress.fault


def test_fault_of_the_store_itself_is_one_too(
    ledger: FakeLedger, verify: Callable[[], Verifier]
) -> None:
    ledger.store_fault = LedgerCorruptError("an index is damaged")

    assert verify().progress.fault is ledger.store_fault
    assert ledger.damage is ledger.store_fault


def test_store_that_cannot_be_read_is_not_called_damaged(
    ledger: FakeLedger, verify: Callable[[], Verifier]
) -> None:
    ledger.failure = LedgerUnavailableError("the disk does not answer")
    verifier = verify()
    assert (verifier.progress.is_done, verifier.progress.fault) == (False, None)
    assert ledger.damage is None

    ledger.failure = None
    verifier.again()
    wait_for_end(verifier)

    assert verifier.progress.is_done


def test_walk_that_was_never_begun_can_be_closed(ledger: FakeLedger) -> None:
    Verifier(ledger, FakeClock()).close()
