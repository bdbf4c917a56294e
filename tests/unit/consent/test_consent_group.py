"""Claims about recordings that share a transaction."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from consentry.consent.errors import IdempotencyConflictError, LedgerUnavailableError
from consentry.consent.group import MAX_GROUP, GroupCommit, Ticket
from consentry.consent.ledger import Recorded
from tests.support.consent_events import gave


class Store:
    """Writes when it may; `groups` holds the sizes of what came together."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.may_write = threading.Event()
        self.arrived = threading.Semaphore(0)
        self.failure: BaseException | None = None
        self.position = 0

    def write(self, tickets: Sequence[Ticket]) -> None:
        self.arrived.release()
        assert self.may_write.wait(10)
        self.groups.append([len(ticket.events) for ticket in tickets])
        if self.failure is not None:
            raise self.failure
        for ticket in tickets:
            if ticket.events[0].notice == "refused":
                ticket.problem = IdempotencyConflictError(0)
                continue
            self.position += len(ticket.events)
            ticket.answer = tuple(
                Recorded(event_id="e", position=self.position, received_at_us=0)
                for _ in ticket.events
            )


def test_what_arrives_while_one_group_is_written_is_the_next_group() -> None:
    store = Store()
    group = GroupCommit(store.write, wait_s=10)
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(group.record, [gave(1)])
        assert store.arrived.acquire(timeout=10)
        others = [pool.submit(group.record, [gave(1)]) for _ in range(7)]
        while len(group._queue) < 7:
            pass
        store.may_write.set()
        answers = [future.result(10) for future in (first, *others)]

    assert store.groups == [[1], [1] * 7]
    assert sorted(answer[0].position for answer in answers) == list(range(1, 9))


def test_a_batch_that_is_refused_spoils_no_other() -> None:
    store = Store()
    store.may_write.set()
    group = GroupCommit(store.write, wait_s=10)

    with pytest.raises(IdempotencyConflictError):
        group.record([gave(1, notice="refused")])

    assert group.record([gave(1)])[0].position == 1


def test_a_store_that_fails_fails_every_batch_of_the_group_and_takes_the_next() -> None:
    store = Store()
    store.may_write.set()
    store.failure = LedgerUnavailableError("gone")
    group = GroupCommit(store.write, wait_s=10)

    with pytest.raises(LedgerUnavailableError, match="gone"):
        group.record([gave(1)])
    store.failure = None

    assert group.record([gave(1)])[0].position == 1


def test_what_ends_the_writing_for_good_acknowledges_nobody() -> None:
    store = Store()
    group = GroupCommit(store.write, wait_s=10)
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(group.record, [gave(1)])
        assert store.arrived.acquire(timeout=10)
        others = [pool.submit(group.record, [gave(1)]) for _ in range(2)]
        while len(group._queue) < 2:
            pass
        store.failure = SystemExit()
        store.may_write.set()

        fates = [future.exception(10) for future in (first, *others)]

    assert sorted(type(fate).__name__ for fate in fates) == [
        "LedgerUnavailableError", "SystemExit", "SystemExit"
    ]  # fmt: skip


def test_whose_turn_does_not_come_is_told_and_not_written() -> None:
    store = Store()
    group = GroupCommit(store.write, wait_s=0.05)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(group.record, [gave(1)])
        assert store.arrived.acquire(timeout=10)

        with pytest.raises(LedgerUnavailableError):
            group.record([gave(1)])
        store.may_write.set()
        first.result(10)

    assert store.groups == [[1]]


def test_a_group_is_no_larger_than_a_batch_may_be() -> None:
    store = Store()
    group = GroupCommit(store.write, wait_s=10)
    half = [gave(1)] * (MAX_GROUP // 2 + 1)
    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(group.record, [gave(1)])]
        assert store.arrived.acquire(timeout=10)
        futures += [pool.submit(group.record, half) for _ in range(3)]
        while len(group._queue) < 3:
            pass
        store.may_write.set()
        for future in futures:
            future.result(10)

    assert [len(sizes) for sizes in store.groups] == [1, 1, 1, 1]
