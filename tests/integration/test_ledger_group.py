"""Recordings that wait for one another share a commit, and each keeps its own fate."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import apsw

from consentry.consent.errors import (
    IdempotencyConflictError,
    LedgerFullError,
    LedgerUnavailableError,
)
from consentry.consent.ledger import Recorded
from consentry.consent.sqlite import SqliteLedger
from consentry.model.consent import ConsentEvent
from tests.support.consent_events import FakeClock, FakeIds, gave, query, withdrew

Answer = Future[tuple[Recorded, ...]]
Submit = Callable[[Sequence[ConsentEvent]], Answer]


class Gate:
    """A failpoint that stops at the first commit; `failures` are raised before the ones after."""

    def __init__(self) -> None:
        self.stopped = threading.Event()
        self.may_pass = threading.Event()
        self.failures: list[Exception] = []
        self.commit_count = 0

    def __call__(self, point: str) -> None:
        if point == "before_commit":
            is_first = not self.stopped.is_set()
            self.stopped.set()
            assert self.may_pass.wait(30)
            if self.failures and not is_first:
                raise self.failures.pop(0)
        self.commit_count += point == "after_commit"


@contextmanager
def one_group(path: Path, gate: Gate, count: int) -> Iterator[tuple[SqliteLedger, Submit]]:
    """A ledger, and how to submit `count` recordings that come to be written together."""
    with ThreadPoolExecutor(count + 1) as pool:
        ledger = SqliteLedger(path, clock=FakeClock(), ids=FakeIds(), failpoint=gate)
        first = pool.submit(ledger.record, [gave(1, idempotency_key="first")])
        assert gate.stopped.wait(30)
        yield ledger, lambda events: pool.submit(ledger.record, events)
        first.result(30)
        ledger.close()


def let_go(ledger: SqliteLedger, gate: Gate, count: int) -> None:
    pause = threading.Event()
    while len(ledger._group._queue) < count:
        pause.wait(0.001)
    gate.may_pass.set()


def test_recordings_that_wait_share_a_commit_and_each_keeps_its_fate(tmp_path: Path) -> None:
    gate = Gate()
    with one_group(tmp_path / "ledger.db", gate, 5) as (ledger, submit):
        replay = submit([gave(1, idempotency_key="first")])
        conflict = submit([gave(2, idempotency_key="first")])
        batch = submit([gave(1, idempotency_key=f"b{n}") for n in range(3)])
        twins = [submit([gave(at, idempotency_key="twin")]) for at in (1, 2)]
        let_go(ledger, gate, 5)

        assert replay.result(30)[0].is_replay
        assert isinstance(conflict.exception(30), IdempotencyConflictError)
        assert len(batch.result(30)) == 3
        fates = [twin.exception(30) for twin in twins]
        assert sum(isinstance(fate, IdempotencyConflictError) for fate in fates) == 1
        assert fates.count(None) == 1
        assert gate.commit_count == 2
        assert ledger.verify() == ledger.position() == 5


def test_commit_that_fails_is_acknowledged_to_nobody(tmp_path: Path) -> None:
    gate = Gate()
    gate.failures = [apsw.IOError()]
    with one_group(tmp_path / "ledger.db", gate, 3) as (ledger, submit):
        asked = [submit([gave(1, idempotency_key=f"k{n}")]) for n in range(3)]
        let_go(ledger, gate, 3)

        assert all(isinstance(each.exception(30), LedgerUnavailableError) for each in asked)
        assert ledger.position() == 1
        again = [ledger.record([gave(1, idempotency_key=f"k{n}")]) for n in range(3)]
        assert [recorded.is_replay for (recorded,) in again] == [False] * 3
        assert ledger.verify() == 4


def test_full_disk_refuses_of_a_group_what_does_not_narrow(tmp_path: Path) -> None:
    gate = Gate()
    gate.failures = [apsw.FullError()]
    with one_group(tmp_path / "ledger.db", gate, 3) as (ledger, submit):
        widens = submit([gave(2, idempotency_key="widens")])
        mixed = submit([withdrew(2, idempotency_key="m1"), gave(2, idempotency_key="m2")])
        narrows = submit([withdrew(3, idempotency_key="narrows")])
        let_go(ledger, gate, 3)

        assert isinstance(widens.exception(30), LedgerFullError)
        assert isinstance(mixed.exception(30), LedgerFullError)
        assert narrows.result(30)[0].position == 2
        assert ledger.view("ada").consent(query()).absence == "consent_withdrawn"
        assert ledger.verify() == ledger.position() == 2


def test_many_callers_need_fewer_commits_than_recordings(tmp_path: Path) -> None:
    callers, gate = 6, Gate()
    gate.may_pass.set()
    ledger = SqliteLedger(tmp_path / "ledger.db", clock=FakeClock(), ids=FakeIds(), failpoint=gate)

    def record(caller: int) -> list[int]:
        events = [
            gave(1, data_subject_id=f"p{caller}", idempotency_key=f"{caller}-{n}")
            for n in range(50)
        ]
        return [ledger.record([event])[0].position for event in events]

    with ThreadPoolExecutor(callers) as pool:
        positions = list(pool.map(record, range(callers)))

    assert all(each == sorted(each) for each in positions)
    assert sorted(chain.from_iterable(positions)) == list(range(1, callers * 50 + 1))
    assert gate.commit_count < callers * 50
    assert ledger.verify() == callers * 50
    ledger.close()
