"""Finds the smallest changes that turn an answer, by asking the engine.

Every candidate is put to `evaluate`; what is reported has turned the answer there. Single changes
are tried first, all of them; if none does it, pairs, then triples. Of pairs one part at least has
moved something by itself: it changed the reasons or let one more field pass. Work is bounded by a
number of evaluations, not by a clock, so that the same question has the same explanation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Final

from consentry.author.changes import Candidate, request_changes, rules_of
from consentry.author.changes_attributes import attribute_changes
from consentry.author.changes_person import person_changes
from consentry.author.explanation import Change, ChangeKind, Flip, Question
from consentry.author.telling import instant_text
from consentry.consent.resolver import SubjectView
from consentry.engine.evaluate import evaluate
from consentry.engine.link import LinkedProgram
from consentry.model.consent import Track
from consentry.model.decision import Decision, Effect
from consentry.model.request import RequestError
from consentry.model.trace import Trace

MAX_EVALUATIONS: Final = 4_000
MAX_FLIPS: Final = 6
MAX_PARTS: Final = 3
_MAX_INSTANTS: Final = 16
_MAX_MOVING: Final = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The flips, the smallest first, and whether every candidate was tried."""

    flips: tuple[Flip, ...]
    is_complete: bool


def find_flips(
    linked: LinkedProgram, question: Question, decision: Decision, trace: Trace
) -> Found:
    """The smallest changes that turn `decision`; no more parts than needed, and at most three."""
    search = _Search(linked, question, decision)
    candidates = sorted(
        _candidates(linked, question, decision, trace), key=lambda c: (c.cost, c.change.text)
    )
    moving: list[tuple[Candidate, ...]] = []
    for one in candidates:
        search.attempt((one,), moving)
    for _ in range(1, MAX_PARTS):
        if search.flips:
            break
        alone, moving = moving[:_MAX_MOVING], []
        groups = [
            (*parts, other) for parts in alone for other in candidates if _may_join(parts, other)
        ]
        groups.sort(key=lambda parts: sum(part.cost for part in parts))
        tried: set[frozenset[int]] = set()
        for parts in groups:
            key = frozenset(id(part) for part in parts)
            if key not in tried and len(search.flips) < MAX_FLIPS:
                tried.add(key)
                search.attempt(parts, moving)
    return Found(flips=_smallest(search), is_complete=search.left > 0)


def _may_join(parts: Sequence[Candidate], other: Candidate) -> bool:
    return all(part.slot != other.slot for part in parts)


def _smallest(search: _Search) -> tuple[Flip, ...]:
    """At most `MAX_FLIPS`; of each slot the cheapest, since its next best adds nothing."""
    kept: dict[tuple[str, ...], Flip] = {}
    for slots, flip in search.flips:
        kept.setdefault(slots, flip)
    return tuple(kept.values())[:MAX_FLIPS]


class _Search:
    """Asks, keeps what turned, and counts what may still be asked."""

    def __init__(self, linked: LinkedProgram, question: Question, decision: Decision) -> None:
        self._linked = linked
        self._question = question
        self._decision = decision
        self.left = MAX_EVALUATIONS
        self.flips: list[tuple[tuple[str, ...], Flip]] = []

    def attempt(self, parts: tuple[Candidate, ...], moving: list[tuple[Candidate, ...]]) -> None:
        """Tries the parts together: a flip, or something that moves, or nothing."""
        if self.left <= 0:
            return
        self.left -= 1
        question, decision = self._ask(parts)
        if decision is None:
            return
        if self._turns(decision):
            self._keep(parts, question, decision)
        elif _weight(decision) != _weight(self._decision):
            moving.append(parts)

    def _keep(self, parts: tuple[Candidate, ...], question: Question, decision: Decision) -> None:
        """Notes a flip, or the part of it that turns the answer by itself.

        Not all pairs were tried before a triple is.
        """
        for some in combinations(parts, 2) if len(parts) == MAX_PARTS else ():
            part_question, part_decision = self._ask(some)
            if part_decision is not None and self._turns(part_decision):
                parts, question, decision = some, part_question, part_decision
                break
        flip = Flip(
            changes=tuple(part.change for part in parts),
            effect=decision.effect,
            reason=decision.reason,
            question=question,
        )
        self.flips.append((tuple(part.slot for part in parts), flip))

    def _ask(self, parts: tuple[Candidate, ...]) -> tuple[Question, Decision | None]:
        question = self._question
        for part in parts:
            question = part.make(question)
        try:
            return question, evaluate(
                self._linked, question.request, question.view, question.now_us
            )
        except RequestError:
            return question, None

    def _turns(self, decision: Decision) -> bool:
        return decision.effect is not self._decision.effect


def _weight(decision: Decision) -> tuple[object, ...]:
    denied = sum(leaf.effect is Effect.DENY for leaf in decision.leaves)
    return denied, frozenset((f.reason, f.regime) for f in decision.findings)


def _candidates(
    linked: LinkedProgram, question: Question, decision: Decision, trace: Trace
) -> Iterator[Candidate]:
    request = question.request
    rules = rules_of(trace)
    yield from request_changes(linked, request, decision, rules)
    yield from attribute_changes(linked, request, rules, question.now_us)
    yield from _waiting(linked, question, decision)
    purpose = linked.program.purpose_names.get(request.purpose)
    if purpose is not None and isinstance(question.view, SubjectView):
        rights: dict[Track, None] = {}
        for leaf in trace.leaves:
            for regime in leaf.regimes:
                rights |= dict.fromkeys(track for track, _ in regime.rights)
        yield from person_changes(linked.program.purposes[purpose], decision, rights)


def _waiting(linked: LinkedProgram, question: Question, decision: Decision) -> Iterator[Candidate]:
    """Waiting until each instant at which time alone may change the answer, one after the other."""
    until_us = decision.valid_until_us
    for _ in range(_MAX_INSTANTS):
        if until_us is None:
            return
        then = evaluate(linked, question.request, question.view, until_us)
        if then.effect is not decision.effect:
            yield _wait(until_us)
            return
        until_us = then.valid_until_us


def _wait(at_us: int) -> Candidate:
    return Candidate(
        change=Change(kind=ChangeKind.TIME, text=f"wait until {instant_text(at_us)}"),
        slot="time",
        make=lambda question: replace(question, now_us=at_us),
    )
