"""What several processes recorded and answered, and whether that can be.

A person's consent for one purpose is a register: each event about it has a position, and the state
after a position is that of the newest event up to there. An answer names the position it rests on.
From that, what an answer may have been follows without a search:

- it rests on at least the *floor*: the highest position among those it names itself, those that
  were acknowledged by the same sidecar before it was asked, and those that were acknowledged by any
  sidecar at least the bound before it was asked;
- on no event whose recording began after it was answered.

So a permit is right if consent stood at the floor, or some consent above it was being recorded
before the answer came. Denials are checked in the same way, but those that say that the state of
consent could not be known. A recording without an acknowledgement may have happened or not.

Time is one clock of the process that asks, in seconds. The check takes time in proportion to the
number of entries, but for the sorting.
"""

from __future__ import annotations

import math
import threading
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import attrgetter

UNAVAILABLE_REASON = "consent_state_unavailable"


@dataclass(frozen=True, slots=True)
class Recording:
    """One event: consent given, or withdrawn; without a position it was not acknowledged."""

    person: str
    sidecar: int
    is_given: bool
    began_s: float
    acknowledged_s: float = math.inf
    position: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer to whether the person's consent permits."""

    person: str
    sidecar: int
    is_permit: bool
    reason: str
    position: int
    asked_s: float
    answered_s: float


@dataclass(frozen=True, slots=True)
class Violation:
    """An answer that cannot be, and why."""

    answer: Answer
    floor: int
    why: str


@dataclass
class History:
    """Everything that was recorded and answered; any thread may add."""

    recordings: list[Recording] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, *entries: Recording | Answer) -> None:
        with self._lock:
            for entry in entries:
                if isinstance(entry, Recording):
                    self.recordings.append(entry)
                else:
                    self.answers.append(entry)

    def check(self, bound_s: float) -> list[Violation]:
        """All answers that break the promise with this bound."""
        recordings: dict[str, list[Recording]] = defaultdict(list)
        answers: dict[str, list[Answer]] = defaultdict(list)
        for recording in self.recordings:
            recordings[recording.person].append(recording)
        for answer in self.answers:
            answers[answer.person].append(answer)
        return [
            violation
            for person, asked in answers.items()
            for violation in _check_person(recordings[person], asked, bound_s)
        ]


def _check_person(
    recordings: list[Recording], answers: list[Answer], bound_s: float
) -> Iterable[Violation]:
    known = sorted((r for r in recordings if r.position is not None), key=lambda r: r.position or 0)
    positions = [r.position or 0 for r in known]
    # By index i: when the earliest recording of that kind at i or later began.
    begun = {
        kind: _suffix_minima(
            [r.began_s if r.is_given is kind else math.inf for r in known],
            min((r.began_s for r in recordings if r.position is None and r.is_given is kind),
                default=math.inf),
        )
        for kind in (True, False)
    }  # fmt: skip
    acknowledged = sorted(known, key=attrgetter("acknowledged_s"))
    anywhere, here = 0, dict.fromkeys({a.sidecar for a in answers}, 0)
    next_anywhere = next_here = 0
    for answer in sorted(answers, key=attrgetter("asked_s")):
        while (
            next_here < len(acknowledged)
            and acknowledged[next_here].acknowledged_s <= answer.asked_s
        ):
            recording = acknowledged[next_here]
            mine = here.get(recording.sidecar, 0)
            here[recording.sidecar] = max(mine, recording.position or 0)
            next_here += 1
        while (
            next_anywhere < len(acknowledged)
            and acknowledged[next_anywhere].acknowledged_s + bound_s <= answer.asked_s
        ):
            anywhere = max(anywhere, acknowledged[next_anywhere].position or 0)
            next_anywhere += 1
        if answer.reason == UNAVAILABLE_REASON and not answer.is_permit:
            continue
        floor = max(answer.position, anywhere, here[answer.sidecar])
        index = bisect_right(positions, floor)
        stands = index > 0 and known[index - 1].is_given
        if stands is answer.is_permit or begun[answer.is_permit][index] <= answer.answered_s:
            continue
        word = "a permit without consent" if answer.is_permit else "a denial with consent"
        yield Violation(answer, floor, word)


def _suffix_minima(values: list[float], last: float) -> list[float]:
    minima = [last]
    for value in reversed(values):
        minima.append(min(minima[-1], value))
    return minima[::-1]
