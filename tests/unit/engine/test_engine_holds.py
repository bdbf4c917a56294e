"""A hold and retention: what must be kept longer may be used longer, for what it is held for."""

from __future__ import annotations

import pytest

from consentry.consent.resolver import UNAVAILABLE, SubjectView
from consentry.engine.evaluate import evaluate
from consentry.engine.link import link
from consentry.model.consent import ConsentEvent, EventKind, Proof, Scope
from consentry.model.decision import Decision
from consentry.model.request import DataSubject, Principal, Request, Resource
from consentry.model.values import MICROS_PER_DAY
from tests.support.compiling import compile_text, program_of
from tests.support.policy_tests import broken_claims

HOUSE = """
data file { letter note }
purpose claims { basis legal_obligation keep 30 days }
purpose service { basis legal_obligation keep 30 days }
permit work { who anyone may read data file for claims, service }
"""
NOW = 1_780_000_000_000_000
LINKED = link(program_of(compile_text(HOUSE)))


def ask(*events: ConsentEvent, days: int = 31, is_available: bool = True) -> Decision:
    view = SubjectView(events, revision=1, position=1, read_at_us=NOW)
    request = Request(
        principal=Principal(id="p", kind="person"),
        action="read",
        data=("file",),
        data_subject=DataSubject(id="s"),
        purpose="claims",
        resource=Resource(collected_at_us=NOW - days * MICROS_PER_DAY),
        partial=True,
    )
    return evaluate(LINKED, request, view if is_available else UNAVAILABLE, NOW)


def held(scope: Scope, kind: EventKind = EventKind.HELD, at: int = NOW - 9) -> ConsentEvent:
    return ConsentEvent(
        kind=kind,
        data_subject_id="s",
        scope=scope,
        happened_at_us=at,
        received_at_us=at,
        proof=Proof(method="order"),
    )


def test_a_hold_speaks_for_its_purpose_alone() -> None:
    text = (
        HOUSE
        + """
test holds {
    given  resource { collected_at = 2026-01-01T00:00:00Z }
    given  held claims on 2026-01-15
    at     2026-03-01T00:00:00Z
    check  person may read file for claims
    expect permit legal_obligation
    check  person may read file for service
    expect deny retention_exceeded
}
test lifted {
    given  resource { collected_at = 2026-01-01T00:00:00Z }
    given  held claims on 2026-01-15
    given  lifted_hold claims on 2026-02-15
    at     2026-03-01T00:00:00Z
    check  person may read file for claims
    expect deny retention_exceeded
}
"""
    )

    assert broken_claims(text) == []


def test_a_hold_on_one_field_does_not_keep_the_other() -> None:
    decision = ask(held(Scope(purpose="claims", data=("file.letter",))))

    assert [(leaf.data, leaf.effect.value) for leaf in decision.leaves] == [
        ("file.letter", "permit"),
        ("file.note", "deny"),
    ]


@pytest.mark.parametrize(
    ("days", "reason"), [(29, "legal_obligation"), (31, "consent_state_unavailable")]
)
def test_without_the_ledger_nobody_knows_of_a_hold(days: int, reason: str) -> None:
    assert ask(days=days, is_available=False).reason == reason


def test_a_hold_that_begins_later_ends_the_answer() -> None:
    decision = ask(held(Scope(purpose="claims"), at=NOW + 5))

    assert decision.reason == "retention_exceeded"
