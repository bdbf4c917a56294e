"""A full or read-only disk: withdrawals go in while there is a reserve, and nothing is lost."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from full_disk import Budget, bound

from consentry.consent.errors import (
    LedgerError,
    LedgerFullError,
    LedgerReadOnlyError,
)
from consentry.consent.sqlite import SqliteLedger
from tests.support.consent_events import FakeClock, FakeIds, gave, query, withdrew

RESERVE = 1024 * 1024


class World:
    """A ledger on a disk of so many bytes."""

    def __init__(self, folder: Path, disk: Budget) -> None:
        self.folder = folder
        self.disk = disk
        self.clock = FakeClock()
        self.ledger = self.open()

    def open(self) -> SqliteLedger:
        return SqliteLedger(
            self.folder / "ledger.db", clock=self.clock, ids=FakeIds(), reserve_bytes=RESERVE
        )

    def later(self) -> None:
        self.clock.us += 2_000_000


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with bound(tmp_path) as disk:
        genuine = os.posix_fallocate

        def fallocate(descriptor: int, offset: int, size: int) -> None:
            if disk.limit_bytes is not None and disk.used_bytes() + size > disk.limit_bytes:
                raise OSError(28, "no space left")
            genuine(descriptor, offset, size)

        monkeypatch.setattr(os, "posix_fallocate", fallocate)
        made = World(tmp_path, disk)
        yield made
        made.ledger.close()


def key(number: int) -> str:
    return f"key-{number}"


def test_full_disk_takes_withdrawals_from_the_reserve_and_no_consents(world: World) -> None:
    world.ledger.record([gave(1)])
    world.ledger.view("ada")
    world.disk.fill()

    for number in range(20):
        world.ledger.record([withdrew(2, idempotency_key=key(number))])
    with pytest.raises(LedgerFullError):
        world.ledger.record([gave(3)])
    with pytest.raises(LedgerFullError):
        world.ledger.record([withdrew(4), gave(4)])

    assert world.ledger.position() == 21
    assert world.ledger.is_space_short
    assert world.ledger.view("ada").consent(query()).absence == "consent_withdrawn"
    assert world.ledger.verify() == 21


def test_space_that_comes_back_is_used_without_a_restart(world: World) -> None:
    world.disk.fill()
    world.ledger.record([withdrew(1)])
    world.disk.limit_bytes = None
    world.later()

    world.ledger.record([gave(2)])

    assert not world.ledger.is_space_short
    assert (world.folder / "ledger.db.reserve").stat().st_size == RESERVE


def test_reserve_has_an_end_and_says_so(world: World) -> None:
    world.disk.fill()
    accepted = 0

    def go_on() -> None:
        nonlocal accepted
        for accepted in range(2_000):
            world.ledger.record([withdrew(1, idempotency_key=key(accepted))])

    with pytest.raises(LedgerFullError):
        go_on()
    assert accepted >= 50
    assert world.ledger.position() == accepted == world.ledger.verify()


def test_person_can_be_forgotten_on_a_full_disk(world: World) -> None:
    world.ledger.record([gave(1)])
    world.disk.fill()

    assert world.ledger.erase("ada").count == 1
    assert world.ledger.is_space_short


def test_start_on_a_full_disk_is_short_from_the_start(world: World) -> None:
    world.ledger.record([gave(1)])
    world.ledger.close()
    (world.folder / "ledger.db.reserve").unlink()
    world.disk.fill(spare_bytes=120 * 1024)

    world.ledger = world.open()

    assert world.ledger.is_space_short
    with pytest.raises(LedgerFullError):
        world.ledger.record([gave(2)])
    world.ledger.record([withdrew(2)])


def test_read_only_disk_is_told_as_such_and_reading_goes_on(world: World) -> None:
    world.ledger.record([gave(1)])
    world.ledger.view("ada")
    world.disk.is_read_only = True

    with pytest.raises(LedgerReadOnlyError):
        world.ledger.record([withdrew(2)])

    assert world.ledger.view("ada").revision == 1
    world.disk.is_read_only = False
    assert world.ledger.record([withdrew(2)])[0].position == 2


def test_ledger_on_a_read_only_disk_is_not_harmed(world: World) -> None:
    world.ledger.record([gave(1)])
    world.ledger.close()
    before = (world.folder / "ledger.db").read_bytes()
    world.disk.is_read_only = True

    opened = world.open()
    with pytest.raises(LedgerReadOnlyError):
        opened.record([gave(2)])
    opened.close()

    assert (world.folder / "ledger.db").read_bytes() == before
    world.disk.is_read_only = False
    world.ledger = world.open()
    assert world.ledger.position() == 1


def full_disk_runs(world: World, count: int, seed: int) -> tuple[int, int]:
    """Fills the disk at random moments; gives acknowledged events and those lost or doubled."""
    draw = random.Random(seed)
    acknowledged: dict[str, int] = {}
    for run in range(count):
        world.disk.fill(spare_bytes=draw.randrange(0, 40_000))
        for number in range(draw.randint(1, 12)):
            make = draw.choice((gave, withdrew))
            events = [
                make(1, idempotency_key=key(run * 100 + number * 3 + n))
                for n in range(draw.choice((1, 3)))
            ]
            try:
                recorded = world.ledger.record(events)
            except LedgerError:
                continue
            for event, told in zip(events, recorded, strict=True):
                acknowledged[event.idempotency_key] = told.position
        if draw.random() < 0.2:
            world.ledger.close()
            world.disk.limit_bytes = None
            world.ledger = world.open()
        world.disk.limit_bytes = None
        world.later()
        world.ledger.record([gave(2, idempotency_key=f"after-{run}")])
    there: dict[str, list[int]] = {}
    for event in world.ledger.list_events("ada", 0, -1):
        there.setdefault(event.idempotency_key, []).append(event.position)
    wrong = [k for k, position in acknowledged.items() if there.get(k) != [position]]
    world.ledger.verify()
    return len(acknowledged), len(wrong)


def test_disk_that_fills_at_any_moment_loses_nothing(
    world: World, figure: Callable[[str, object], None]
) -> None:
    acknowledged, wrong = full_disk_runs(world, 30, seed=1)

    assert acknowledged > 100
    assert wrong == 0
    figure("full disk, fast: runs", 30)
    figure("full disk, fast: acknowledged events lost or doubled", wrong)


@pytest.mark.slow
def test_two_hundred_full_disks_lose_nothing(
    world: World, figure: Callable[[str, object], None]
) -> None:
    acknowledged, wrong = full_disk_runs(world, 200, seed=2)

    assert wrong == 0
    figure("full disk: runs", 200)
    figure("full disk: events acknowledged", acknowledged)
    figure("full disk: acknowledged events lost or doubled", wrong)
