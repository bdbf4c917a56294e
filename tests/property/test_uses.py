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
from consentry.model.consent import ConsentEvent
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

    def counted(*arguments: object) -> object:
        found = decide(*arguments)  # type: ignore[arg-type]  # as it was called
        told.append(found is not None)
        return found

    monkeypatch.setattr(consentry.engine.evaluate, "_decide_quickly", counted)
    return told


def disagreements(policies: PolicySet, seed: int, uses: int, draw: Draw) -> Iterator[Disagreement]:
    """Of `uses` uses, each asked `QUESTIONS_EACH` times."""
    random = Random(seed)
    for _ in range(uses):
        use, _ = draw(random)
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
    cases = 0
    for seed in range(sets):
        for found in disagreements(draw_policy_set(seed, packs), seed, 4, draw_question):
            pytest.fail(f"seed {seed}\n{explain(found)}")
        cases += 4 * QUESTIONS_EACH
    for seed in range(lawful_sets):
        for found in disagreements(draw_lawful_set(seed, packs), seed, 6, draw_lawful_question):
            pytest.fail(f"lawful seed {seed}\n{explain(found)}")
        cases += 6 * QUESTIONS_EACH

    figure(f"uses made ready, {sets} policy sets: questions", cases)
    figure(f"uses made ready, {sets} policy sets: answered by the quick way", sum(quick))
    assert sum(quick) > cases // 20
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
        list(disagreements(draw_policy_set(seed, packs), seed, 4, draw_question))
