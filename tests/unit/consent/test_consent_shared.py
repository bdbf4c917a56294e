"""Claims about a ledger that follows a source, with a source that does as the test says."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from consentry.consent.entries import Erasure
from consentry.consent.erasure import Erased
from consentry.consent.errors import LedgerCorruptError, LedgerUnavailableError
from consentry.consent.feed import FeedTimes, Frame, Place
from consentry.consent.ledger import Recorded
from consentry.consent.recent import Page
from consentry.consent.shared import SharedLedger
from consentry.consent.source import Reading
from consentry.model.consent import ConsentEvent
from tests.support.consent_events import FakeClock, gave, query, withdrew

BOUND_US = 2_000_000
WAIT_S = 10.0


class FakeSession:
    """Gives the frames that the test puts in; an exception is raised, None ends it."""

    def __init__(self) -> None:
        self.frames_in: queue.SimpleQueue[Frame | Exception | None] = queue.SimpleQueue()
        self.is_closed = threading.Event()

    def frames(self) -> Iterator[Frame]:
        while (frame := self.frames_in.get()) is not None:
            if isinstance(frame, Exception):
                raise frame
            yield frame

    def close(self) -> None:
        self.is_closed.set()
        self.frames_in.put(None)


class FakeSource:
    """Holds events; what it tells, and when, is the test's."""

    def __init__(self) -> None:
        self.events: list[ConsentEvent] = []
        self.sessions: queue.SimpleQueue[FakeSession] = queue.SimpleQueue()
        self.reads: list[tuple[str, int]] = []
        self.erased = Erased(count=0, position=0)
        self.newest = 0
        self.may_read = threading.Event()
        self.may_read.set()
        self.reading = threading.Semaphore(0)

    def follow(self, place: Place | None) -> FakeSession:
        session = FakeSession()
        self.sessions.put(session)
        return session

    def record(self, events: Sequence[ConsentEvent]) -> tuple[Recorded, ...]:
        recorded = []
        for event in events:
            position = len(self.events) + 1
            self.events.append(replace(event, position=position))
            recorded.append(Recorded(event_id="e", position=position, received_at_us=0))
        return tuple(recorded)

    def read_person(self, data_subject_id: str, at_least: int) -> Reading:
        self.reads.append((data_subject_id, at_least))
        found = tuple(e for e in self.events if e.data_subject_id == data_subject_id)
        self.reading.release()
        assert self.may_read.wait(WAIT_S)
        newest = max(len(self.events), self.newest)
        if at_least > newest:
            raise LedgerUnavailableError("behind")
        return Reading(found, newest)

    def list_events(self, *_: Any) -> tuple[ConsentEvent, ...]:
        return ()

    def read_after(self, position: int, limit: int) -> Page:
        raise LedgerUnavailableError("not asked here")

    def digest_at(self, position: int) -> bytes | None:
        return b""

    def erase(self, data_subject_id: str, *, with_rights: bool = False) -> Erased:
        return self.erased

    def close(self) -> None: ...


class Steady:
    def __init__(self) -> None:
        self.us = 1_000_000_000

    def read(self) -> int:
        return self.us


class World:
    def __init__(self, read_wait_s: float = WAIT_S) -> None:
        self.source = FakeSource()
        self.steady = Steady()
        self.ledger = SharedLedger(
            self.source,
            clock=FakeClock(),
            read_us=self.steady.read,
            times=FeedTimes.within(BOUND_US),
            read_wait_s=read_wait_s,
        )
        self.told: list[tuple[Any, int]] = []
        self.ledger.on_change(lambda names, at: self.told.append((names and set(names), at)))
        self.ledger.start()
        self.session = self.source.sessions.get(timeout=WAIT_S)

    def tell(self, *entries: ConsentEvent | Erasure, after: int | None = 0, **members: Any) -> None:
        position = entries[-1].position if entries else (after or 0)
        self.session.frames_in.put(
            Frame(after=after, place=Place(position), entries=entries, **members)
        )

    def begin(self) -> None:
        self.tell(after=None)
        assert self.ledger.wait_until_fresh(WAIT_S)


@pytest.fixture
def worlds() -> Iterator[Callable[..., World]]:
    made: list[World] = []

    def make(**members: Any) -> World:
        made.append(World(**members))
        return made[-1]

    yield make
    for world in made:
        world.source.may_read.set()
        world.ledger.close()


@pytest.fixture
def world(worlds: Callable[..., World]) -> World:
    world = worlds()
    world.begin()
    return world


def test_before_the_first_proof_nobodys_state_is_known(worlds: Callable[..., World]) -> None:
    world = worlds()

    assert world.ledger.lease.is_over()
    assert not world.ledger.view("ada").is_available
    assert world.source.reads == []


def test_events_are_shown_before_the_lease_vouches_for_them(world: World) -> None:
    world.ledger.view("ada")
    cell = world.ledger.cell("ada")
    before = world.ledger.lease
    seen: list[object] = []
    world.ledger.on_change(lambda *_: seen.append(world.ledger.lease is before))
    world.steady.us += 1_000

    world.tell(gave(1, position=1), elapsed_us=1_000)

    assert world.ledger.wait_for(1, WAIT_S)
    assert seen == [True]
    assert cell.view is not None
    assert cell.view.revision == 1


def test_what_was_recorded_here_is_read_again_before_anything_is_answered(world: World) -> None:
    """The feed has not brought it yet."""
    world.ledger.record([gave(1)])
    first = world.ledger.view("ada")
    world.ledger.record([withdrew(2)])

    assert world.ledger.cell("ada").view is None
    assert world.ledger.view("ada").consent(query()).absence == "consent_withdrawn"
    assert first.consent(query()).standings
    assert world.source.reads == [("ada", 1), ("ada", 2)]


def test_a_reading_begun_before_an_acknowledgement_serves_nobody_after_it(world: World) -> None:
    source, ledger = world.source, world.ledger
    source.record([gave(1)])
    source.may_read.clear()
    early = threading.Thread(target=ledger.view, args=("ada",))
    early.start()
    assert source.reading.acquire(timeout=WAIT_S)
    ledger.record([withdrew(2)])
    late: list[Any] = []
    asked = threading.Thread(target=lambda: late.append(ledger.view("ada")))
    asked.start()
    source.may_read.set()
    asked.join(WAIT_S)
    early.join(WAIT_S)

    assert late[0].consent(query()).absence == "consent_withdrawn"


def test_a_person_that_is_not_read_in_time_is_found_by_the_next_check(
    worlds: Callable[..., World],
) -> None:
    world = worlds(read_wait_s=0.02)
    world.begin()
    world.source.record([gave(1)])
    world.source.may_read.clear()

    assert not world.ledger.view("ada").is_available

    world.source.may_read.set()
    cell = world.ledger.cell("ada")
    for _ in range(1_000):
        if cell.view is not None or world.ledger.view("ada").is_available:
            break
    assert world.ledger.view("ada").revision == 1
    assert len(world.source.reads) == 1


def test_who_has_no_time_left_is_not_waited_for_but_read(world: World) -> None:
    world.source.record([gave(1)])
    world.source.may_read.clear()

    assert not world.ledger.view("ada", wait_s=0.0).is_available
    assert world.source.reading.acquire(timeout=WAIT_S)
    world.source.may_read.set()

    assert world.ledger.view("ada").revision == 1
    assert len(world.source.reads) == 1


def test_checks_of_one_person_share_one_reading(world: World) -> None:
    world.source.may_read.clear()
    asking = [threading.Thread(target=world.ledger.view, args=("ada",)) for _ in range(6)]
    for thread in asking:
        thread.start()
    assert world.source.reading.acquire(timeout=WAIT_S)
    world.source.may_read.set()
    for thread in asking:
        thread.join(WAIT_S)

    assert world.source.reads == [("ada", 0)]


def test_after_the_bound_nothing_is_read_and_who_keeps_answers_is_told(world: World) -> None:
    world.told.clear()
    world.steady.us += BOUND_US + 1

    assert not world.ledger.view("ada").is_available
    assert not world.ledger.is_fresh()
    assert world.source.reads == []
    for _ in range(1_000):
        if world.told:
            break
        world.session.is_closed.wait(0.01)
    assert world.told[0][0] is None


def next_session(world: World) -> Any:
    """The next one to begin. Time goes on in small steps, so that none is silent for too long."""
    for _ in range(1_000):
        try:
            return world.source.sessions.get(timeout=0.02)
        except queue.Empty:
            world.steady.us += BOUND_US // 200
    raise AssertionError("no session began")


def test_a_silent_session_is_cut_and_another_begins_where_it_stood(world: World) -> None:
    world.steady.us += FeedTimes.within(BOUND_US).silence_us

    assert world.session.is_closed.wait(WAIT_S)
    again = next_session(world)
    again.frames_in.put(Frame(after=0, place=Place(1), entries=(gave(1, position=1),)))

    assert world.ledger.wait_for(1, WAIT_S)


@pytest.mark.parametrize(
    "problem", [LedgerUnavailableError("gone"), ZeroDivisionError()], ids=["failure", "bug"]
)
def test_whatever_a_session_raises_another_follows(world: World, problem: Exception) -> None:
    world.session.frames_in.put(problem)
    world.steady.us += BOUND_US

    assert world.source.sessions.get(timeout=WAIT_S) is not world.session


def test_an_erasure_makes_everybody_be_read_again(world: World) -> None:
    world.source.record([gave(1)])
    world.ledger.view("ada")
    cell = world.ledger.cell("ada")

    world.tell(Erasure(1, 0))

    assert world.ledger.wait_for(1, WAIT_S)
    assert cell.view is None


def test_a_reading_during_a_publication_shows_what_is_published(world: World) -> None:
    """It may go to another node, which does not have it yet."""
    asked: list[int] = []

    def read_meanwhile(*_: Any) -> None:
        world.ledger.view("ada")
        asked.append(world.source.reads[-1][1])

    world.ledger.on_change(read_meanwhile)
    world.tell(gave(1, position=1), withdrew(2, position=2))

    assert world.ledger.wait_for(2, WAIT_S)
    assert asked == [2]


def test_a_person_erased_here_does_not_come_back_with_a_late_feed(world: World) -> None:
    """The node has erased; the feed, which is behind, still brings what was erased."""
    world.source.erased = Erased(count=1, position=2)
    world.source.newest = 2
    world.ledger.erase("ada")
    assert not world.ledger.view("ada").consent(query()).standings

    world.tell(gave(1, position=1), is_complete=False)

    assert world.ledger.wait_for(1, WAIT_S)
    assert not world.ledger.view("ada").consent(query()).standings


def test_an_erasure_empties_what_the_same_frame_brings(world: World) -> None:
    seen: list[bool] = []

    def read_meanwhile(*_: Any) -> None:
        seen.append(bool(world.ledger.view("ada").consent(query()).standings))

    world.source.newest = 2
    world.ledger.on_change(read_meanwhile)
    world.tell(gave(1, position=1), Erasure(2, 0))

    assert world.ledger.wait_for(2, WAIT_S)
    assert seen
    assert not any(seen)
    assert not world.ledger.view("ada").consent(query()).standings


def test_a_beginning_forgets_everybody(world: World) -> None:
    world.ledger.view("ada")
    cell = world.ledger.cell("ada")

    world.session.frames_in.put(Frame(after=None, place=Place(50)))

    assert world.ledger.wait_for(50, WAIT_S)
    assert cell.view is None


def test_a_damaged_ledger_serves_nothing_any_more(world: World) -> None:
    world.ledger.mark_damaged(LedgerCorruptError("broken", 3))
    world.tell(elapsed_us=0)

    assert not world.ledger.view("ada").is_available
    with pytest.raises(LedgerCorruptError):
        world.ledger.record([gave(1)])


def test_a_proof_that_is_just_being_taken_does_not_outlive_damage(world: World) -> None:
    """Between the look at the damage and the new lease, which asks the feed for its times."""
    ledger, feed = world.ledger, world.ledger._feed
    broken = LedgerCorruptError("broken", 3)
    marking = threading.Thread(target=ledger.mark_damaged, args=(broken,), daemon=True)

    class Meddling:
        def __getattr__(self, name: str) -> Any:
            is_follower = threading.current_thread() is ledger._follower
            if name == "times" and is_follower and marking.ident is None:
                marking.start()
                marking.join(0.2)  # done, or it waits for us
            return getattr(feed, name)

    ledger._feed = Meddling()  # type: ignore[assignment, misc]  # the moment that matters
    world.steady.us += 1_000
    world.tell(gave(1, position=1), elapsed_us=1_000)
    world.tell(after=1, elapsed_us=1_000)
    world.session.frames_in.put(LedgerUnavailableError("gone"))
    world.steady.us += BOUND_US // 2
    world.source.sessions.get(timeout=WAIT_S)
    marking.join(WAIT_S)

    assert marking.ident is not None
    assert ledger.lease.is_over()


def test_waiting_for_a_position_ends_in_time(world: World) -> None:
    assert not world.ledger.wait_for(1, 0.01)
