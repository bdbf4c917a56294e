"""Proofs of promises: proven, refuted by the smallest example, or named as undecided."""

from __future__ import annotations

from datetime import date

from consentry.author.as_test import case_as_test
from consentry.author.policy_tests import run_policy_tests
from consentry.author.prove import PromiseOutcome, Verdict, prove
from consentry.model.decision import Effect
from consentry.model.values import midnight_us
from tests.support.compiling import compile_files, compile_text, program_of

SINCE_US = midnight_us(date(2026, 5, 1))
WORLD = """\
attributes subject { country: text?, born: date? }
attributes context { ticket: text?, level: number = 1, note: text?, hint: text? }
data customer { email as user.contact.email  health as user.health_and_medical }
purpose support { basis contract }
purpose news is direct_marketing { basis consent }
permit answer { who role "support" may read data customer.email for support }
permit write { who service "mailer" may contact data customer.email for news via email }
"""


def outcome(text: str, limit: int = 100_000) -> PromiseOutcome:
    (found,) = prove(compile_text(WORLD + text), since_us=SINCE_US, limit=limit)
    return found


def verdict(text: str) -> Verdict:
    return outcome(text).verdict


def test_promise_that_no_permit_reaches_is_proven() -> None:
    found = outcome("never sold { may sell }")

    assert (found.verdict, found.case_count) == (Verdict.PROVEN, 0)


def test_promise_is_refuted_by_a_permit_that_breaks_it() -> None:
    found = outcome("never read { may read }")

    assert found.verdict is Verdict.REFUTED
    assert found.decision is not None
    assert found.decision.effect is Effect.PERMIT


def test_promise_is_proven_by_the_forbid_that_keeps_it() -> None:
    promise = "never children { for news when age(subject.born) < 16 years }\n"

    assert verdict(promise) is Verdict.REFUTED
    kept = "forbid kids { for news unless has subject.born and age(subject.born) >= 16 years }\n"
    assert verdict(promise + kept) is Verdict.PROVEN


def test_boundary_off_by_one_day_is_found() -> None:
    promise = "never children { for news when subject.born >= 2010-05-01 }\n"
    forbid = "forbid kids {{ for news unless has subject.born and subject.born < {} }}\n"

    assert verdict(promise + forbid.format("2010-05-01")) is Verdict.PROVEN
    assert verdict(promise + forbid.format("2010-05-02")) is Verdict.REFUTED


def test_unknown_fact_breaks_a_promise_that_does_not_say_has() -> None:
    kept = "forbid kids { for news when has subject.born and age(subject.born) < 16 years }\n"

    assert verdict(kept + "never a { for news when age(subject.born) < 16 years }") is (
        Verdict.REFUTED
    )
    known = "never a { for news when has subject.born and age(subject.born) < 16 years }"
    assert verdict(kept + known) is Verdict.PROVEN


def test_promise_about_consent_is_proven_by_the_regime() -> None:
    assert verdict("never unasked { for news unless consent.given }") is Verdict.PROVEN
    assert verdict("never vague { for news unless consent is explicit }") is Verdict.REFUTED


def test_promise_about_a_right_is_proven_by_the_regime_that_honours_it() -> None:
    assert verdict("never after_no { for news when rights.objected }") is Verdict.PROVEN
    assert verdict("never after_no { for support when rights.opted_out }") is Verdict.REFUTED


def test_promise_broken_from_a_date_on_is_found() -> None:
    later = "permit late { who anyone may sell data customer.email for support from 2027-01-01 }\n"

    found = outcome(later + "never sold { may sell }")

    assert found.verdict is Verdict.REFUTED
    assert found.example is not None
    assert found.example.now_us == midnight_us(date(2027, 1, 1))


def test_promise_broken_in_the_past_only_holds_from_now_on() -> None:
    past = "permit was { who anyone may sell data customer.email for support until 2026-01-01 }\n"

    assert verdict(past + "never sold { may sell }") is Verdict.PROVEN


def test_exception_breaks_a_promise_until_it_ends() -> None:
    rules = (
        "forbid no_reading { may read }\n"
        'exception audit { lifts no_reading owner "x" cite "y" until 2027-01-01 }\n'
        "never read { may read }"
    )

    assert verdict(rules) is Verdict.REFUTED
    assert verdict(rules.replace("2027-01-01", "2026-02-01")) is Verdict.PROVEN


def test_example_is_the_smallest_and_runs_as_a_test_that_fails() -> None:
    text = WORLD + 'never mailed "Never by mail" { for news }\n'
    found = outcome('never mailed "Never by mail" { for news }')
    assert found.example is not None

    pasted = case_as_test(
        found.example,
        program_of(compile_text(text)),
        name="never_mailed",
        title="Never by mail",
        effect=Effect.DENY,
    )

    report = run_policy_tests(compile_files({"a.policy": text, "b.policy": pasted}))
    assert "subject {" not in pasted
    assert pasted.count("given") == 1
    assert [test.is_passed for test in report.outcomes] == [False]
    assert report.outcomes[0].checks[0].decision is not None


def test_what_has_no_end_is_named_with_its_place() -> None:
    found = outcome("never wide { for news unless consent.data overlaps [customer.email] }")

    assert found.verdict is Verdict.UNDECIDED
    assert found.why.startswith("not finite: `consent.data` may name anything")


def test_too_many_cases_are_named_and_not_sampled() -> None:
    text = "never written { for news unless consent.given and context.level > 3 }"

    found = outcome(text, limit=1)

    assert found.verdict is Verdict.UNDECIDED
    assert found.why.startswith("too large: ")
    assert "contact customer.email for news" in found.why


def test_same_set_gives_the_same_numbers() -> None:
    text = "never unasked { for news unless consent.given and context.level > 3 }"

    assert outcome(text).case_count == outcome(text).case_count
