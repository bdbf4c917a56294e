"""A worker's view of the ledger: nothing acknowledged is ever missing from it."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pytest

from consentry.app.system import ProcessIds, SystemClock
from consentry.consent.errors import LedgerCorruptError
from consentry.consent.shared_counter import SharedCounter, new_counter
from consentry.consent.sqlite import SqliteLedger
from consentry.consent.sqlite_follower import SqliteFollower
from consentry.model.consent import ConsentEvent, EventKind, Scope

_KEYS = itertools.count()


def given(person: str = "ada", kind: EventKind = EventKind.GIVEN) -> ConsentEvent:
    return ConsentEvent(
        kind=kind,
        data_subject_id=person,
        scope=Scope(purpose="marketing"),
        happened_at_us=1_000_000,
        idempotency_key=f"k-{next(_KEYS)}",
    )


class World:
    """A writer, and a worker that follows it as its parent would have it."""

    def __init__(self, path: Path) -> None:
        clock = SystemClock()
        self.writer = SqliteLedger(path, clock=clock, ids=ProcessIds(), reserve_bytes=0)
        self.counter: SharedCounter = new_counter()
        self.counter.move(self.writer.position())
        self.writer.on_change(lambda _persons, position: self.counter.move(position))
        self.worker = SqliteFollower(path, clock=clock, counter=self.counter, writer=self.writer)
        self.told: list[tuple[set[str] | None, int]] = []
        self.worker.on_change(self._hear)

    def _hear(self, persons: Collection[str] | None, position: int) -> None:
        self.told.append((None if persons is None else set(persons), position))

    def close(self) -> None:
        self.worker.close()
        self.writer.close()
        self.counter.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "consent.sqlite")
    yield made
    made.close()


def test_event_that_another_recorded_is_in_the_view_once_the_position_was_read(
    world: World,
) -> None:
    cell, before = world.worker.cell("ada"), world.worker.view("ada")
    held = cell.view

    world.writer.record([given()])
    stale = cell.view
    position = world.worker.position()

    assert held is before is stale
    assert position == 1
    assert cell.view is not before
    assert [e.position for e in world.worker.view("ada").events] == [1]  # type: ignore[attr-defined]
    assert world.told == [({"ada"}, 1)]


def test_own_recording_shows_at_once(world: World) -> None:
    world.worker.view("ada")

    (recorded,) = world.worker.record([given()])

    assert recorded.position == world.worker.position() == 1
    assert world.worker.view("ada").revision == 1


def test_views_of_others_stay_the_same_objects(world: World) -> None:
    eve = world.worker.view("eve")

    world.writer.record([given("ada")])
    world.worker.position()

    assert world.worker.view("eve") is eve


def test_erasure_empties_all_views_since_nobody_is_told_whose_it_was(world: World) -> None:
    world.writer.record([given("ada")])
    world.worker.view("ada")
    cell = world.worker.cell("ada")

    world.writer.erase("ada")
    world.worker.position()

    assert cell.view is None
    assert world.worker.view("ada").revision == 0
    assert world.told[-1][0] is None


def test_damage_found_by_the_parent_makes_every_view_unavailable(world: World) -> None:
    world.writer.record([given("ada")])
    assert world.worker.view("ada").is_available

    world.counter.mark_damaged()
    world.counter.move(5)

    assert not world.worker.view("ada").is_available
    with pytest.raises(LedgerCorruptError):
        world.worker.list_events("ada", 0, 10)


def test_rows_that_cannot_be_read_leave_nothing_to_answer_from(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = world.worker.cell("ada")
    world.worker.view("ada")
    world.writer.record([given("ada")])

    def fail(*_: object) -> Any:
        raise LedgerCorruptError("broken")

    with monkeypatch.context() as broken:
        broken.setattr("consentry.consent.sqlite_follower.rows_after", fail)
        behind = world.worker.position()
        held = cell.view

    assert (behind, held) == (0, None)
    assert world.worker.position() == 1


def test_no_acknowledged_event_is_missing_while_readers_and_writer_race(world: World) -> None:
    missing: list[tuple[int, int]] = []
    is_over = threading.Event()
    acknowledged = 0

    def read() -> None:
        while not is_over.is_set():
            floor = acknowledged
            world.worker.position()
            revision = world.worker.view("ada").revision
            if revision < floor:
                missing.append((floor, revision))

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(100):
        kind = EventKind.WITHDRAWN if number % 2 else EventKind.GIVEN
        acknowledged = world.writer.record([given("ada", kind)])[0].position
    is_over.set()
    for reader in readers:
        reader.join(30)

    assert missing == []


def test_counter_that_moves_after_the_acknowledgement_is_found_out(world: World) -> None:
    """The claim above is about the counter: without it an event is missing."""
    world.worker.view("ada")
    world.counter.move = lambda _position: None  # type: ignore[method-assign]

    recorded = world.writer.record([given("ada")])[0]

    assert world.worker.position() < recorded.position
    assert world.worker.cell("ada").view is not None


def test_counter_is_seen_through_another_mapping_of_its_file() -> None:
    counter = new_counter()
    other = SharedCounter(counter.descriptor)
    counter.move(7)
    counter.move(3)

    assert other.read() == 7
