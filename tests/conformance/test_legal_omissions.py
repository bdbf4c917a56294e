"""A fact left out never turns a denial of the corpus into a permission, except where the checker
lists the rule that asks whether the fact is there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

import pytest

from consentry.compiler.compile import compile_policies
from consentry.consent.resolver import SubjectView
from consentry.engine.evaluate import evaluate
from consentry.model.decision import Effect
from consentry.model.request import Request
from consentry.model.values import Value
from tests.conformance.legal.__main__ import CORPUS
from tests.conformance.legal.running import Bench, Case, own_events
from tests.conformance.legal.schema import read_scenarios

EXPLAINED = {
    ("subject.country", "regime_undetermined"): "of an unknown country every law governs",
    ("resource.collected_at", "retention_exceeded"): "retention counts from a time that is given",
}
"""What no rule says, and the language does, by the fact and the reason of the denial."""

pytestmark = pytest.mark.slow
LISTED = re.compile(r"leaving out `([a-z_.]+)` may widen")


class Flip(NamedTuple):
    """A denial that became a permission without one fact, and whether that is known to happen."""

    scenario: str
    fact: str
    is_listed: bool


def without_each(values: Mapping[str, Value]) -> Iterator[tuple[str, dict[str, Value]]]:
    for name in values:
        yield name, {key: value for key, value in values.items() if key != name}


def omissions(asked: Request) -> Iterator[tuple[str, Request]]:
    """The request without one of its facts, for each of them, with the fact's name."""
    principal, person, to, record = (
        asked.principal, asked.data_subject, asked.recipient, asked.resource,
    )  # fmt: skip
    for name, rest in without_each(principal.attributes):
        yield f"principal.{name}", replace(asked, principal=replace(principal, attributes=rest))
    if principal.roles:
        bare = replace(principal, roles=frozenset[str]())
        yield "principal.roles", replace(asked, principal=bare)
    if principal.controller:
        yield "principal.controller", replace(asked, principal=replace(principal, controller=None))
    if person is not None:
        for name, rest in without_each(person.attributes):
            yield f"subject.{name}", replace(asked, data_subject=replace(person, attributes=rest))
    if to is not None:
        yield "recipient", replace(asked, recipient=None)
        for name, rest in without_each(to.attributes):
            yield f"recipient.{name}", replace(asked, recipient=replace(to, attributes=rest))
        yield "recipient.id", replace(asked, recipient=replace(to, id=None))
        yield "recipient.roles", replace(asked, recipient=replace(to, roles=frozenset[str]()))
        yield "recipient.country", replace(asked, recipient=replace(to, country=None))
    for name, rest in without_each(record.attributes):
        yield f"resource.{name}", replace(asked, resource=replace(record, attributes=rest))
    yield "resource.collected_at", replace(asked, resource=replace(record, collected_at_us=None))
    yield "resource.collected_for", replace(asked, resource=replace(record, collected_for=()))
    yield "resource.collected_on", replace(asked, resource=replace(record, collected_on=None))
    for name, rest in without_each(asked.context):
        yield f"context.{name}", replace(asked, context=rest)
    for name, rest in without_each(asked.signals):
        yield f"signal.{name}", replace(asked, signals=rest)
    yield "channel", replace(asked, channel=None)


def is_permitted(case: Case, asked: Request) -> bool:
    events = own_events(case)
    view = SubjectView(events, revision=len(events), position=len(events), read_at_us=case.now_us)
    return evaluate(case.house.linked, asked, view, case.now_us).effect is Effect.PERMIT


def listed_facts(case: Case, bench: Bench) -> frozenset[str]:
    """What the checker says may widen when it is left out."""
    notes = compile_policies([case.house.source], bench.packs).notes
    return frozenset(match[1] for note in notes if (match := LISTED.search(note.title)))


@pytest.fixture(scope="module")
def flips() -> list[Flip]:
    """Denials that an omission turned round."""
    bench = Bench()
    listed: dict[str, frozenset[str]] = {}
    found = []
    for scenario in read_scenarios(CORPUS):
        if scenario.expected.decision != "deny":
            continue
        case = bench.case(scenario)
        for fact, asked in omissions(case.request):
            if case.is_ledger_up and is_permitted(case, asked):
                text = case.house.source.text
                if text not in listed:
                    listed[text] = listed_facts(case, bench)
                known = fact in listed[text] or (fact, scenario.reason_code) in EXPLAINED
                found.append(Flip(scenario.id, fact, is_listed=known))
    return found


def test_a_fact_left_out_widens_only_where_the_checker_says_so(
    flips: list[Flip], figure: Callable[[str, object], None]
) -> None:
    told = sorted(f"{flip.fact} ({flip.scenario})" for flip in flips)
    figure("denials turned round by a fact left out", ", ".join(told))

    assert [flip for flip in flips if not flip.is_listed] == []


def test_the_corpus_has_such_denials(flips: list[Flip]) -> None:
    assert {"signal.gpc", "subject.born"} <= {flip.fact for flip in flips}
