"""Compiled engine against reference interpreter: any policy set, history and request, one answer.

The seeds are fixed, so that a failure is found again by running the test; the Hypothesis test draws
its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random

import pytest
from comparing import (
    Disagreement,
    PolicySet,
    ask_engine,
    ask_reference,
    draw_lawful_question,
    draw_lawful_set,
    draw_policy_set,
    draw_question,
    find_disagreement,
    read_packs,
    told_by_reference,
)
from generated import NOW_US
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import consentry.engine.evaluate
import consentry.engine.house
import consentry.engine.outcome
import consentry.engine.regimes
from consentry.diagnostics.span import Source
from consentry.engine.linked_rule import LinkedRule
from consentry.engine.matching import applies
from consentry.engine.run import Run
from consentry.model.consent import ConsentEvent, EventKind
from consentry.model.facts import Facts
from consentry.model.operators import NAMESPACE
from consentry.model.program import RuleKind
from consentry.model.request import Request
from consentry.model.tri import FALSE, UNKNOWN
from consentry.model.values import MICROS_PER_DAY

POLICY_SETS = 250
CASES_EACH = 80
TIMED_CASES_EACH = 8


@pytest.fixture(scope="module")
def packs() -> dict[str, Source]:
    return read_packs()


def disagreements(
    policies: PolicySet,
    seed: int,
    cases: int,
    ask: Callable[[Random], tuple[Request, list[ConsentEvent] | None]] = draw_question,
) -> Iterator[Disagreement]:
    random = Random(seed)
    for _ in range(cases):
        request, events = ask(random)
        found = find_disagreement(policies, request, events, NOW_US)
        if found is not None:
            yield found


def late_changes(policies: PolicySet, seed: int, cases: int) -> Iterator[Disagreement]:
    """Answers that the reference changes before the engine's `valid_until`."""
    random = Random(seed)
    while cases:
        request, events = draw_question(random)
        if events is None:
            continue
        cases -= 1
        decision = ask_engine(policies, request, events, NOW_US)
        end = decision.valid_until_us
        last = NOW_US + 900 * MICROS_PER_DAY if end is None else end - 1
        now = told_by_reference(ask_reference(policies, request, events, NOW_US))
        for at_us in {last, (NOW_US + last) // 2, NOW_US + (last - NOW_US) // 30}:
            then = told_by_reference(ask_reference(policies, request, events, at_us))
            if then != now:
                yield Disagreement(policies, request, events, at_us, now, then)


def explain(found: Disagreement) -> str:
    return (
        f"{found.policies.text}\n{found.request}\n{list(found.events)}\nat {found.now_us}\n"
        f"engine:    {found.engine}\nreference: {found.reference}"
    )


def test_engine_agrees_with_reference(
    packs: dict[str, Source], figure: Callable[[str, object], None]
) -> None:
    cases = 0
    for seed in range(POLICY_SETS):
        policies = draw_policy_set(seed, packs)
        for found in disagreements(policies, seed, CASES_EACH):
            pytest.fail(f"seed {seed}\n{explain(found)}")
        cases += CASES_EACH

    figure("differential cases", cases)
    assert cases >= 20_000


def test_answer_holds_until_valid_until(
    packs: dict[str, Source], figure: Callable[[str, object], None]
) -> None:
    for seed in range(POLICY_SETS // 2):
        policies = draw_policy_set(seed, packs)
        for found in late_changes(policies, seed, TIMED_CASES_EACH):
            pytest.fail(f"seed {seed}\n{explain(found)}")

    figure("valid_until cases", TIMED_CASES_EACH * (POLICY_SETS // 2))


LAWFUL_SETS = 30
LAWFUL_CASES_EACH = 40
MANY_SETS = 600
MANY_CASES_EACH = 100


def compared(
    packs: dict[str, Source], sets: int, cases: int, counts: Counter[str], *, is_lawful: bool
) -> None:
    """Fails at the first disagreement; counts what was compared."""
    draw = draw_lawful_set if is_lawful else draw_policy_set
    ask = draw_lawful_question if is_lawful else draw_question
    for seed in range(sets):
        policies = draw(seed + LAWFUL_SETS, packs)
        for found in disagreements(policies, seed, cases, ask):
            pytest.fail(f"seed {seed}, lawful: {is_lawful}\n{explain(found)}")
        counts["cases"] += cases
        counts["sets"] += 1
        counts["several regimes"] += len(policies.linked.program.regimes) > 2
        counts["`governs otherwise`"] += "governs otherwise" in policies.text
        counts["exceptions"] += bool(policies.linked.program.exceptions)
        counts["dates"] += " from 20" in policies.text or " until 20" in policies.text


def test_engine_agrees_with_reference_under_the_laws_that_are_shipped(
    packs: dict[str, Source], figure: Callable[[str, object], None]
) -> None:
    counts: Counter[str] = Counter()

    compared(packs, LAWFUL_SETS, LAWFUL_CASES_EACH, counts, is_lawful=True)

    figure("differential cases under shipped laws", counts["cases"])


@pytest.mark.slow
def test_engine_agrees_with_reference_in_100_000_cases_with_regimes(
    packs: dict[str, Source], figure: Callable[[str, object], None]
) -> None:
    counts: Counter[str] = Counter()

    compared(packs, MANY_SETS, MANY_CASES_EACH, counts, is_lawful=False)
    compared(packs, MANY_SETS * 2 // 3, MANY_CASES_EACH, counts, is_lawful=True)

    told = ", ".join(f"{what}: {count}" for what, count in counts.items())
    figure("differential with regimes, 0 disagreements", told)
    assert counts["cases"] >= 50_000
    assert min(counts.values()) > 100


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(min_value=POLICY_SETS, max_value=1 << 40))
def test_engine_agrees_with_reference_on_any_seed(packs: dict[str, Source], seed: int) -> None:
    policies = draw_policy_set(seed, packs)
    for found in disagreements(policies, seed, 10):
        pytest.fail(explain(found))


# --- the detector detects ----------------------------------------------------------------------


def _ignore_unknown_forbids(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(rule: LinkedRule, run: Run) -> int:
        result = applies(rule, run)
        is_unsure_forbid = rule.rule.kind is RuleKind.FORBID and result == UNKNOWN
        return FALSE if is_unsure_forbid else result

    monkeypatch.setattr(consentry.engine.regimes, "applies", broken)


def _let_consents_win_ties(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(event: ConsentEvent) -> int:
        is_negative = event.kind in (EventKind.WITHDRAWN, EventKind.REFUSED)
        return event.happened_at_us - 1 if is_negative else event.happened_at_us

    monkeypatch.setattr(ConsentEvent, "counts_from_us", property(broken))


def _keep_the_first_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (consentry.engine.outcome, consentry.engine.evaluate):
        monkeypatch.setattr(module, "stricter", lambda one, other: one or other)


def _keep_data_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consentry.engine.house, "is_retention_over", lambda rule, run: False)


def _ask_for_the_newest_consent_only(monkeypatch: pytest.MonkeyPatch) -> None:
    ask = Run.ask_ledger
    monkeypatch.setattr(Run, "ask_ledger", lambda *args, **named: ask(*args, **named)[:1])


def _forget_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Run, "is_held", lambda run: False)


def _let_every_consent_name_its_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NAMESPACE, "names_data", lambda standing, leaf, names: True)  # type: ignore[arg-type]  # as it is called


@pytest.mark.parametrize(
    "break_engine",
    [
        _forget_holds,
        _let_every_consent_name_its_data,
        _ignore_unknown_forbids,
        _let_consents_win_ties,
        _keep_the_first_mask,
        _keep_data_for_ever,
        _ask_for_the_newest_consent_only,
    ],
)
def test_comparison_notices_a_broken_engine(
    break_engine: Callable[[pytest.MonkeyPatch], None],
    packs: dict[str, Source],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    break_engine(monkeypatch)

    assert any(
        next(disagreements(draw_policy_set(seed, packs), seed, CASES_EACH), None)
        for seed in range(POLICY_SETS // 4)
    )


def test_comparison_notices_a_forgotten_horizon(
    packs: dict[str, Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Facts, "changes_at", lambda facts, at_us: None)

    assert any(
        next(late_changes(draw_policy_set(seed, packs), seed, TIMED_CASES_EACH), None)
        for seed in range(POLICY_SETS // 4)
    )


# --- promises ----------------------------------------------------------------------------------


def test_order_of_events_never_matters(packs: dict[str, Source]) -> None:
    for seed in range(40):
        policies = draw_policy_set(seed, packs)
        random = Random(seed)
        for _ in range(20):
            request, events = draw_question(random)
            if not events:
                continue
            shuffled = random.sample(events, len(events))

            assert ask_engine(policies, request, shuffled, NOW_US) == ask_engine(
                policies, request, events, NOW_US
            )


def test_ids_of_events_never_matter(packs: dict[str, Source]) -> None:
    for seed in range(20):
        policies = draw_policy_set(seed, packs)
        random = Random(seed)
        request, events = draw_question(random)
        renamed = [replace(e, event_id=f"x{e.event_id}", position=99) for e in events or []]

        assert ask_engine(policies, request, renamed, NOW_US) == ask_engine(
            policies, request, events or [], NOW_US
        )
