"""What narrows never widens: promise 5 of the product, on random policy sets and histories."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from random import Random

import pytest
from comparing import (
    ask_engine,
    build_policy_set,
    draw_lawful_question,
    draw_policy_set,
    draw_question,
    read_packs,
)
from generated import BASES, NOW_US, draw_policies, draw_rule
from generated_laws import draw_lawful_policies
from promises import Breach, Trial, find_breaches, is_told, omissions, permitted

import consentry.engine.evaluate
import consentry.engine.regimes
from consentry.consent.resolver import SubjectView
from consentry.diagnostics.span import Source
from consentry.engine.linked_rule import LinkedRule
from consentry.engine.matching import applies
from consentry.engine.run import Run
from consentry.model.decision import Effect
from consentry.model.operators import NAMESPACE
from consentry.model.program import RuleKind
from consentry.model.tri import FALSE, UNKNOWN

SETS = 40
HISTORIES_EACH = 50
MANY_SETS = 1_000
MANY_HISTORIES_EACH = 100
Figure = Callable[[str, object], None]


@pytest.fixture(scope="module")
def packs() -> dict[str, Source]:
    return read_packs()


def draw_trial(seed: int, packs: dict[str, Source], *, is_lawful: bool) -> Trial:
    """A policy set of its own laws or of shipped ones, and the same with a forbid more."""
    text = (draw_lawful_policies if is_lawful else draw_policies)(Random(seed))
    extra = draw_rule(Random(-seed - 1), "forbid", "added", BASES[:2])
    return Trial(
        build_policy_set(text, packs), build_policy_set(f"{text}\n{extra}\n", packs), extra
    )


def breaches(
    seed: int, packs: dict[str, Source], histories: int, counts: Counter[str] | None = None
) -> Iterator[Breach]:
    """What one seed's histories show to be broken; `counts` are of what was asked."""
    counts = Counter() if counts is None else counts
    is_lawful = seed % 2 == 1
    trial = draw_trial(seed, packs, is_lawful=is_lawful)
    random = Random(seed)
    for _ in range(histories):
        request, events = (draw_lawful_question if is_lawful else draw_question)(random)
        counts["histories"] += 1
        counts["events"] += len(events or [])
        yield from find_breaches(trial, request, events or [], random)


def assert_kept(packs: dict[str, Source], sets: int, histories: int, figure: Figure) -> None:
    counts: Counter[str] = Counter()
    for seed in range(sets):
        for found in breaches(seed, packs, histories, counts):
            text = (draw_lawful_policies if seed % 2 else draw_policies)(Random(seed))
            pytest.fail(found.told(text, seed))
    figure("promises: random histories, each asked six ways", f"{counts['histories']:,}")
    figure("promises: events in them", f"{counts['events']:,}")
    assert counts["histories"] == sets * histories


def test_what_narrows_never_widens(packs: dict[str, Source], figure: Figure) -> None:
    assert_kept(packs, SETS, HISTORIES_EACH, figure)


@pytest.mark.slow
def test_what_narrows_never_widens_in_100_000_histories(
    packs: dict[str, Source], figure: Figure
) -> None:
    assert_kept(packs, MANY_SETS, MANY_HISTORIES_EACH, figure)


def test_facts_whose_omission_widens_are_those_the_checker_lists(
    packs: dict[str, Source], figure: Figure
) -> None:
    """Where leaving a fact out does widen, `check --notes` names it for that very policy set."""
    widening: Counter[str] = Counter()
    for seed in range(SETS):
        trial = draw_trial(seed, packs, is_lawful=seed % 2 == 1)
        random = Random(seed)
        for _ in range(HISTORIES_EACH // 2):
            request, events = (draw_lawful_question if seed % 2 else draw_question)(random)
            before = permitted(trial.policies, request, events or [])
            for fact, poorer in omissions(request):
                if permitted(trial.policies, poorer, events or []) - before:
                    assert is_told(fact, trial.told_facts), (seed, fact, trial.policies.text)
                    widening[fact] += 1

    listed = ", ".join(f"{fact} ({count})" for fact, count in sorted(widening.items()))
    figure("promises: facts whose omission widened, all listed by the checker", listed)
    assert widening


def test_unreadable_ledger_never_permits_more(packs: dict[str, Source]) -> None:
    for seed in range(SETS):
        policies = draw_policy_set(seed, packs)
        random = Random(seed)
        for _ in range(HISTORIES_EACH // 2):
            request, events = draw_question(random)
            decision = ask_engine(policies, request, None, NOW_US)
            without = {leaf.data for leaf in decision.leaves if leaf.effect is Effect.PERMIT}

            assert without <= permitted(policies, request, events or []), (seed, request, events)
            assert not decision.is_cacheable


def test_generator_names_every_basis() -> None:
    text = "".join(draw_policies(Random(seed)) for seed in range(50))

    assert all(f"basis {basis}" in text for basis in BASES)


# --- the detector detects ----------------------------------------------------------------------


def _ask_for_the_newest_consent_only(monkeypatch: pytest.MonkeyPatch) -> None:
    ask = Run.ask_ledger
    monkeypatch.setattr(Run, "ask_ledger", lambda *args, **named: ask(*args, **named)[:1])


def _turn_rights_round(monkeypatch: pytest.MonkeyPatch) -> None:
    active = NAMESPACE["right_active"]
    monkeypatch.setitem(NAMESPACE, "right_active", lambda *args: not active(*args))


def _forget_the_first_event(monkeypatch: pytest.MonkeyPatch) -> None:
    init = SubjectView.__init__

    def broken(view: SubjectView, events: object, **named: int) -> None:
        init(view, list(events)[1:], **named)  # type: ignore[call-overload]  # as it was called

    monkeypatch.setattr(SubjectView, "__init__", broken)


def _let_one_more_rule_hide_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(rule: LinkedRule, run: Run) -> int:
        has_more = any(other.name == "added" for other in run.linked.program.rules)
        is_other_forbid = rule.rule.kind is RuleKind.FORBID and rule.rule.name != "added"
        return FALSE if has_more and is_other_forbid else applies(rule, run)

    monkeypatch.setattr(consentry.engine.regimes, "applies", broken)


def _ignore_unknown_forbids(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(rule: LinkedRule, run: Run) -> int:
        result = applies(rule, run)
        is_unsure_forbid = rule.rule.kind is RuleKind.FORBID and result == UNKNOWN
        return FALSE if is_unsure_forbid else result

    monkeypatch.setattr(consentry.engine.regimes, "applies", broken)


@pytest.mark.parametrize(
    ("break_engine", "promise"),
    [
        (_ask_for_the_newest_consent_only, "a further consent"),
        (_turn_rights_round, "a negative event"),
        (_forget_the_first_event, "the order of events"),
        (_let_one_more_rule_hide_the_others, "a further forbid"),
        (_ignore_unknown_forbids, "a fact left out"),
    ],
)
def test_each_promise_notices_a_seeded_fault(
    break_engine: Callable[[pytest.MonkeyPatch], None],
    promise: str,
    packs: dict[str, Source],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    break_engine(monkeypatch)
    # The faults are seeded into the thorough way; what comes again would be answered by another.
    monkeypatch.setattr(consentry.engine.evaluate, "note_use", lambda *_: None)

    assert any(
        found.promise == promise
        for seed in range(2 * SETS)
        for found in breaches(seed, packs, HISTORIES_EACH)
    )
