"""Runtime operators on their own: patterns, ages, versions of notices, networks."""

from __future__ import annotations

import fnmatch
from datetime import date, datetime
from ipaddress import ip_address
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consentry.model.facts import Facts
from consentry.model.operators import NAMESPACE, in_networks, like_match, notice_order
from consentry.model.operators_time import (
    age_compare,
    age_months,
    clock_between,
    duration_order,
    shift,
)
from consentry.model.values import Duration, midnight_us, time_us

TEXT = st.text("ab", max_size=8)
PATTERN = st.text("ab*?", max_size=6)


def parts(pattern: str) -> tuple[str, ...]:
    pieces = pattern.split("*")
    return (pieces[0], *(p for p in pieces[1:-1] if p), *pieces[1:][-1:])


@settings(max_examples=200, deadline=None)
@given(text=TEXT, pattern=PATTERN)
def test_like_agrees_with_the_shell(text: str, pattern: str) -> None:
    assert like_match(text, parts(pattern)) is fnmatch.fnmatchcase(text, pattern)


def test_like_does_not_backtrack() -> None:
    """A pattern that makes a backtracking matcher run for ever."""
    assert not like_match("a" * 50_000, parts("a*" * 60 + "b"))


@settings(max_examples=100, deadline=None)
@given(
    born=st.dates(date(1900, 1, 1), date(2030, 1, 1)),
    today=st.dates(date(1970, 1, 2), date(2060, 1, 1)),
    years=st.integers(0, 90),
    op=st.sampled_from(["<", "<=", ">", ">=", "==", "!="]),
)
def test_age_horizon_is_the_first_change(born: date, today: date, years: int, op: str) -> None:
    f = Facts()
    f.now_us = midnight_us(today)

    value = age_compare(f, op, born, 12 * years)

    later = Facts()
    horizon = f.horizon_us
    later.now_us = horizon if horizon is not None else midnight_us(date(2300, 1, 1))
    assert age_compare(later, op, born, 12 * years) is (value if horizon is None else not value)
    if horizon is not None:
        later.now_us = horizon - 1
        assert age_compare(later, op, born, 12 * years) is value


@pytest.mark.parametrize(
    ("born", "today", "years"),
    [
        (date(2012, 2, 29), date(2026, 2, 28), 13),
        (date(2012, 2, 29), date(2026, 3, 1), 14),
        (date(2012, 2, 29), date(2028, 2, 29), 16),
        (date(2010, 5, 1), date(2026, 4, 30), 15),
        (date(2010, 5, 1), date(2026, 5, 1), 16),
        (date(2030, 1, 1), date(2026, 5, 1), -4),
    ],
)
def test_age_is_completed_calendar_years(born: date, today: date, years: int) -> None:
    assert age_months(born, midnight_us(today)) == 12 * years


@pytest.mark.parametrize(
    ("left", "right", "order"),
    [
        ("2", "10", -1),
        ("2.1", "2.01", 0),
        ("2026-03", "2026-3", 0),
        ("5a", "5", 1),
        ("5", "5.1", -1),
        (None, "5", None),
    ],
)
def test_notices_compare_part_by_part(
    left: str | None, right: str | None, order: int | None
) -> None:
    assert notice_order(left, right) == order


def test_calendar_and_exact_lengths_have_no_order() -> None:
    assert duration_order(Duration(months=1), Duration(micros=1)) is None
    assert duration_order(Duration(months=12), Duration(months=13)) == -1
    assert duration_order(Duration(micros=2), Duration(micros=1)) == 1


def test_shift_is_absent_outside_the_calendar() -> None:
    assert shift(midnight_us(date(9999, 12, 31)), Duration(months=1), 1) is None
    assert shift(None, Duration(months=1), 1) is None


@settings(max_examples=300, deadline=None)
@given(
    early=st.integers(0, 4 * 365 * 24).map(lambda hour: hour * 3_600_000_000),
    hours=st.integers(0, 96),
    months=st.integers(1, 30),
    sign=st.sampled_from([1, -1]),
)
def test_a_shift_keeps_the_order_of_times(early: int, hours: int, months: int, sign: int) -> None:
    """Else a second objection could end before the first one does."""
    length = Duration(months=months)
    start = midnight_us(date(2023, 1, 1))
    first = NAMESPACE["shift"](start + early, length, sign)
    second = NAMESPACE["shift"](start + early + hours * 3_600_000_000, length, sign)

    assert first <= second  # type: ignore[operator]  # both are times


def test_a_name_that_nobody_declares_lies_within_nothing() -> None:
    for name, indices in (("name_indices", {"service": 3}), ("known_indices", {"service": {3}})):
        found = NAMESPACE[name](("mystery",), indices)

        assert not NAMESPACE["within"](found, {3})
        assert NAMESPACE["within"](NAMESPACE[name](("service",), indices), {3})


def test_networks_do_not_mix_versions() -> None:
    f = Facts()
    f.now_us = 0
    rows = ((4, 0, 2**32 - 1, ()),)

    assert in_networks(f, ip_address("255.255.255.255"), rows)
    assert not in_networks(f, ip_address("::1"), rows)


def test_dated_network_counts_only_in_its_time() -> None:
    f = Facts()
    f.now_us = 5
    rows = ((4, 0, 2**32 - 1, ((7, None),)),)

    assert not in_networks(f, ip_address("10.0.0.1"), rows)
    assert f.horizon_us == 7


@pytest.mark.parametrize("hour", range(24))
def test_clock_boundaries_are_seen_on_a_day_the_clocks_change(hour: int) -> None:
    """26 October 2025: Berlin has the hour from 02:00 twice."""
    zone = ZoneInfo("Europe/Berlin")
    now = time_us(datetime.fromisoformat(f"2025-10-25T{hour:02}:30:00Z"))
    for low, high in ((150, 240), (120, 180), (1320, 150)):
        f, step = Facts(), Facts()
        f.now_us = now
        value = clock_between(f, zone, low, high)
        step.now_us = now
        while clock_between(step, zone, low, high) is value:
            step.now_us += 60_000_000 * 30
        assert f.horizon_us == step.now_us


def test_every_operator_is_documented() -> None:
    assert all(function.__doc__ for function in NAMESPACE.values())
