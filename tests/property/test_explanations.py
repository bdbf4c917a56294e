"""An explanation never disagrees with the answer, and every change that it proposes turns it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from random import Random
from typing import NamedTuple

import pytest
from comparing import PolicySet, ask_engine, draw_policy_set, draw_question, read_packs
from generated import NOW_US, draw_policies

from consentry.author.condition_parts import condition_parts
from consentry.author.explain import explain
from consentry.author.explain_text import render_text
from consentry.author.explanation import Explanation, Reader
from consentry.compiler.compile import compile_policies
from consentry.consent.history import EventPart
from consentry.consent.resolver import UNAVAILABLE, SubjectView
from consentry.diagnostics.span import Source
from consentry.engine.evaluate import evaluate
from consentry.engine.link import link
from consentry.model.consent import ConsentEvent, ConsentView
from consentry.model.decision import Effect, Finding
from consentry.model.request import Request
from consentry.model.trace import LeafTrace, LedgerReading, RuleTrace
from consentry.model.tri import FALSE, TRUE
from consentry.model.vocabulary import REGIME_UNDETERMINED

POLICY_SETS = 120
CASES_EACH = 12
SEARCHED_SETS = 12
PARTS_SETS = 20
SEARCHED_SETS_SLOW = 300


class Case(NamedTuple):
    policies: PolicySet
    request: Request
    events: Sequence[ConsentEvent] | None
    told: Explanation


@pytest.fixture(scope="module")
def packs() -> dict[str, Source]:
    return read_packs()


@pytest.fixture(scope="module")
def told_cases(packs: dict[str, Source]) -> list[Case]:
    return list(cases(packs, POLICY_SETS))


def view_of(events: Sequence[ConsentEvent] | None) -> ConsentView:
    if events is None:
        return UNAVAILABLE
    return SubjectView(events, revision=len(events), position=len(events), read_at_us=NOW_US)


def cases(
    packs: dict[str, Source], policy_sets: int, *, with_flips: bool = False
) -> Iterator[Case]:
    for seed in range(policy_sets):
        policies = draw_policy_set(seed, packs)
        random = Random(seed)
        for _ in range(CASES_EACH):
            request, events = draw_question(random)
            told = explain(policies.linked, request, view_of(events), NOW_US, with_flips=with_flips)
            yield Case(policies, request, events, told)


def rules_in(leaf: LeafTrace) -> Iterator[RuleTrace]:
    yield from leaf.permits
    for regime in leaf.regimes:
        for asking in regime.askings:
            for rule in asking.rules:
                yield rule
                yield from rule.exceptions


def test_explained_answer_is_the_answer(told_cases: list[Case]) -> None:
    for case in told_cases:
        answer = ask_engine(case.policies, case.request, case.events, NOW_US)

        assert case.told.decision == answer


def test_what_is_told_of_each_field_comes_to_its_answer(told_cases: list[Case]) -> None:
    """A permit that holds and a yes of every law that governs, and nothing else, is a PERMIT."""
    permitted = denied = 0
    for case in told_cases:
        for leaf in case.told.trace.leaves:
            if leaf.reading is LedgerReading.UNAVAILABLE:
                assert leaf.effect is Effect.DENY
                continue
            has_permit = any(told.is_used for told in leaf.permits)
            saying = [regime for regime in leaf.regimes if regime.governing.has_say]
            all_say_yes = len(saying) > 1 and all(regime.says_yes for regime in saying)
            assert (has_permit and all_say_yes) is (leaf.effect is Effect.PERMIT)
            permitted += leaf.effect is Effect.PERMIT
            denied += leaf.effect is Effect.DENY
    assert min(permitted, denied) > 100


def test_reasons_of_a_denial_are_those_of_its_parts(told_cases: list[Case]) -> None:
    for case in told_cases:
        for leaf in case.told.trace.leaves:
            if leaf.effect is Effect.PERMIT or leaf.reading is LedgerReading.UNAVAILABLE:
                continue
            parts: set[Finding] = {leaf.miss} if leaf.miss is not None else set()
            for regime in leaf.regimes:
                parts |= set(regime.findings)
            told = {f for f in leaf.findings if f.reason != REGIME_UNDETERMINED}
            assert told == parts


def test_a_rule_holds_as_its_clauses_do(told_cases: list[Case]) -> None:
    for case in told_cases:
        for leaf in case.told.trace.leaves:
            for rule in rules_in(leaf):
                least = min((clause.holds for clause in rule.clauses), default=TRUE)
                # A permit of the house that cannot matter here is not asked: it does not hold.
                assert rule.holds in (least, FALSE)
                assert least == TRUE or rule.holds != TRUE


def test_end_of_an_answer_has_a_cause(told_cases: list[Case]) -> None:
    ended = 0
    for case in told_cases:
        if case.told.decision.valid_until_us is None:
            assert case.told.until == ()
        else:
            ended += 1
            assert case.told.until != ()
            is_vague = case.told.until == ("what a rule comes to may change",)
            assert not is_vague or case.events is None
    assert ended > 100


def test_consents_that_were_asked_with_are_told_as_standing(told_cases: list[Case]) -> None:
    asked = 0
    for case in told_cases:
        parts = {told.event.event_id: told.part for told in case.told.events}
        for leaf in case.told.trace.leaves:
            for regime in leaf.regimes:
                for asking in regime.askings:
                    if asking.event_id:
                        asked += 1
                        standing = (EventPart.STANDS, EventPart.FLAWED, EventPart.BELOW)
                        assert parts[asking.event_id] in standing
    assert asked > 100


def check_flips(packs: dict[str, Source], policy_sets: int) -> int:
    """How many changes were proposed; each was tried again, and they came smallest first."""
    found = 0
    for case in cases(packs, policy_sets, with_flips=True):
        sizes = [len(flip.changes) for flip in case.told.flips]
        assert sizes == sorted(sizes)
        for flip in case.told.flips:
            question = flip.question
            answer = evaluate(
                case.policies.linked, question.request, question.view, question.now_us
            )
            assert answer.effect is flip.effect is not case.told.decision.effect
            assert answer.reason == flip.reason
            found += 1
    return found


def test_every_proposed_change_turns_the_answer(packs: dict[str, Source]) -> None:
    assert check_flips(packs, SEARCHED_SETS) > 100


@pytest.mark.slow
def test_every_proposed_change_turns_the_answer_of_many(packs: dict[str, Source]) -> None:
    assert check_flips(packs, SEARCHED_SETS_SLOW) > 3_000


def test_parts_of_conditions_change_nothing_else(packs: dict[str, Source]) -> None:
    told = 0
    for seed in range(PARTS_SETS):
        source = Source("all.policy", draw_policies(Random(seed)))
        result = compile_policies([source], packs)
        assert result.program is not None
        linked = link(result.program)
        parts_of = condition_parts(result, {source.name: source})
        random = Random(seed)
        for _ in range(CASES_EACH):
            request, events = draw_question(random)
            view = view_of(events)
            plain = explain(linked, request, view, NOW_US, with_flips=False)
            parted = explain(linked, request, view, NOW_US, with_flips=False, parts_of=parts_of)
            for one, other in zip(plain.trace.leaves, parted.trace.leaves, strict=True):
                for rule, with_parts in zip(rules_in(one), rules_in(other), strict=True):
                    assert replace(with_parts, parts=(), exceptions=()) == replace(
                        rule, exceptions=()
                    )
                    told += len(with_parts.parts)
            assert (plain.decision, plain.until) == (parted.decision, parted.until)
    assert told > 500


def test_every_explanation_can_be_told_to_every_reader(told_cases: list[Case]) -> None:
    for case in told_cases[::3]:
        for reader in Reader:
            text = render_text(case.told, reader)
            assert text.endswith("\n")
            assert "\x00" not in text
        sentence = render_text(case.told, Reader.CUSTOMER)
        assert sentence.count("\n") == 1
        # A name of several words is no English word that a sentence may hold by itself.
        names = {rule.name for rule in case.policies.linked.program.rules if "_" in rule.name}
        assert names
        assert names.isdisjoint(sentence.replace(".", " ").split())
