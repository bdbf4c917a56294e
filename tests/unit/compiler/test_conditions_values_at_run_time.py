"""Expressions against facts: what each operator gives, and until when."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from ipaddress import ip_address
from typing import Any

import pytest

from consentry.compiler.symbols import Symbols
from consentry.model.consent import Author, ConsentState, Standing
from consentry.model.values import Duration, datetime_of, midnight_us
from tests.support.conditions_world import NOW, View, compile_world, compiled, evaluate, facts, us


@pytest.fixture(scope="module")
def symbols() -> Symbols:
    return compile_world()


YES, UNSURE, NO = 2, 1, 0
TABLE: list[tuple[str, dict[str, Any], int]] = [
    ('subject.country == "DE"', {"subject": {"country": "DE"}}, YES),
    ('subject.country == "DE"', {"subject": {"country": "FR"}}, NO),
    ('subject.country == "DE"', {}, UNSURE),
    ('not subject.country == "DE"', {}, UNSURE),
    ('subject.country != "DE"', {"subject": {"country": "FR"}}, YES),
    ("principal.team == subject.country", {"principal": {"team": "a"}}, UNSURE),
    (
        "principal.team == subject.country",
        {"principal": {"team": "a"}, "subject": {"country": "a"}},
        YES,
    ),
    ("context.tries > 2", {"context": {"tries": Decimal("2.5")}}, YES),
    ("context.tries >= 2.5", {"context": {"tries": Decimal("2.5")}}, YES),
    ("context.tries between 1 and 3", {"context": {"tries": 3}}, NO),
    ("context.tries between 1 and 3", {"context": {"tries": 1}}, YES),
    ("subject.vip", {"subject": {"vip": True}}, YES),
    ("subject.vip == false", {"subject": {"vip": True}}, NO),
    ("subject.vip", {}, UNSURE),
    ("has subject.vip", {}, NO),
    ("has subject.vip", {"subject": {"vip": False}}, YES),
    ("has channel", {}, NO),
    ("subject.country in eea", {"subject": {"country": "FR"}}, YES),
    ("subject.country in eea", {"subject": {"country": "US"}}, NO),
    ("subject.country in eea", {"subject": {"country": "BR"}}, YES),
    ("subject.country in eea", {"subject": {"country": "GB"}}, NO),
    ('subject.country in ["US", "CA"]', {"subject": {"country": "CA"}}, YES),
    ("context.ip in offices", {"context": {"ip": ip_address("10.9.9.9")}}, YES),
    ("context.ip in offices", {"context": {"ip": ip_address("192.168.1.2")}}, NO),
    ('context.ip in "10.0.0.0/8"', {"context": {"ip": ip_address("::a00:1")}}, NO),
    ('context.ip == "10.0.0.1"', {"context": {"ip": ip_address("10.0.0.1")}}, YES),
    ('context.ticket like "TEST-*"', {"context": {"ticket": "TEST-1"}}, YES),
    ('context.ticket like "a?c"', {"context": {"ticket": "abc"}}, YES),
    ('context.ticket like "a*b*c"', {"context": {"ticket": "a-b-bc"}}, YES),
    ('context.ticket like "ab*ba"', {"context": {"ticket": "aba"}}, NO),
    ("subject.country in []", {}, UNSURE),
    ("subject.country in []", {"subject": {"country": "DE"}}, NO),
    ("context.ip in []", {}, UNSURE),
    ("action == read", {}, YES),
    ("action is looking", {}, YES),
    ("action in [write, contact]", {}, NO),
    ("channel == email", {"channel": "email"}, YES),
    ("channel == email", {}, UNSURE),
    ("channel is electronic", {"channel": "post"}, NO),
    ("purpose is marketing", {}, YES),
    ("purpose is promotional", {"purpose": "service"}, NO),
    ("purpose == marketing", {}, NO),
    ("purpose in [service, marketing]", {}, YES),
    ("data is customer.health", {"leaf": "customer.health.blood"}, YES),
    ("data in secret", {"leaf": "customer.health.blood"}, YES),
    ("data in secret", {}, NO),
    ("data == customer.email", {}, YES),
    ("principal.type == service", {}, YES),
    ('"eng" in principal.roles', {"principal_roles": ("eng", "ops")}, YES),
    ('"eng" in principal.roles', {}, UNSURE),
    ('subject.langs overlaps ["de", "en"]', {"subject": {"langs": ("fr", "en")}}, YES),
    ('subject.langs within ["de", "en"]', {"subject": {"langs": ("fr", "en")}}, NO),
    ('["de"] within subject.langs', {"subject": {"langs": ("de", "en")}}, YES),
    ("subject.langs within eea", {"subject": {"langs": ("BR",)}}, YES),
    ("subject.langs overlaps eea", {"subject": {"langs": ("GB",)}}, NO),
    ("purpose in resource.collected_for", {"collected_for": ("marketing",)}, YES),
    ("purpose in resource.collected_for", {"collected_for": ("service",)}, NO),
    ("resource.collected_on == contract", {"collected_on": "contract"}, YES),
    ("age(subject.born) < 16 years", {"subject": {"born": date(2010, 5, 2)}}, YES),
    ("age(subject.born) < 16 years", {"subject": {"born": date(2010, 5, 1)}}, NO),
    ("age(subject.born) == 16 years", {"subject": {"born": date(2009, 5, 2)}}, YES),
    (
        "age(subject.born) between 13 years and 16 years",
        {"subject": {"born": date(2012, 1, 1)}},
        YES,
    ),
    ("subject.born < 2010-01-01", {"subject": {"born": date(2009, 12, 31)}}, YES),
    ("subject.joined + 2 years < now", {"subject": {"joined": us("2024-05-01T08:00:00Z")}}, YES),
    ("subject.joined + 2 years < now", {"subject": {"joined": us("2024-05-01T09:00:00Z")}}, NO),
    ("now - subject.joined > 30 days", {"subject": {"joined": us("2026-04-01T08:00:00Z")}}, YES),
    ("now - subject.joined > 30 days", {"subject": {"joined": us("2026-04-01T09:00:00Z")}}, NO),
    ("now - subject.joined > 29 days", {"subject": {"joined": us("2026-04-01T09:00:00Z")}}, YES),
    ("now - 1 months >= 2026-04-01", {}, YES),
    ('now between 09:00 and 17:00 in "Europe/Berlin"', {}, YES),
    ('now between 22:00 and 09:00 in "UTC"', {}, NO),
    ("context.wait > 30 days", {"context": {"wait": Duration(micros=31 * 86_400_000_000)}}, YES),
    ("context.wait > 30 days", {"context": {"wait": Duration(months=2)}}, UNSURE),
    ("2026-01-01 in context.days", {"context": {"days": (date(2026, 1, 1),)}}, YES),
]


@pytest.mark.parametrize(("text", "given", "expected"), TABLE)
def test_expression_gives_its_value(
    symbols: Symbols, text: str, given: dict[str, Any], expected: int
) -> None:
    assert evaluate(symbols, text, facts(symbols, **given)) == expected
    assert evaluate(symbols, f"not ({text})", facts(symbols, **given)) == 2 - expected


STANDING = Standing(
    event_id="e",
    position=1,
    given_at_us=us("2026-03-01T00:00:00Z"),
    notice="2026-03",
    by=Author.GUARDIAN,
    qualities=frozenset({"explicit"}),
    data=("customer.health",),
)


@pytest.mark.parametrize(
    ("text", "given", "expected"),
    [
        ("consent.given", {"standing": STANDING}, YES),
        ("consent.given", {}, NO),
        ("consent.by == guardian", {"standing": STANDING}, YES),
        ("consent.by == guardian", {}, UNSURE),
        ('consent.notice >= "2026-2"', {"standing": STANDING}, YES),
        ("consent.given_at < now", {"standing": STANDING}, YES),
        ("has consent.expires_at", {"standing": STANDING}, NO),
        ("consent.jointly", {"standing": STANDING}, NO),
        ("consent.said_no", {"state": ConsentState(said_no=True)}, YES),
        ("data in consent.data", {"standing": STANDING, "leaf": "customer.health.blood"}, YES),
        ("data in consent.data", {"standing": STANDING}, NO),
        ("consent.data overlaps secret", {"standing": STANDING}, YES),
        ("rights.objected", {"view": View(objected=us("2026-04-01T00:00:00Z"))}, YES),
        ("rights.objected", {}, NO),
        (
            "rights.objected_at > 2026-03-01",
            {"view": View(objected=us("2026-04-01T00:00:00Z"))},
            YES,
        ),
        ("rights.objected_at > 2026-03-01", {}, NO),
        ("rights.objected_at < consent.given_at", {}, UNSURE),
        ("consent.given_at > rights.objected_at", {"standing": STANDING}, YES),
        ("rights.objected_at > consent.given_at", {"view": View(objected=5)}, UNSURE),
        ("rights.held_at + 30 days > now", {"view": View(held=us("2026-04-20T00:00:00Z"))}, YES),
    ],
)
def test_ledger_facts_give_their_value(
    symbols: Symbols, text: str, given: dict[str, Any], expected: int
) -> None:
    assert evaluate(symbols, text, facts(symbols, **given)) == expected


@pytest.mark.parametrize(
    ("text", "given", "instant"),
    [
        ("now < 2026-06-01", {}, "2026-06-01T00:00:00Z"),
        ("now <= 2026-06-01", {}, "2026-06-01T00:00:00.000001Z"),
        ("now > 2026-04-01", {}, None),
        ("2026-06-01 <= now", {}, "2026-06-01T00:00:00Z"),
        ("now == 2026-06-01", {}, "2026-06-01T00:00:00Z"),
        (
            "subject.joined + 1 months > now",
            {"subject": {"joined": us(NOW)}},
            "2026-06-01T09:00:00Z",
        ),
        ("now - 1 months >= 2026-04-30", {}, "2026-05-30T00:00:00Z"),
        ("now + 30 days < 2026-06-15", {}, "2026-05-16T00:00:00Z"),
        ("now - subject.joined < 1 days", {"subject": {"joined": us(NOW)}}, "2026-05-02T09:00:00Z"),
        (
            "age(subject.born) < 16 years",
            {"subject": {"born": date(2010, 5, 2)}},
            "2026-05-02T00:00:00Z",
        ),
        ("age(subject.born) < 16 years", {"subject": {"born": date(2000, 5, 2)}}, None),
        (
            "age(subject.born) <= 16 years",
            {"subject": {"born": date(2010, 2, 1)}},
            "2027-02-01T00:00:00Z",
        ),
        (
            "age(subject.born) < 18 years",
            {"subject": {"born": date(2012, 2, 29)}},
            "2030-03-01T00:00:00Z",
        ),
        ('now between 09:00 and 17:00 in "Europe/Berlin"', {}, "2026-05-01T15:00:00Z"),
        ('now between 22:00 and 06:00 in "UTC"', {}, "2026-05-01T22:00:00Z"),
        (
            'subject.country in ["DE" until 2026-07-01]',
            {"subject": {"country": "DE"}},
            "2026-07-01T00:00:00Z",
        ),
        ('subject.country in ["DE" until 2026-07-01]', {"subject": {"country": "FR"}}, None),
        ("action == write and now < 2026-06-01", {}, None),
        ("action == read and now < 2026-06-01", {}, "2026-06-01T00:00:00Z"),
    ],
)
def test_horizon_is_the_first_change(
    symbols: Symbols, text: str, given: dict[str, Any], instant: str | None
) -> None:
    f = facts(symbols, **given)

    before = evaluate(symbols, text, f)

    assert f.horizon_us == (None if instant is None else us(instant))
    if f.horizon_us is not None:
        at = facts(symbols, **given)
        at.now_us = f.horizon_us
        assert evaluate(symbols, text, at) != before
        at.now_us = f.horizon_us - 1
        assert evaluate(symbols, text, at) == before


def test_clock_horizon_respects_a_change_of_the_clocks(symbols: Symbols) -> None:
    """In the night to 29 March 2026 Berlin has no 02:30; the span begins where the clocks jump."""
    f = facts(symbols, now="2026-03-29T00:30:00Z")

    assert evaluate(symbols, 'now between 02:30 and 04:00 in "Europe/Berlin"', f) == NO
    assert f.horizon_us == us("2026-03-29T01:00:00Z")


def test_age_turns_on_first_of_march_for_leap_day_births(symbols: Symbols) -> None:
    born = {"born": date(2010, 2, 28).replace(year=2012, month=2, day=29)}
    text = "age(subject.born) >= 14 years"

    assert evaluate(symbols, text, facts(symbols, "2026-02-28T23:59:59Z", subject=born)) == NO
    assert evaluate(symbols, text, facts(symbols, "2026-03-01T00:00:00Z", subject=born)) == YES


def test_time_that_leaves_the_calendar_is_unknown(symbols: Symbols) -> None:
    late = {"joined": midnight_us(date(9999, 12, 31))}

    assert evaluate(symbols, "subject.joined + 2 years < now", facts(symbols, subject=late)) == 1


def test_shifted_now_agrees_with_a_walk_over_all_days(symbols: Symbols) -> None:
    """Around a leap day months do not keep the order of days; the horizon must see every change."""
    for months in (1, 12, 13):
        text = f"now - {months} months >= subject.joined"
        condition, run = compiled(symbols, text)
        for start in ("2024-01-27", "2024-02-27", "2025-02-26"):
            joined = midnight_us(date.fromisoformat(start))
            now = shift_days(joined, 20 * months)
            for _ in range(60):
                f = facts(symbols, subject={"joined": joined})
                f.now_us = now
                value = run(condition.code, f)
                following = facts(symbols, subject={"joined": joined})
                following.now_us = now = shift_days(now, 1)
                if run(condition.code, following) != value:
                    assert f.horizon_us is not None
                    assert f.horizon_us <= now
                else:
                    assert f.horizon_us is None or f.horizon_us > following.now_us


def shift_days(at_us: int, days: int) -> int:
    return at_us + days * 86_400_000_000


def test_dates_are_read_in_utc() -> None:
    assert datetime_of(midnight_us(date(2026, 1, 1))).isoformat() == "2026-01-01T00:00:00+00:00"
