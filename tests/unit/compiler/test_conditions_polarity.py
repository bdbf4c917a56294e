"""Consent polarity: what may stand where, and the four forms of a condition."""

from __future__ import annotations

import pytest

from consentry.compiler.conditions import ConditionCompiler, ConditionRole
from consentry.compiler.symbols import Symbols
from consentry.model.consent import Standing
from tests.support.conditions_world import View, compile_world, compiled, expression, facts, us

R = ConditionRole


@pytest.fixture(scope="module")
def symbols() -> Symbols:
    return compile_world()


def codes(symbols: Symbols, text: str, role: R, *, is_unless: bool = False) -> list[str]:
    compiler = ConditionCompiler(symbols)
    whens, unlesses = ([], [expression(text)]) if is_unless else ([expression(text)], [])
    compiler.compile_condition(whens=whens, unlesses=unlesses, regime="local", role=role)
    return [d.code for d in compiler.diagnostics]


NARROWING = [
    "consent.said_no",
    "rights.objected",
    "rights.erased",
    "rights.objected_at > 2026-01-01",
]
WIDENING = [
    "consent.jointly",
    "rights.held",
    "consented(service)",
    "rights.objected_at < 2026-01-01",
]


@pytest.mark.parametrize("role", [R.FORBID, R.MASK, R.NEVER])
@pytest.mark.parametrize("text", NARROWING)
def test_refusals_may_make_a_forbid_fire(symbols: Symbols, text: str, role: R) -> None:
    assert codes(symbols, text, role) == []
    assert codes(symbols, f"not ({text})", role) == ["C450"]
    assert codes(symbols, text, role, is_unless=True) == ["C450"]
    assert codes(symbols, f"not not ({text}) and action == read", role) == []


@pytest.mark.parametrize("role", [R.PERMIT, R.EXCEPTION])
@pytest.mark.parametrize("text", NARROWING)
def test_refusals_may_make_a_permit_fail(symbols: Symbols, text: str, role: R) -> None:
    assert codes(symbols, text, role) == ["C450"]
    assert codes(symbols, f"not ({text})", role) == []
    assert codes(symbols, text, role, is_unless=True) == []


@pytest.mark.parametrize("text", WIDENING)
def test_consents_do_the_reverse(symbols: Symbols, text: str) -> None:
    assert codes(symbols, text, R.PERMIT) == []
    assert codes(symbols, f"not ({text})", R.FORBID) == []
    assert codes(symbols, text, R.FORBID) in (["C451"], ["C450"])
    assert codes(symbols, f"not ({text})", R.PERMIT) in (["C451"], ["C450"])


@pytest.mark.parametrize("role", [R.PERMIT, R.FORBID, R.MASK, R.OBLIGE])
@pytest.mark.parametrize(
    "text", ["consent.given", "not consent.given", "consent is explicit", "consent.given_at < now"]
)
def test_the_consent_asked_about_is_free(symbols: Symbols, text: str, role: R) -> None:
    assert codes(symbols, text, role) == []


@pytest.mark.parametrize("text", [*NARROWING, *WIDENING, "rights.objected_at == 2026-01-01"])
def test_an_oblige_may_read_anything(symbols: Symbols, text: str) -> None:
    assert codes(symbols, text, R.OBLIGE) == []
    assert codes(symbols, f"not ({text})", R.OBLIGE) == []


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("consent.given", "C452"),
        ("consent is explicit", "C452"),
        ("consented(service)", "C452"),
        ("rights.objected", "C452"),
        ("action == read", "T323"),
        ('recipient.country == "DE"', "T323"),
        ('principal.id == "x"', "T323"),
    ],
)
def test_governs_reads_the_person_the_controller_and_the_time(
    symbols: Symbols, text: str, code: str
) -> None:
    assert codes(symbols, text, R.GOVERNS) == [code]
    assert codes(symbols, 'subject.country == "DE" or controller.country == "DE"', R.GOVERNS) == []


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("rights.opted_out_at > rights.opted_in_at", []),
        ("rights.opted_in_at > rights.opted_out_at", ["C451"]),
        ("rights.objected_at + 30 days > now", []),
        ("now < rights.objected_at + 30 days", []),
        ("now > rights.objected_at + 30 days", ["C450"]),
        ("now - rights.objected_at < 30 days", []),
        ("now - rights.objected_at > 30 days", ["C450"]),
        ("has rights.objected_at", []),
        ("rights.objected == rights.erased", ["C453"]),
        ("rights.objected == false", ["C450"]),
        ("rights.objected_at between 2026-01-01 and 2026-02-01", ["C450"]),
        ("rights.objected_at in [2026-01-01]", ["C453"]),
        ("rights.objected_at in subject.visits", ["C453"]),
        ("not (rights.objected_at + 1 days in subject.visits)", ["C453"]),
    ],
)
def test_in_a_comparison_the_side_counts(symbols: Symbols, text: str, wanted: list[str]) -> None:
    assert codes(symbols, text, R.FORBID) == wanted


def test_an_objection_never_makes_a_forbid_fail(symbols: Symbols) -> None:
    """A right that is not in force lies before every time; as an unknown it would deny, and an old
    objection would then permit."""
    condition, run = compiled(symbols, "rights.objected_at > 2026-03-01", R.FORBID)

    without = run(condition.code, facts(symbols))
    old = run(condition.code, facts(symbols, view=View(objected=us("2026-01-01T00:00:00Z"))))
    new = run(condition.code, facts(symbols, view=View(objected=us("2026-04-01T00:00:00Z"))))

    assert (without, old, new) == (0, 0, 2)


def test_a_right_never_used_is_not_older_than_a_consent_nobody_gave(symbols: Symbols) -> None:
    condition, run = compiled(symbols, "consent.given_at > rights.objected_at", R.PERMIT)

    assert run(condition.code, facts(symbols)) == 1


@pytest.mark.parametrize(
    ("role", "text", "forms"),
    [
        (R.PERMIT, "consent.given and action == read", (0, 2, 2, 0)),
        (R.PERMIT, "consent.given and action == write", (0, 0, 0, 0)),
        (R.PERMIT, "not rights.objected", (2, 2, 2, 0)),
        (R.PERMIT, "consent.given_at > 2020-01-01", (1, 2, 2, 0)),
        (R.FORBID, "not consent.given", (2, 0, 0, 2)),
        (R.FORBID, "rights.objected or action == write", (0, 0, 0, 2)),
        (R.FORBID, "not (consent is explicit) and data is customer.email", (2, 0, 0, 2)),
        (R.FORBID, "not consented(service)", (2, 0, 0, 2)),
    ],
)
def test_forms_of_a_condition(
    symbols: Symbols, role: R, text: str, forms: tuple[int, int, int, int]
) -> None:
    condition, run = compiled(symbols, text, role)
    f = facts(symbols)

    numbers = (condition.code, condition.if_consented, condition.at_best, condition.at_worst)

    assert tuple(run(number, f) for number in numbers) == forms
    assert condition.reads_rights is ("rights" in text)
    assert condition.reads_consent is ("consent" in text)


def test_forms_are_one_where_nothing_of_the_ledger_is_read(symbols: Symbols) -> None:
    condition, _ = compiled(symbols, 'subject.country == "DE"', R.PERMIT)

    assert condition.code == condition.if_consented == condition.at_best == condition.at_worst
    assert condition.reads == ("subject.country",)


def test_consented_is_asked_of_the_engine(symbols: Symbols) -> None:
    condition, run = compiled(symbols, "consented(marketing.sms, explicit)", R.PERMIT)
    asked: list[object] = []

    def answer(index: int, words: frozenset[str]) -> int:
        asked.append((index, words))
        return 2

    f = facts(symbols, consented=answer)

    assert run(condition.code, f) == 2
    assert asked == [(symbols.purpose_names["marketing.sms"], frozenset({"explicit"}))]


def test_quality_is_a_fact_of_the_consent(symbols: Symbols) -> None:
    condition, run = compiled(symbols, "consent is explicit", R.PERMIT)
    given = Standing(event_id="e", position=1, given_at_us=1, qualities=frozenset({"explicit"}))

    assert run(condition.code, facts(symbols)) == 0
    assert run(condition.code, facts(symbols, standing=given)) == 2
