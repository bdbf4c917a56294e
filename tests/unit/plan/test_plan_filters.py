"""What conditions come down to: tests, bounds, absence, and refusal."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest

from consentry.model.values import midnight_us
from consentry.plan.errors import PlanRefusedError
from consentry.plan.filters import ALWAYS, NEVER, Every, Holds, Op, Some, every, selects, some
from consentry.plan.planner import NOBODY, Planner
from consentry.plan.text import filter_json, filter_text

Planned = Callable[..., Planner]
REQUIRED = "has subject.age_group"


def lines(planner: Planner) -> list[str]:
    """The filter for people of whom the ledger holds nothing, without what is always required."""
    told = filter_text(planner.filter_for(NOBODY)).splitlines()
    return [line.strip() for line in told if REQUIRED not in line]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ('subject.tier == "gold"', ['subject.tier == "gold"']),
        ('not (subject.tier == "gold")', ['subject.tier != "gold"']),
        ('"gold" == subject.tier', ['subject.tier == "gold"']),
        ('subject.tier in ["a", "b"]', ['subject.tier in ["a", "b"]']),
        ('subject.tier like "g?*"', ['subject.tier like "g?*"']),
        ("subject.vip", ["subject.vip == true"]),
        ("not subject.vip", ["subject.vip != true"]),
        ("has subject.vip", ["has subject.vip"]),
        ("not has subject.vip", ["not has subject.vip"]),
        ("3 < subject.rank", ["subject.rank > 3"]),
        ("subject.rank >= 2.5", ["subject.rank >= 2.5"]),
        ("subject.tier == subject.plan", None),
        ("subject.tier == subject.age_group", ["subject.tier == subject.age_group"]),
        ("age(subject.born) < 16 years", ["subject.born >= 2010-06-02"]),
        ("age(subject.born) >= 18 years", ["subject.born <= 2008-06-01"]),
        ("subject.moved + 6 months <= now", ["subject.moved <= 2025-12-01"]),
        ("now - subject.joined > 30 days", ["subject.joined <= 2026-05-02T11:59:59.999999Z"]),
        ("subject.joined < 2026-01-01", ["subject.joined < 2026-01-01T00:00:00Z"]),
    ],
)
def test_condition_is_the_test_that_it_says(
    planned: Planned, condition: str, expected: list[str] | None
) -> None:
    planner = planned(condition)
    if expected is None:  # of two attributes one has a default
        with pytest.raises(PlanRefusedError):
            planner.filter_for(NOBODY)
        return
    assert [line for line in lines(planner) if line != "all of"] == expected


def test_absent_attribute_stands_for_its_default(planned: Planned) -> None:
    assert lines(planned('subject.plan == "free"'))[1:] == [
        "any of",
        'subject.plan == "free"',
        "not has subject.plan",
    ]
    assert lines(planned('subject.plan == "paid"'))[1:] == ['subject.plan == "paid"']


def test_forbid_that_may_apply_keeps_people_out(planner_of: Planned) -> None:
    planner = planner_of(
        "permit x { who anyone may anything data d for p }\n"
        'forbid y { for p when subject.tier == "gold" }'
    )
    # Who does not say the tier may be gold.
    assert lines(planner)[1:] == ['subject.tier != "gold"']


def test_what_is_known_now_leaves_no_trace(planned: Planned) -> None:
    assert lines(planned("now < 2027-01-01 or subject.vip")) == []
    assert planned("now > 2027-01-01").filter_for(NOBODY) == NEVER


def test_consent_decides_before_anything_is_asked_of_people(planner_of: Planned) -> None:
    planner = planner_of("permit x { who anyone may anything data d for q when subject.vip }", "q")
    assert planner.filter_for(NOBODY) == NEVER


@pytest.mark.parametrize(
    ("condition", "why"),
    [
        ('subject.tags overlaps ["a"]', "no filter says this of list of text `subject.tags`"),
        ('"a" in subject.tags', "no filter says this of list of text `subject.tags`"),
        ('subject.home in ["10.0.0.0/8"]', "no filter says this of ip `subject.home`"),
        ("subject.spent > 2 days", "no filter says this of duration `subject.spent`"),
        ("subject.moved < subject.joined", "no filter says this of date `subject.moved`"),
    ],
)
def test_condition_that_matters_and_is_no_test_is_refused(
    planned: Planned, condition: str, why: str
) -> None:
    with pytest.raises(PlanRefusedError) as refusal:
        planned(f"{condition} or subject.vip").filter_for(NOBODY)
    (obstacle,) = refusal.value.obstacles
    assert (obstacle.rule, obstacle.file, obstacle.why) == ("x", "house.policy", why)


def test_condition_that_does_not_matter_is_not_refused(planned: Planned) -> None:
    assert planned('subject.tags overlaps ["a"] and now > 2027-01-01').filter_for(NOBODY) == NEVER
    assert lines(planned('subject.tags overlaps ["a"] or now < 2027-01-01')) == []


@pytest.mark.parametrize(
    ("condition", "valid_until_us"),
    [
        ("subject.vip", None),
        ("now < 2027-01-01 and subject.vip", midnight_us(date(2027, 1, 1))),
        ("age(subject.born) < 16 years", midnight_us(date(2026, 6, 2))),
        ("now - subject.joined > 30 days", 1_780_315_200_000_000),
    ],
)
def test_plan_tells_how_long_time_leaves_it(
    planned: Planned, condition: str, valid_until_us: int | None
) -> None:
    planner = planned(condition)
    planner.filter_for(NOBODY)
    assert planner.valid_until_us == valid_until_us


A, B = Holds("a", "flag", Op.EQ, True), Holds("b", "flag", Op.EQ, True)


def test_filters_join_flat_and_short() -> None:
    assert every([A, every([A, B])]) == Every((A, B))
    assert every([A, NEVER]) == NEVER
    assert some([A, ALWAYS]) == ALWAYS
    assert every([]) == ALWAYS
    assert some([]) == NEVER
    assert every([A, some([A, B])]) == A
    assert some([A, every([A, B])]) == A
    assert some([A]) == A


def test_absent_attribute_fails_every_test_but_absence() -> None:
    tests = [Holds("a", "number", op, 1) for op in (Op.EQ, Op.NE, Op.LT, Op.GE)]
    tests += [Holds("a", "number", Op.NOT_IN, (1,)), Holds("a", "number", Op.PRESENT)]
    tests.append(Holds("b", "number", Op.EQ, other="a"))
    assert not any(selects(test, {"b": 1}) for test in tests)
    assert selects(Holds("a", "number", Op.ABSENT), {"a": None})


def test_filter_is_told_as_plain_values() -> None:
    told = filter_json(
        Some((A, Every((Holds("t", "text", Op.LIKE, ("a", "")), Holds("t", "text", Op.PRESENT)))))
    )
    assert told == {
        "some": [
            {"attribute": "a", "op": "==", "value": True},
            {
                "every": [
                    {"attribute": "t", "op": "like", "value": "a*"},
                    {"attribute": "t", "op": "present"},
                ]
            },
        ]
    }
