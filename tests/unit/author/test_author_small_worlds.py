"""Proofs try enough values: whatever a condition can be true of is found, so no proof is empty."""

from __future__ import annotations

from datetime import date

import pytest

from consentry.author.prove import PromiseOutcome, Verdict, prove
from consentry.model.values import midnight_us
from tests.support.compiling import compile_text

SINCE_US = midnight_us(date(2026, 5, 1))
WORLD = """\
attributes principal { teams: list of text? }
attributes context {
    a: text?, b: text?, c: text?, n: number?, m: number?, k: number?,
    d: date?, e: date?, g: date?, t: time?, u: time?, q: duration?, r: duration?,
    i: ip?, j: ip?, x: list of text?, y: list of text?, z: list of text?
}
data customer { email as user.contact.email }
purpose support { basis contract }
never read { may read }
"""
TRUE_OF_SOMETHING = [
    "context.a != context.b and context.b != context.c and context.a != context.c",
    'context.a != "other" and context.a != "another"',
    'not (context.a like "o*") and not (context.a like "a*")',
    'context.a like "a?" and context.a != "ax"',
    'context.a like "x*y" and context.a like "*z*" and not (context.a like "*w*")',
    'context.a like "ab*" and context.a like "a?c*" and context.a like "*d"',
    "context.n < context.m and context.n > 1 and context.m < 2",
    "context.n < context.m and context.m < context.k",
    "context.d < context.e and context.e < context.g and context.d > 2026-01-01",
    "context.d < context.e and context.e < context.g",
    "context.t + 3 days < context.u and context.u < now",
    "context.t + 3 days > 2026-01-10T00:00:00Z and context.t + 2 days < 2026-01-10T00:00:00Z",
    "context.q < context.r and context.q > 1 days and context.r < 2 days",
    "context.i != context.j",
    'context.x overlaps context.y and not (context.x within context.y) and not ("p" in context.x)',
    "context.a in principal.teams and not (context.b in principal.teams)",
    'principal.id like "svc-*"',
    'principal.id != "somebody"',
    "principal.id != principal.controller and principal.controller != subject.id",
    'principal.controller like "A*"',
    'principal.controller != "other"',
    'principal.roles overlaps ["other"] and not (principal.roles within ["other"])',
    'resource.id like "sealed-*"',
    'recipient.id like "z*"',
    'recipient.id != "other"',
    'recipient.country like "D*"',
]


def outcome(condition: str) -> PromiseOutcome:
    permit = f"permit p {{ who anyone may read data customer.email for support when {condition} }}"
    (found,) = prove(compile_text(f"{WORLD}{permit}\n"), since_us=SINCE_US, limit=100_000)
    return found


@pytest.mark.parametrize("condition", TRUE_OF_SOMETHING)
def test_permit_that_is_true_of_something_breaks_the_promise(condition: str) -> None:
    assert outcome(condition).verdict is Verdict.REFUTED


@pytest.mark.parametrize(
    "condition",
    [
        "context.a != context.b and context.b == context.c and context.a == context.c",
        'context.a like "a*" and context.a like "b*"',
        "context.n < context.m and context.m < context.n",
        "context.t + 3 days < context.u and context.u < context.t + 2 days",
    ],
)
def test_permit_that_is_true_of_nothing_breaks_none(condition: str) -> None:
    assert outcome(condition).verdict is Verdict.PROVEN


def test_more_than_can_be_tried_is_undecided_and_not_proven() -> None:
    three = "context.x overlaps context.y and context.y overlaps context.z"

    assert outcome(f"{three} and not (context.x overlaps context.z)").verdict is Verdict.UNDECIDED


@pytest.mark.parametrize(
    ("condition", "why"),
    [
        ("context.t < rights.held_at", "`context.t` is held against what a person did"),
        ("rights.held_at > 2026-06-01T00:00:00Z", "is held against a fixed date"),
        ("rights.held_at > 2026-06-01", "is held against a fixed date"),
    ],
)
def test_times_of_events_held_against_what_is_not_now_are_undecided(
    condition: str, why: str
) -> None:
    found = outcome(condition)

    assert found.verdict is Verdict.UNDECIDED
    assert why in found.why


def test_who_is_held_against_a_controller_that_a_rule_names() -> None:
    permit = """permit p {
    who controller "x" may read data customer.email for support
    when principal.id == principal.controller
}
"""
    (found,) = prove(compile_text(WORLD + permit), since_us=SINCE_US, limit=100_000)

    assert found.verdict is Verdict.REFUTED
