"""One run: sidecars, nodes and a database for some minutes, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from consentry.consent.feed import Feed, FeedTimes, Frame
from tests.simulation.world import MS, SECOND, Database, Follower, Sidecar, Source, Weather, World

NODES = 3


class TrustsReceipt(Feed):
    """The seeded bug: believes that what has just arrived is as of now."""

    __slots__ = ()

    def prove(self, frame: Frame, now_us: int) -> int | None:
        if frame.is_complete:
            self.proven_at_us = now_us
        return self.proven_at_us


class SkipsGaps(Feed):
    """The seeded bug: goes on behind a frame that was lost."""

    __slots__ = ()

    def take(self, session: int, frame: Frame, now_us: int):  # type: ignore[no-untyped-def]  # noqa: ANN201
        if frame.after is not None and self.place is not None:
            after = min(frame.after, self.place.position)
            kept = replace(frame, after=after)
            return super().take(session, kept, now_us)
        return super().take(session, frame, now_us)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run showed; times in microseconds, sorted."""

    last_permits_us: list[int]
    bound_us: int
    message_count: int
    lost_count: int
    sidecar_count: int
    withdrawal_count: int

    @property
    def beyond_count(self) -> int:
        """How many times a sidecar could have permitted beyond the bound."""
        return sum(since_us > self.bound_us for since_us in self.last_permits_us)

    def percentile_ms(self, share: float) -> float:
        index = min(len(self.last_permits_us) - 1, int(len(self.last_permits_us) * share))
        return round(self.last_permits_us[index] / MS, 1)


def simulate(
    *,
    sidecars: int,
    seconds: int,
    seed: int,
    weather: Weather | None = None,
    bound_us: int = 2 * SECOND,
    feed: type[Feed] = Feed,
    say: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """The same run for the same arguments, whatever the machine."""
    weather = weather or Weather()
    world, times = World(seed, weather), FeedTimes.within(bound_us)
    database = Database(world, times)
    nodes: list[Source] = [Follower(world, times, [database]) for _ in range(NODES)]
    followers = [Sidecar(world, times, nodes, database, feed) for _ in range(sidecars)]
    warm_us = 3 * SECOND
    for number in range(seconds):
        # Withdrawals fall on no particular moment of anybody's rhythm.
        world.at(warm_us + int((number + world.dice.random()) * SECOND), database.record)
        world.at(warm_us + number * SECOND, lambda: _storm(world, followers))
    for number in range(seconds * SECOND // weather.node_cut_off_every_us):
        node = nodes[number % NODES]
        length_us = (1 + 4 * world.dice.random()) * SECOND
        world.at(
            warm_us + (number + 1) * weather.node_cut_off_every_us,
            lambda node=node, length_us=length_us: node.cut_off(length_us),  # type: ignore[misc]
        )
    database.record()
    for second in range(seconds + 13):
        world.run((second + 1) * SECOND)
        say(f"{second + 1} of {seconds + 13} s of virtual time, {world.message_count:,} messages")
    for sidecar in followers:
        sidecar.finish()
    return Outcome(
        last_permits_us=sorted(us for sidecar in followers for us in sidecar.last_permits_us),
        bound_us=bound_us,
        message_count=world.message_count,
        lost_count=world.lost_count,
        sidecar_count=sidecars,
        withdrawal_count=seconds,
    )


def _storm(world: World, followers: list[Sidecar]) -> None:
    dice, weather = world.dice, world.weather
    for sidecar in followers:
        if dice.random() < weather.cut_off:
            sidecar.cut_off((0.3 + 6 * dice.random()) * SECOND)
        if dice.random() < weather.stopped:
            sidecar.stop((0.1 + 4 * dice.random()) * SECOND)
