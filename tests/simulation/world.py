"""A ledger, its nodes and thousands of sidecars in virtual time, over a network that misbehaves.

Nothing here decides when to open, give up or trust: every node and every sidecar runs the very
state machine of production (`consent.feed`). The world only carries messages, late, out of order
or not at all, gives everybody a clock of its own that runs at its own rate, and stops processes.

Times are microseconds of the world; a local clock maps them to its own.
"""

from __future__ import annotations

import heapq
import itertools
import random
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from consentry.consent.entries import Entry, Erasure
from consentry.consent.errors import LedgerDivergedError
from consentry.consent.feed import Feed, FeedTimes, Frame, Place, Step

MS: Final = 1_000
SECOND: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """How bad it is. Shares are per message, or of all sidecars per second."""

    loss: float = 0.005
    late: float = 0.01
    cut_off: float = 0.02
    stopped: float = 0.005
    node_cut_off_every_us: int = 8 * SECOND
    drift: float = 200e-6


@dataclass
class World:
    """Virtual time: what happens next, and dice."""

    seed: int
    weather: Weather
    now_us: int = 0
    message_count: int = 0
    lost_count: int = 0
    _queue: list[tuple[int, int, Callable[[], None]]] = field(default_factory=list)
    _order: itertools.count[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)

    def at(self, time_us: int, do: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (max(time_us, self.now_us), next(self._order), do))

    def after(self, delay_us: float, do: Callable[[], None]) -> None:
        self.at(self.now_us + int(delay_us), do)

    def run(self, until_us: int) -> None:
        while self._queue and self._queue[0][0] <= until_us:
            self.now_us, _, do = heapq.heappop(self._queue)
            do()
        self.now_us = until_us

    def carry(self, here: Party, there: Party, do: Callable[[], None]) -> None:
        """Brings a message to `there`, or not. Messages overtake each other."""
        self.message_count += 1
        dice, weather = self.dice, self.weather
        if here.is_cut_off or there.is_cut_off or dice.random() < weather.loss:
            self.lost_count += 1
            return
        delay_us = dice.lognormvariate(0.7, 0.5) * MS
        if dice.random() < weather.late:
            delay_us += dice.random() * 800 * MS
        self.after(delay_us, lambda: there.when_running(do))


class Party:
    """Anybody: with a clock of its own, cut off at times, stopped at times."""

    def __init__(self, world: World) -> None:
        self.world: Final = world
        self._offset_us: Final = world.dice.randrange(10**12)
        self._rate: Final = 1 + world.weather.drift * (2 * world.dice.random() - 1)
        self.is_cut_off = False
        self._runs_again_us = 0

    def local_us(self, world_us: int | None = None) -> int:
        time_us = self.world.now_us if world_us is None else world_us
        return self._offset_us + int(time_us * self._rate)

    def world_us(self, local_us: int) -> int:
        return int((local_us - self._offset_us) / self._rate) + 1

    def cut_off(self, length_us: float) -> None:
        self.is_cut_off = True
        self.world.after(length_us, self._reconnect)

    def _reconnect(self) -> None:
        self.is_cut_off = False

    def stop(self, length_us: float) -> None:
        self._runs_again_us = self.world.now_us + int(length_us)

    def when_running(self, do: Callable[[], None]) -> None:
        if self.world.now_us >= self._runs_again_us:
            do()
        else:
            self.world.at(self._runs_again_us, do)


class Source(Party, ABC):
    """Whom others follow: sends each of them a frame at every change and every heartbeat."""

    def __init__(self, world: World, times: FeedTimes) -> None:
        super().__init__(world)
        self._times: Final = times
        self._sessions: dict[int, Session] = {}
        self._numbers = itertools.count()

    @abstractmethod
    def place(self) -> Place | None: ...

    @abstractmethod
    def age_us(self) -> int: ...

    def open(self, follower: Follower, number: int, place: Place | None) -> None:
        newest = self.place()
        if newest is None:
            return
        session = Session(self, follower, number, self.local_us())
        key = next(self._numbers)
        self._sessions[key] = session
        follower.on_close = lambda: self._sessions.pop(key, None)
        if place is None:
            session.send(Frame(after=None, place=newest, is_complete=False))
            session.position = newest.position
        else:
            session.position = place.position
        self._beat(key)

    def tell(self) -> None:
        """Something changed: everybody hears of it now."""
        for session in list(self._sessions.values()):
            session.look()

    def _beat(self, key: int) -> None:
        session = self._sessions.get(key)
        if session is None:
            return
        due_us = session.looked_us + self._times.heartbeat_us
        if self.world.now_us >= due_us or session.looked_us < 0:
            self.when_running(session.look)
            due_us = self.world.now_us + self._times.heartbeat_us
        self.world.at(due_us, lambda: self._beat(key))


class Session:
    """One follower at its source, as `server.consent_feed` keeps it: position and beginning."""

    __slots__ = ("_began_us", "_follower", "_number", "_source", "looked_us", "position")

    def __init__(self, source: Source, follower: Follower, number: int, began_us: int) -> None:
        self._source = source
        self._follower = follower
        self._number = number
        self._began_us = began_us
        self.looked_us = -1
        self.position = 0

    def look(self) -> None:
        source = self._source
        self.looked_us = source.world.now_us
        # As in production: first the time, then the age, then the entries.
        elapsed_us = source.local_us() - self._began_us
        age_us, place = source.age_us(), source.place()
        if place is None:
            return
        entries = tuple(Erasure(n, 0) for n in range(self.position + 1, place.position + 1))
        self.send(
            Frame(
                after=self.position,
                place=place,
                entries=entries,
                elapsed_us=elapsed_us,
                age_us=age_us,
            )
        )
        self.position = max(self.position, place.position)

    def send(self, frame: Frame) -> None:
        follower, number = self._follower, self._number
        self._source.world.carry(self._source, follower, lambda: follower.take(number, frame))


class Database(Source):
    """What is acknowledged; it is never old."""

    def __init__(self, world: World, times: FeedTimes) -> None:
        super().__init__(world, times)
        self.acknowledged_us: list[int] = []

    def place(self) -> Place:
        return Place(len(self.acknowledged_us))

    def age_us(self) -> int:
        return 0

    def record(self) -> None:
        self.acknowledged_us.append(self.world.now_us)
        self.tell()


class Follower(Source):
    """A node or a sidecar: drives its feed as `consent.shared` does."""

    def __init__(
        self, world: World, times: FeedTimes, sources: list[Source], feed: type[Feed] = Feed
    ) -> None:
        super().__init__(world, times)
        self._sources: Final = sources
        self._choice = world.dice.randrange(len(sources))
        self.feed: Final = feed(times, self.local_us(), world.dice.random)
        self.on_close: Callable[[], object] = lambda: None
        self.fresh_until_us = 0
        world.after(world.dice.random() * times.heartbeat_us, self._wake)

    def place(self) -> Place | None:
        return self.feed.place

    def age_us(self) -> int:
        proven_at_us = self.feed.proven_at_us
        return 10**9 if proven_at_us is None else self.local_us() - proven_at_us

    def take(self, number: int, frame: Frame) -> None:
        now_us = self.local_us()
        try:
            new = self.feed.take(number, frame, now_us)
        except LedgerDivergedError:
            new = None
        if new is None:
            if number == self.feed.session:
                self._close(number)
            return
        self.show(frame, new)
        proven_at_us = self.feed.prove(frame, now_us)
        if proven_at_us is not None:
            self.fresh_until_us = self.world_us(proven_at_us + self.feed.times.lease_us)
        if new:
            self.tell()

    def show(self, frame: Frame, new: tuple[Entry, ...]) -> None:
        """What is new becomes visible, before the lease moves."""

    def _wake(self) -> None:
        self.when_running(self._step)
        self.world.at(max(self.world.now_us + MS, self.world_us(self.feed.next_us())), self._wake)

    def _step(self) -> None:
        step = self.feed.step(self.local_us())
        if step is Step.CLOSE:
            self._close(self.feed.session)
            self._choice += 1
            step = self.feed.step(self.local_us())
        if step is Step.OPEN:
            number, place = self.feed.opened(self.local_us()), self.feed.place
            source = self._sources[self._choice % len(self._sources)]
            self.world.carry(self, source, lambda: source.open(self, number, place))

    def _close(self, number: int) -> None:
        self.on_close()
        self.on_close = lambda: None
        self.feed.closed(number, self.local_us())


class Sidecar(Follower):
    """Notes, for each withdrawal, when it could last have permitted."""

    def __init__(
        self,
        world: World,
        times: FeedTimes,
        sources: list[Source],
        database: Database,
        feed: type[Feed] = Feed,
    ) -> None:
        super().__init__(world, times, sources, feed)
        self._database: Final = database
        self.last_permits_us: list[int] = []
        self._unseen_from = 0
        self._seen: set[int] = set()

    def show(self, frame: Frame, new: tuple[Entry, ...]) -> None:
        if frame.after is None:
            # It begins here and knew nobody before.
            self._unseen_from = frame.place.position + 1
        for entry in new:
            self._note(entry.position)

    def finish(self) -> None:
        """At the end: what it has not seen by then."""
        for position in range(self._unseen_from, len(self._database.acknowledged_us) + 1):
            if position not in self._seen:
                self._note(position)

    def _note(self, position: int) -> None:
        # Until now it permitted, as long as it was fresh.
        last_us = min(self.world.now_us, self.fresh_until_us)
        since_us = last_us - self._database.acknowledged_us[position - 1]
        self.last_permits_us.append(max(0, since_us))
        self._seen.add(position)
