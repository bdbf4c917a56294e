"""Feed and lease as one state machine: what a follower knows, and until when it may be used.

No I/O, no clock, no threads: the driver (`consent.shared`) and the simulation tell it what happened
and when, on a steady clock of their own, and do what it says. Times are microseconds.

The proof. A session is opened at `asked_at` of the follower's clock. Each frame says how long after
the opening *at the source* it was made (`elapsed_us`) and how old the source's own knowledge was
then (`age_us`). The source saw the opening no earlier than `asked_at`, so the frame shows all that
was acknowledged before `asked_at + elapsed_us - age_us` of the follower's own clock. No two clocks
are ever compared, only lengths of time; and a frame that lay in some buffer proves no more than it
did when it was made. Clocks run at slightly different rates: what elapsed is counted `DRIFT` short,
and a session is renewed before that matters.

Gaps. A frame continues from a position. If that is beyond what the follower has, something was
lost on the way: the session is of no more use, and the next one starts from what the follower has.
A source whose events are not the follower's (other digests: an old copy, a failover that lost
commits) is refused for good: nothing it says can be told from a forgotten withdrawal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from consentry.consent.entries import Entry
from consentry.consent.errors import LedgerDivergedError
from consentry.consent.lease import DEFAULT_BOUND_US

MICROS: Final = 1_000_000
DRIFT: Final = 1_000  # one part in this many: ten times what a disciplined clock is off


@dataclass(frozen=True, slots=True)
class Place:
    """A position, and the chain's digest there, by which two ledgers are told apart.

    An empty digest: it is not known.
    """

    position: int
    digest: bytes = b""

    def contradicts(self, other: Place) -> bool:
        """Whether both cannot be places of one ledger."""
        return (
            self.position == other.position
            and bool(self.digest and other.digest)
            and self.digest != other.digest
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One message of a session: everything the source has after `after`, up to `place`.

    `after` None: the follower is to begin at `place`, forgetting all it knew of anybody; so a first
    session begins, and one that is too far behind to catch up.
    """

    after: int | None
    place: Place
    entries: tuple[Entry, ...] = ()
    elapsed_us: int = 0
    age_us: int = 0
    is_complete: bool = True
    """False: there is more after `place` already, so this frame proves nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedTimes:
    """`bound_us` is the promise. The others must leave room within it for a second attempt."""

    bound_us: int = DEFAULT_BOUND_US
    heartbeat_us: int = DEFAULT_BOUND_US // 8
    silence_us: int = DEFAULT_BOUND_US * 3 // 8
    renew_us: int = 30 * MICROS
    first_retry_us: int = MICROS // 20
    last_retry_us: int = MICROS

    @property
    def lease_us(self) -> int:
        """How long a proof may be used: the bound, on a clock that may run slow."""
        return self.bound_us - self.bound_us // DRIFT

    @classmethod
    def within(cls, bound_us: int) -> FeedTimes:
        """Times that keep a bound."""
        return cls(
            bound_us=bound_us,
            heartbeat_us=bound_us // 8,
            silence_us=bound_us * 3 // 8,
            renew_us=max(30 * MICROS, bound_us),
            last_retry_us=max(MICROS // 20, min(MICROS, bound_us // 2)),
        )


class Step(Enum):
    """What the driver is to do now."""

    OPEN = "open"
    CLOSE = "close"
    WAIT = "wait"


class Feed:
    """One follower. Used by one thread at a time.

    Sessions have numbers; what a session says after its end is not listened to.
    """

    __slots__ = (
        "_asked_at_us",
        "_draw",
        "_has_spoken",
        "_heard_at_us",
        "_is_open",
        "_renew_at_us",
        "_retries",
        "_retry_at_us",
        "place",
        "proven_at_us",
        "session",
        "times",
    )

    def __init__(self, times: FeedTimes, now_us: int, draw: Callable[[], float]) -> None:
        """`draw` gives numbers in [0, 1): followers cut off together must not return together."""
        self.times: Final = times
        self.place: Place | None = None
        self.proven_at_us: int | None = None
        self.session = 0
        self._draw: Final = draw
        self._is_open = False
        self._has_spoken = False
        self._asked_at_us = now_us
        self._heard_at_us = now_us - times.silence_us
        self._renew_at_us = now_us
        self._retries = 0
        self._retry_at_us = now_us

    def step(self, now_us: int) -> Step:
        """What to do now; asked again at `next_us` and after every event."""
        if not self._is_open:
            return Step.OPEN if now_us >= self._retry_at_us else Step.WAIT
        return Step.CLOSE if now_us >= self.next_us() else Step.WAIT

    def next_us(self) -> int:
        """When `step` will say something else without an event."""
        if not self._is_open:
            return self._retry_at_us
        return min(self._heard_at_us + self.times.silence_us, self._renew_at_us)

    def is_connected(self, now_us: int) -> bool:
        """Whether the source has been heard lately."""
        return now_us - self._heard_at_us < self.times.silence_us

    def opened(self, now_us: int) -> int:
        """A session is asked for *now*, before anything is sent; its number."""
        self.session += 1
        self._is_open = True
        self._has_spoken = False
        self._asked_at_us = self._heard_at_us = now_us
        self._renew_at_us = now_us + int(self.times.renew_us * (1 - self._draw() / 4))
        return self.session

    def closed(self, session: int, now_us: int) -> None:
        """The session has ended, by us or by anybody; another follows.

        At once where this one had lasted, else after a while that doubles up to its limit.
        """
        if session != self.session or not self._is_open:
            return
        self._is_open = False
        if self._has_spoken and now_us - self._asked_at_us >= self.times.silence_us:
            self._retries = 0
            self._retry_at_us = now_us
            return
        wait_us = min(self.times.first_retry_us << self._retries, self.times.last_retry_us)
        self._retry_at_us = now_us + int(wait_us * (1 - self._draw() / 2))
        self._retries = min(self._retries + 1, 16)

    def take(self, session: int, frame: Frame, now_us: int) -> tuple[Entry, ...] | None:
        """The entries of a frame that are new, to be made visible *before* `prove` is called.

        None: the frame is of no use (an older session's, or something before it was lost), and the
        session, if it is the current one, is to be closed.

        Raises:
            LedgerDivergedError: the source's events are not those that were taken before.
        """
        if session != self.session or not self._is_open:
            return None
        if frame.after is None and (
            self.place is None or frame.place.position > self.place.position
        ):
            self.place = frame.place
        elif frame.after is None or self.place is None:
            raise LedgerDivergedError("the source is behind what was taken from it")
        elif frame.after > self.place.position:
            return None
        if frame.place.contradicts(self.place):
            raise LedgerDivergedError("the source holds other events than it did before")
        self._heard_at_us = now_us
        self._has_spoken = True
        new = tuple(entry for entry in frame.entries if entry.position > self.place.position)
        is_told = frame.place.position == self.place.position and bool(frame.place.digest)
        if is_told or frame.place.position > self.place.position:
            self.place = frame.place
        return new

    def prove(self, frame: Frame, now_us: int) -> int | None:
        """Counts the proof of a frame that was taken; when the lease then began, None: never yet.

        A proof is never taken back: an older one than the last changes nothing.
        """
        if frame.is_complete:
            elapsed_us = frame.elapsed_us - frame.elapsed_us // DRIFT
            proven_at_us = min(self._asked_at_us + elapsed_us - frame.age_us, now_us)
            if self.proven_at_us is None or proven_at_us > self.proven_at_us:
                self.proven_at_us = proven_at_us
        return self.proven_at_us
