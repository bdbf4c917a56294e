"""Properties of the law packs, all of them together, over the situations of the legal corpus.

Each situation is a start: facts are left out or exchanged, and people's events of other situations
are added, so that the laws meet what nobody wrote down.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

import consentry.engine.regimes
from consentry.engine.linked_rule import LinkedRule
from consentry.engine.matching import applies
from consentry.engine.run import Run
from consentry.model.consent import EventKind
from consentry.model.program import RuleKind
from consentry.model.request import Recipient, Request
from consentry.model.tri import FALSE, UNKNOWN
from consentry.model.values import MICROS_PER_DAY
from tests.conformance.legal.running import (
    Answer,
    Bench,
    Case,
    ask_engine,
    ask_reference,
    own_events,
)
from tests.conformance.legal.schema import read_scenarios

CORPUS = Path(__file__).resolve().parents[1] / "conformance/legal/scenarios.yaml"
SIZES = [4, pytest.param(300, marks=pytest.mark.slow)]
"""Variants of each situation; 300 of 167 are 50,100."""
NARROWING = {
    EventKind.REFUSED, EventKind.WITHDRAWN, EventKind.OBJECTED, EventKind.OPTED_OUT,
    EventKind.LIMITED, EventKind.RESTRICTED, EventKind.ERASED,
}  # fmt: skip

MAY_BE_LEFT_OUT = {
    "resource.collected_for": "an earlier purpose that nobody tells is not compared (`has`)",
    "signal.gpc": "a signal that was not sent (`has`)",
    "signal.publisher_excludes": "a restriction that was not sent (`has`)",
    "signal.sale_notice": "a notice bit that was not sent (`has`)",
    "subject.born": "laws that speak of known minors (`has`)",
    "subject.country": "an unknown residence means every law; one may permit where none was known",
}
"""Facts whose absence turns some denial of the corpus into a permission, and why it may."""


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    bench = Bench()
    return [bench.case(scenario) for scenario in read_scenarios(CORPUS)]


def without_one_fact(request: Request) -> Iterator[tuple[str, Request]]:
    """The request without each of its facts that may be left out."""
    principal, to, resource = request.principal, request.recipient, request.resource
    if principal.roles:
        yield "principal.roles", replace(request, principal=replace(principal, roles=frozenset()))
    if principal.controller:
        changed = replace(principal, controller=None)
        yield "principal.controller", replace(request, principal=changed)
    if request.channel:
        yield "channel", replace(request, channel=None)
    if to is not None:
        yield "recipient", replace(request, recipient=None)
        for name in ("id", "country"):
            if getattr(to, name) is not None:
                part: Any = {name: None}
                yield f"recipient.{name}", replace(request, recipient=replace(to, **part))
        if to.roles:
            nobody = replace(to, roles=frozenset())
            yield "recipient.roles", replace(request, recipient=nobody)
    if resource.collected_for:
        changed_resource = replace(resource, collected_for=())
        yield "resource.collected_for", replace(request, resource=changed_resource)
    if resource.collected_on:
        changed_resource = replace(resource, collected_on=None)
        yield "resource.collected_on", replace(request, resource=changed_resource)
    yield from _without_one_attribute(request)


def _without_one_attribute(request: Request) -> Iterator[tuple[str, Request]]:
    owners = ("principal", "data_subject", "recipient", "resource")
    for owner in owners:
        holder = getattr(request, owner)
        for name in holder.attributes if holder is not None else ():
            left = {key: value for key, value in holder.attributes.items() if key != name}
            part: Any = {owner: replace(holder, attributes=left)}
            yield f"{owner.removeprefix('data_')}.{name}", replace(request, **part)
    for field, told in (("context", "context"), ("signals", "signal")):
        for name in getattr(request, field):
            left = {k: v for k, v in getattr(request, field).items() if k != name}
            part = {field: left}
            yield f"{told}.{name}", replace(request, **part)


def test_a_fact_left_out_permits_nothing_unless_a_law_asks_for_what_is_known(
    cases: list[Case], figure: Callable[[str, object], None]
) -> None:
    widened: dict[str, list[str]] = {}
    count = 0
    for case in cases:
        if ask_engine(case).decision == "permit":
            continue
        for fact, request in without_one_fact(case.request):
            count += 1
            if ask_engine(replace(case, request=request)).decision == "permit":
                widened.setdefault(fact, []).append(case.scenario.id)

    figure("facts left out of denials", count)
    for fact, ids in sorted(widened.items()):
        figure(f"permits without {fact}", ", ".join(ids))
    assert widened.keys() == MAY_BE_LEFT_OUT.keys(), widened


def variants(cases: list[Case], seed: int, each: int) -> Iterator[Case]:
    """Situations with facts left out or exchanged and with events of other situations."""
    random = Random(seed)
    for case in cases:
        for _ in range(each):
            yield _varied(case, cases, random)


def _varied(case: Case, cases: list[Case], random: Random) -> Case:
    request, events = case.request, list(case.events)
    for _ in range(random.choice([0, 1, 1, 2])):
        left_out = list(without_one_fact(request))
        if left_out:
            request = random.choice(left_out)[1]
    other = random.choice(cases)
    if random.random() < 0.4:
        request = replace(request, action=random.choice(sorted(case.house.program.actions)))
    if random.random() < 0.2:
        request = replace(request, channel=random.choice(["email", "post", "phone"]))
    if random.random() < 0.3 and other.request.recipient is not None:
        to: Recipient = other.request.recipient
        request = replace(request, recipient=to)
    if random.random() < 0.3 and other.request.data_subject and request.data_subject:
        mine = replace(other.request.data_subject, id=request.data_subject.id)
        request = replace(request, data_subject=mine)
    events += random.sample(list(other.events), random.randint(0, len(other.events)))
    if events and random.random() < 0.3:
        events.pop(random.randrange(len(events)))
    # Two consents of one time say nothing about which is newer.
    moved = [
        replace(
            event,
            position=place,
            event_id=f"event-{place}",
            happened_at_us=event.happened_at_us + place,
            received_at_us=event.received_at_us + place,
        )
        for place, event in enumerate(events, start=1)
    ]
    now_us = case.now_us + random.choice([1, 1, 1, 30, 400, -200]) * MICROS_PER_DAY
    return replace(case, request=request, events=tuple(moved), now_us=now_us)


def told(answer: Answer) -> tuple[object, ...]:
    return answer.decision, answer.reasons, answer.obligations


def disagreements(cases: list[Case], seed: int, each: int) -> Iterator[tuple[str, Answer, Answer]]:
    for case in variants(cases, seed, each):
        one, other = ask_engine(case), ask_reference(case)
        if told(one) != told(other):
            yield f"{case.scenario.id} {case.request} {case.events} {case.now_us}", one, other


@pytest.mark.parametrize("each", SIZES)
def test_engine_and_reference_agree_on_the_laws(
    each: int, cases: list[Case], figure: Callable[[str, object], None]
) -> None:
    found = next(disagreements(cases, 1, each), None)

    figure(f"legal scenarios, engine against reference, {each} variants of each", len(cases) * each)
    assert found is None, found


def test_the_comparison_notices_a_broken_engine(
    cases: list[Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(rule: LinkedRule, run: Run) -> int:
        result = applies(rule, run)
        is_unsure = rule.rule.kind is RuleKind.FORBID and result == UNKNOWN
        return FALSE if is_unsure else result

    monkeypatch.setattr(consentry.engine.regimes, "applies", broken)

    assert next(disagreements(cases, 1, 2), None) is not None


@pytest.mark.parametrize("each", SIZES)
def test_no_refusal_permits_more_and_no_consent_permits_less(
    each: int, cases: list[Case], figure: Callable[[str, object], None]
) -> None:
    count = 0
    for case in variants(cases, 2, each):
        before = ask_engine(case).decision
        for event in own_events(case):
            left = tuple(other for other in case.events if other is not event)
            without = ask_engine(replace(case, events=left)).decision
            if event.kind in NARROWING:
                count += 1
                assert (without, before) != ("deny", "permit"), (case.scenario.id, event)
            elif event.kind is EventKind.GIVEN:
                count += 1
                assert (without, before) != ("permit", "deny"), (case.scenario.id, event)

    figure(f"events added to legal scenarios, {each} variants of each", count)
    assert count > 100 * each
