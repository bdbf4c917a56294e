"""Uses made ready against the reference: the quick way to a yes comes to the same as the thorough.

A use is who asks, for what, with which data. It is made ready when it comes again, so each is asked
here many times, about other persons, records and moments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random

import pytest
from comparing import (
    Disagreement,
    PolicySet,
    ask_engine,
    draw_lawful_question,
    draw_lawful_set,
    draw_policy_set,
    draw_question,
    find_disagreement,
    read_packs,
)
from generated import NOW_US

import consentry.engine.evaluate
from consentry.diagnostics.span import Source
from consentry.engine.use import Use
from consentry.model.consent import ConsentEvent, ConsentView
from consentry.model.decision import Decision, Effect
from consentry.model.facts import Facts
from consentry.model.request import Request
from consentry.model.values import MICROS_PER_DAY

QUESTIONS_EACH = 25
Draw = Callable[[Random], tuple[Request, list[ConsentEvent] | None]]


@pytest.fixture(scope="module")
def packs() -> dict[str, Source]:
    return read_packs()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether the quick way found an answer, for each time that it was tried."""
    told: list[bool] = []
    decide = consentry.engine.evaluate._decide_quickly
    thoroughly = consentry.engine.evaluate._decide_thoroughly

    def counted(use: Use, request: Request, view: ConsentView, now_us: int) -> Decision | None:
        found = decide(use, request, view, now_us)
        told.append(found is not None)
        if found is not None:
            # To the microsecond until when it holds, of which the reference says nothing.
            assert found == thoroughly(use.linked, request, view, now_us, is_ready=True)
        return found

    monkeypatch.setattr(consentry.engine.evaluate, "_decide_quickly", counted)
    return told


def disagreements(
    policies: PolicySet, seed: int, uses: int, draw: Draw, others: list[bool]
) -> Iterator[Disagreement]:
    """Of `uses` uses, each asked `QUESTIONS_EACH` times; `others` hears of each answer after the
    first whether it is another than that.
    """
    random = Random(seed)
    for _ in range(uses):
        use, _ = draw(random)
        first: Effect | None = None
        for _ in range(QUESTIONS_EACH):
            other, events = draw(random)
            request = replace(
                use,
                data_subject=other.data_subject,
                resource=other.resource,
                context=other.context,
                signals=other.signals,
                partial=other.partial,
            )
            now_us = NOW_US + random.choice([0, 0, 0, 1, 19, 20, 200]) * MICROS_PER_DAY
            found = find_disagreement(policies, request, events, now_us)
            if found is not None:
                yield found
            effect = ask_engine(policies, request, events, now_us).effect
            first = first or effect
            others.append(effect is not first)


def explain(found: Disagreement) -> str:
    return (
        f"{found.policies.text}\n{found.request}\n{list(found.events)}\nat {found.now_us}\n"
        f"engine:    {found.engine}\nreference: {found.reference}"
    )


@pytest.mark.parametrize(
    ("sets", "lawful_sets"),
    [(10, 1), pytest.param(1_000, 100, marks=pytest.mark.slow)],
)
def test_use_that_is_ready_agrees_with_reference(
    packs: dict[str, Source],
    quick: list[bool],
    figure: Callable[[str, object], None],
    sets: int,
    lawful_sets: int,
) -> None:
    others: list[bool] = []
    for seed in range(sets):
        policies = draw_policy_set(seed, packs)
        for found in disagreements(policies, seed, 4, draw_question, others):
            pytest.fail(f"seed {seed}\n{explain(found)}")
    for seed in range(lawful_sets):
        policies = draw_lawful_set(seed, packs)
        for found in disagreements(policies, seed, 6, draw_lawful_question, others):
            pytest.fail(f"lawful seed {seed}\n{explain(found)}")

    figure(f"uses made ready, {sets} policy sets: questions", len(others))
    figure(f"uses made ready, {sets} policy sets: answered by the quick way", sum(quick))
    figure(f"uses made ready, {sets} policy sets: other answers than the first", sum(others))
    assert len(others) > 500
    assert sum(others) > 50
    assert sum(quick) > len(others) // 20
    assert not all(quick)


def test_quick_way_that_forgets_the_person_is_noticed(
    packs: dict[str, Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    facts_for = Use.facts_for

    def forgetful(self: Use, *arguments: object) -> Facts | None:
        facts = facts_for(self, *arguments)  # type: ignore[arg-type]  # as it was called
        if facts is not None:
            facts.subject = {"country": "DE"}
        return facts

    monkeypatch.setattr(Use, "facts_for", forgetful)
    with pytest.raises(AssertionError):  # one question asked again has another answer
        _ask_many(packs)


def _ask_many(packs: dict[str, Source]) -> None:
    for seed in range(20):
        list(disagreements(draw_policy_set(seed, packs), seed, 4, draw_question, []))
