"""Proves the promises of a policy set: that no `never` is ever broken.

A promise holds when a `forbid` with the same clauses would change no answer: wherever it speaks,
unknown facts included, the set says no by itself. All cases that its clauses reach are asked, with
every mixture of facts that some rule can tell apart (`cases`), from one instant on. What a `never`
says of the ledger is tried in every state of it; where it says nothing of the ledger, the state
that permits most is enough, because further consents only widen and other rights only narrow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from consentry.author.cases.endless import EndlessError
from consentry.author.cases.keys import keys_of_rule
from consentry.author.cases.members import Member
from consentry.author.cases.questions import required_facts
from consentry.author.cases.reads import Reads
from consentry.author.cases.sides import Side
from consentry.author.cases.spaces import Asking, Case, Space, build_space, describe, smallest
from consentry.compiler.compile import CompileResult
from consentry.engine.evaluate import evaluate
from consentry.engine.link import LinkedProgram, link
from consentry.model.decision import Decision, Effect
from consentry.model.program import Rule, RuleKind
from consentry.model.request import RequestError

Progress = Callable[[int, int], None]
"""Told how many of how many cases have been looked at."""


class Verdict(StrEnum):
    """What came of a promise."""

    PROVEN = "proven"
    REFUTED = "refuted"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True, kw_only=True)
class PromiseOutcome:
    """One promise: proven over `case_count` cases, refuted by `example`, or undecided for `why`."""

    promise: Rule
    verdict: Verdict
    case_count: int = 0
    question_count: int = 0
    example: Case | None = None
    decision: Decision | None = None
    why: str = ""


def prove(
    result: CompileResult,
    *,
    since_us: int,
    limit: int,
    progress: Progress = lambda _done, _total: None,
    is_wanted: Callable[[str], bool] = lambda _name: True,
) -> tuple[PromiseOutcome, ...]:
    """The outcome of each promise, in the order of files and places.

    `since_us`: decisions before that instant cannot change any more and are not looked at. A
    promise with more than `limit` cases is undecided; nothing is ever sampled.

    Raises:
        ValueError: the set did not compile.
    """
    if result.program is None:
        raise ValueError("a policy set with errors promises nothing")
    linked = link(result.program)
    return tuple(
        _Proof(
            result, promise, linked=linked, since_us=since_us, limit=limit, progress=progress
        ).outcome()
        for promise in result.program.promises
        if is_wanted(promise.name)
    )


class _Proof:
    """One promise in the making."""

    def __init__(
        self,
        result: CompileResult,
        promise: Rule,
        *,
        linked: LinkedProgram,
        since_us: int,
        limit: int,
        progress: Progress,
    ) -> None:
        self._promise = promise
        self._linked = linked
        self._since_us = since_us
        self._limit = limit
        self._progress = progress
        self._side = Side(result, promise.index)
        self._told = Reads()
        for part in self._side.parts_of_last():
            self._told.join(part.reads)

    def outcome(self) -> PromiseOutcome:
        try:
            spaces = self._spaces()
        except EndlessError as problem:
            return self._undecided(f"not finite: {problem}")
        total = sum(space.size for space in spaces)
        if total > self._limit:
            widest = max(spaces, key=lambda space: space.size)
            return self._undecided(
                f"too large: {total:,} cases, more than {self._limit:,}; {describe(widest)}"
            )
        done = 0
        for space in spaces:
            for case, asking in space.cases():
                done += 1
                if done % 1000 == 0:
                    self._progress(done, total)
                if self._find_breach(asking, case.now_us) is not None:
                    return self._refuted(case, done, len(spaces))
        return PromiseOutcome(
            promise=self._promise,
            verdict=Verdict.PROVEN,
            case_count=done,
            question_count=len(spaces),
        )

    def _find_breach(self, asking: Asking, now_us: int) -> Decision | None:
        """The permission that breaks the promise, if this is one that does."""
        request, view = asking
        try:
            decision = evaluate(self._linked, request, view, now_us)
            if decision.effect is not Effect.PERMIT:
                return None
            kept = evaluate(self._side.linked, request, view, now_us)
        except RequestError:
            return None
        return decision if kept.effect is Effect.DENY else None

    def _spaces(self) -> list[Space]:
        base = required_facts(self._side.program)
        return [
            build_space(
                [self._side],
                weighted.key,
                base,
                self._since_us,
                is_quiet=self._is_quiet,
                told=self._told,
            )
            for weighted in keys_of_rule(self._side, self._side.program.rules[-1])
        ]

    def _is_quiet(self, member: Member) -> bool:
        """Every rule that cannot permit, but for the promise itself."""
        is_promise = member.rule.index == len(self._side.program.rules) - 1
        return member.kind is not RuleKind.PERMIT and not is_promise

    def _undecided(self, why: str) -> PromiseOutcome:
        return PromiseOutcome(promise=self._promise, verdict=Verdict.UNDECIDED, why=why)

    def _refuted(self, case: Case, done: int, question_count: int) -> PromiseOutcome:
        def is_breach(one: Case) -> bool:
            return self._find_breach(one.ask(), one.now_us) is not None

        example = smallest(case, is_breach)
        return PromiseOutcome(
            promise=self._promise,
            verdict=Verdict.REFUTED,
            case_count=done,
            question_count=question_count,
            example=example,
            decision=self._find_breach(example.ask(), example.now_us),
        )


def outcomes_with(outcomes: Sequence[PromiseOutcome], verdict: Verdict) -> list[PromiseOutcome]:
    """Those that came out so."""
    return [outcome for outcome in outcomes if outcome.verdict is verdict]
