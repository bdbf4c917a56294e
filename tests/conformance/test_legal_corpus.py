"""Every situation of the legal corpus comes out as a careful privacy lawyer expects."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from consentry.diagnostics.span import Source
from consentry.pdp.decision_point import CacheMode
from tests.conformance.legal.running import (
    Ask,
    Bench,
    ask_engine,
    ask_reference,
    by_regime,
    run_all,
)
from tests.conformance.legal.schema import Scenario, read_scenarios
from tests.conformance.legal.served import ask_decision_point, grpc_asked

SCENARIOS = read_scenarios(Path(__file__).with_name("legal") / "scenarios.yaml")

THOUGHT_TO_BE_WRONG: dict[str, str] = {}
"""Rows that we believe to be wrong in law, with the argument. They must fail: one that has come to
pass is taken off the list."""


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench()


@pytest.fixture(scope="module")
def over_grpc() -> Iterator[Ask]:
    with grpc_asked() as ask:
        yield ask


def failed(ask: Ask, bench: Bench) -> dict[str, tuple[str, ...]]:
    outcomes = run_all(SCENARIOS, ask, bench)
    return {one.scenario.id: one.differences for one in outcomes if not one.is_passed}


def test_the_engine_answers_every_scenario_as_expected(
    bench: Bench, figure: Callable[[str, object], None]
) -> None:
    began_s, worked_s = time.monotonic(), time.process_time()
    outcomes = run_all(SCENARIOS, ask_engine, bench)
    took_s, worked_s = time.monotonic() - began_s, time.process_time() - worked_s

    for regime, (passed, not_passed) in by_regime(outcomes).items():
        figure(f"scenarios of {regime}", f"{passed} passed, {not_passed} failed")
    told = f"{worked_s:.1f} s of a processor, {took_s:.1f} s by the clock, houses compiled and all"
    figure("legal scenarios", f"{len(outcomes)} in {told}")
    differing = {one.scenario.id: one.differences for one in outcomes if not one.is_passed}
    assert differing.keys() == THOUGHT_TO_BE_WRONG.keys(), differing


@pytest.mark.parametrize("mode", list(CacheMode))
def test_the_decision_point_answers_as_expected_whatever_it_keeps(
    mode: CacheMode, bench: Bench
) -> None:
    assert failed(ask_decision_point(mode), bench).keys() == THOUGHT_TO_BE_WRONG.keys()


def test_a_caller_over_grpc_is_answered_as_expected(over_grpc: Ask, bench: Bench) -> None:
    assert failed(over_grpc, bench).keys() == THOUGHT_TO_BE_WRONG.keys()


def test_the_reference_gives_the_same_answers_with_the_same_reasons(bench: Bench) -> None:
    differing = {}
    for scenario in SCENARIOS:
        case = bench.case(scenario)
        one, other = ask_engine(case), ask_reference(case)
        if (one.decision, one.reasons, one.obligations) != (
            other.decision,
            other.reasons,
            other.obligations,
        ):
            differing[scenario.id] = (one, other)

    assert differing == {}


def test_reasons_stand_in_the_order_that_the_corpus_assumes(bench: Bench) -> None:
    import yaml  # noqa: PLC0415  # beside the file that is read here only

    text = (Path(__file__).with_name("legal") / "scenarios.yaml").read_text(encoding="utf-8")
    wanted = yaml.safe_load(text)["decision_order"]
    declared = list(bench.case(SCENARIOS[0]).house.program.reasons)

    assert [code for code in declared if code in wanted] == wanted


# --- the detector detects ----------------------------------------------------------------------


def without_rule(bench: Bench, pack: str, name: str) -> Bench:
    """The packs at hand, one of them without one rule."""
    source = bench.packs[pack]
    start = source.text.index(f"    forbid {name} ")
    end = source.text.index("\n    }\n", start) + len("\n    }\n")
    text = source.text[:start] + source.text[end:]
    return Bench({**bench.packs, pack: Source(source.name, text)})


@pytest.mark.parametrize(
    ("pack", "rule", "row"),
    [
        ("gdpr", "objected_direct_marketing", "BASIS-010"),
        ("gdpr", "special_not_named", "SPEC-003"),
        ("gdpr", "guardian_consent_required", "CHILD-001"),
        ("eprivacy", "eprivacy_consent_required", "EPRIV-001"),
        ("dsa", "no_special_advertising", "SPEC-008"),
        ("tcf", "prohibited_by_publisher", "SIG-005"),
        ("uk_gdpr", "automated_without_safeguards", "ADM-006"),
    ],
)
def test_a_law_without_one_of_its_rules_is_noticed(
    pack: str, rule: str, row: str, bench: Bench
) -> None:
    (scenario,) = [one for one in SCENARIOS if one.id == row]
    broken = without_rule(bench, pack, rule)

    (outcome,) = run_all([scenario], ask_engine, broken)

    assert not outcome.is_passed


def test_every_scenario_names_its_source() -> None:
    assert [one.id for one in SCENARIOS if not one.source] == []
    assert len(SCENARIOS) == 167
    assert isinstance(SCENARIOS[0], Scenario)
