"""What narrows never widens: promise 5 of the product, on random policy sets and histories."""

from __future__ import annotations

from random import Random

import pytest
from comparing import ask_engine, build_policy_set, draw_policy_set, draw_question, read_packs
from generated import BASES, NOW_US, draw_event, draw_policies

from consentry.diagnostics.span import Source
from consentry.model.consent import ConsentEvent, EventKind
from consentry.model.decision import Effect

POLICY_SETS = 60
CASES_EACH = 30
NARROWING = [
    EventKind.WITHDRAWN, EventKind.REFUSED, EventKind.OBJECTED, EventKind.OPTED_OUT,
    EventKind.LIMITED, EventKind.RESTRICTED, EventKind.ERASED,
]  # fmt: skip


@pytest.fixture(scope="module")
def packs() -> dict[str, Source]:
    return read_packs()


def permitted(events: list[ConsentEvent], policies: object, request: object) -> set[str]:
    decision = ask_engine(policies, request, events, NOW_US)  # type: ignore[arg-type]  # shorthand
    return {leaf.data for leaf in decision.leaves if leaf.effect is Effect.PERMIT}


def test_withdrawing_never_permits_more(packs: dict[str, Source]) -> None:
    for seed in range(POLICY_SETS):
        policies = draw_policy_set(seed, packs)
        random = Random(seed)
        for _ in range(CASES_EACH):
            request, events = draw_question(random)
            events = events or []
            negative = draw_event(random, len(events) + 1, random.choice(NARROWING))

            after = permitted([*events, negative], policies, request)

            assert after <= permitted(events, policies, request), (seed, request, events, negative)


def test_further_consent_never_permits_less(packs: dict[str, Source]) -> None:
    for seed in range(POLICY_SETS):
        policies = draw_policy_set(seed, packs)
        random = Random(seed)
        for _ in range(CASES_EACH):
            request, events = draw_question(random)
            events = events or []
            consent = draw_event(random, len(events) + 1, EventKind.GIVEN)

            after = permitted([*events, consent], policies, request)

            assert after >= permitted(events, policies, request), (seed, request, events, consent)


def test_further_forbid_never_permits_more(packs: dict[str, Source]) -> None:
    for seed in range(POLICY_SETS):
        text = draw_policies(Random(seed))
        before = build_policy_set(text, packs)
        forbid = f'forbid added {{ for ads, service when subject.country == "DE" }}\n{text}'
        after = build_policy_set(forbid, packs)
        random = Random(seed)
        for _ in range(CASES_EACH):
            request, events = draw_question(random)

            narrowed = permitted(events or [], after, request)

            assert narrowed <= permitted(events or [], before, request), (seed, request, events)


def test_unreadable_ledger_never_permits_more(packs: dict[str, Source]) -> None:
    for seed in range(POLICY_SETS):
        policies = draw_policy_set(seed, packs)
        random = Random(seed)
        for _ in range(CASES_EACH):
            request, events = draw_question(random)
            decision = ask_engine(policies, request, None, NOW_US)
            without = {leaf.data for leaf in decision.leaves if leaf.effect is Effect.PERMIT}

            assert without <= permitted(events or [], policies, request), (seed, request, events)
            assert not decision.is_cacheable


def test_generator_names_every_basis() -> None:
    text = "".join(draw_policies(Random(seed)) for seed in range(50))

    assert all(f"basis {basis}" in text for basis in BASES)
