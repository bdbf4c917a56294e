"""Policy tests: they pass for what the engine answers, and a failing one says what came out."""

from __future__ import annotations

import pytest

from consentry.author.policy_tests import (
    CheckOutcome,
    TestReport,
    expected_text,
    run_policy_tests,
)
from consentry.author.telling import finding_text
from consentry.compiler.compile import CompileResult, compile_policies
from consentry.diagnostics.span import Source
from consentry.model.decision import Effect, Finding
from consentry.pdp.sources import read_packs
from tests.support.compiling import compile_text

RULES = """\
attributes subject { country: text?, born: date? }
attributes context { ticket: text? }
data customer {
    email as user.contact.email
    phone
}
purpose news is direct_marketing {
    basis consent
    purpose sms
}
purpose support { basis contract }
permit write_to_them {
    who  service "mailer", role "marketer"
    may  contact
    data customer
    for  news
    via  email, sms
}
permit look_up {
    who  role "support"
    may  read
    data customer
    for  support
    when has context.ticket
}
oblige way_out "Say how to stop" { for news }
"""
ASK = 'check service "mailer" may contact customer.email for news via email'


def compiled(tests: str) -> CompileResult:
    sources = [Source("rules.policy", RULES), Source("tests.policy", tests)]
    result = compile_policies(sources, read_packs())
    assert [d.title for d in result.diagnostics if d.is_error] == []
    return result


def report(tests: str) -> TestReport:
    return run_policy_tests(compiled(tests))


def only_check(body: str) -> CheckOutcome:
    (outcome,) = report(f"test one {{\n{body}\n}}").outcomes
    (check,) = outcome.checks
    return check


@pytest.mark.parametrize(
    "body",
    [
        f"at 2026-05-01 {ASK} expect deny consent_missing",
        f"given gave news on 2026-03-10 at 2026-05-01 {ASK} expect permit consent_valid",
        f"given gave news on 2026-03-10 at 2026-05-01 {ASK} expect permit with way_out",
        f"given gave news on 2026-03-10 at 2026-03-09T23:59:59Z {ASK} expect deny consent_missing",
        f"given gave news on 2026-03-10 at 2026-03-10 {ASK} expect permit",
        (
            f"given gave news is unproven on 2026-03-10 at 2026-05-01 {ASK} "
            "expect deny consent_unproven"
        ),
        (
            f"given gave news until 2026-04-01 on 2026-03-10 at 2026-04-01 {ASK} "
            "expect deny consent_expired"
        ),
        (
            f"given gave news on 2026-03-10 given withdrew news on 2026-04-01 at 2026-05-01 {ASK} "
            "expect deny consent_withdrawn"
        ),
        (
            f"given withdrew news on 2026-04-01 given gave news on 2026-03-10 at 2026-05-01 {ASK} "
            "expect deny consent_withdrawn"
        ),
        f"given refused news on 2026-03-10 at 2026-05-01 {ASK} expect deny consent_refused",
        f"given asked news on 2026-03-10 at 2026-05-01 {ASK} expect deny consent_pending",
        (
            f"given gave news received 2026-04-20 on 2026-03-10 at 2026-04-19 {ASK} "
            "expect deny consent_missing"
        ),
        (
            f"given gave news on 2026-03-10 given objected on 2026-04-01 at 2026-05-01 {ASK} "
            "expect deny objected_direct_marketing"
        ),
        (
            f"given gave news on 2026-03-10 given objected on 2026-04-01 "
            f"given lifted_objection on 2026-04-02 at 2026-05-01 {ASK} expect permit"
        ),
        (
            f"given gave news via sms on 2026-03-10 at 2026-05-01 {ASK} "
            "expect deny consent_scope_channel"
        ),
    ],
)
def test_given_events_reach_the_engine(body: str) -> None:
    assert only_check(body).differences == ()


def test_role_asks_as_a_person_with_that_role() -> None:
    check = only_check(
        'given context { ticket = "SR-1" } at 2026-05-01 '
        'check role "support" may read customer.phone for support expect permit'
    )

    assert check.differences == ()


def test_controller_of_a_test_is_the_one_it_gives() -> None:
    rules = RULES + (
        "attributes controller { country: text?, size: number = 1 }\n"
        'mission "We say why." { controller "Acme" in "DE" }\n'
        'forbid not_abroad { for news when controller.country == "US" }\n'
        "forbid not_big { for news when controller.size > 9 }\n"
    )
    ask = f"given gave news on 2026-03-10 at 2026-05-01 {ASK}"
    tests = (
        f"test home {{ {ask} expect permit }}\n"
        f'test abroad {{ given controller {{ country = "US" }} {ask} expect deny not_abroad }}\n'
        f"test big {{ given controller {{ size = 10 }} {ask} expect deny not_big }}\n"
    )

    told = run_policy_tests(
        compile_policies([Source("r.policy", rules), Source("t.policy", tests)], read_packs())
    )

    assert [o.checks[0].differences for o in told.outcomes] == [(), (), ()]


def test_wrong_effect_tells_what_came_out_with_its_place() -> None:
    check = only_check(f"at 2026-05-01 {ASK} expect permit")

    assert check.differences == ("expected permit, the answer is deny consent_missing",)
    assert check.decision is not None
    assert check.decision.effect is Effect.DENY
    assert finding_text(check.decision.findings[0]).startswith("consent_missing")


def test_wrong_reason_is_a_failure() -> None:
    check = only_check(f"at 2026-05-01 {ASK} expect deny consent_expired")

    assert check.differences == (
        "expected the reason consent_expired, the reason is consent_missing",
    )


def test_missing_obligation_is_a_failure() -> None:
    check = only_check(
        'given context { ticket = "SR-1" } at 2026-05-01 '
        'check role "support" may read customer.phone for support expect permit with way_out'
    )

    assert check.differences == ("expected the obligation way_out, the answer carries none",)


def test_report_counts_and_keeps_the_order_of_files() -> None:
    told = report(
        f"test first {{ at 2026-05-01 {ASK} expect permit }}\n"
        f"test second {{ at 2026-05-01 {ASK} expect deny {ASK} expect permit }}\n"
        f"test third {{ at 2026-05-01 {ASK} expect deny }}\n"
    )

    assert [outcome.name for outcome in told.outcomes] == ["first", "second", "third"]
    assert [outcome.name for outcome in told.failed] == ["first", "second"]
    assert told.check_count == 4
    assert not told.is_passed
    assert told.outcomes[1].span.line == 2


def test_only_wanted_tests_run() -> None:
    result = compiled(
        f"test first {{ at 2026-05-01 {ASK} expect permit }}\n"
        f"test second {{ at 2026-05-01 {ASK} expect deny }}\n"
    )

    told = run_policy_tests(result, lambda name: name == "second")

    assert [outcome.name for outcome in told.outcomes] == ["second"]
    assert told.is_passed


def test_unknown_name_in_a_test_is_a_diagnostic_and_no_crash() -> None:
    broken = f"test one {{ at 2026-05-01 {ASK.replace('for news', 'for nwes')} expect deny }}"
    sources = [Source("rules.policy", RULES), Source("tests.policy", broken)]

    result = compile_policies(sources, read_packs())

    assert [d.code for d in result.diagnostics if d.is_error] == ["R203"]
    with pytest.raises(ValueError, match="errors"):
        run_policy_tests(result)


def test_expectation_reads_as_it_was_written() -> None:
    (outcome,) = report(f"test one {{ at 2026-05-01 {ASK} expect permit with way_out }}").outcomes
    assert outcome.checks[0].expected == "permit with way_out"
    assert callable(expected_text)


def test_finding_names_law_rule_place_and_what_was_missing() -> None:
    finding = Finding(
        reason="explicit_consent_required",
        regime="gdpr",
        rule="special_data",
        file="gdpr.policy",
        line=14,
        missing=("subject.born",),
    )

    assert finding_text(finding) == (
        "explicit_consent_required by gdpr.special_data at gdpr.policy:14 "
        "because nobody said subject.born"
    )


def test_report_of_a_set_without_tests_is_empty_and_passed() -> None:
    assert report("# nothing here\n") == TestReport()
    assert report("# nothing here\n").is_passed


def test_rule_about_one_record_sees_its_id() -> None:
    report = run_policy_tests(
        compile_text(
            """\
data customer { email as user.contact.email }
purpose support "Help" { basis contract }
permit answer { who anyone may read data customer.email for support }
forbid sealed { may read when has resource.id and resource.id like "sealed-*" }
test record "One record is sealed" {
    at 2026-05-01T09:00:00Z
    given resource { id = "sealed-1" }
    check service "a" may read customer.email for support
    expect deny
}
test other "Another one is not" {
    at 2026-05-01T09:00:00Z
    given resource { id = "open-1" }
    check service "a" may read customer.email for support
    expect permit
}
"""
        )
    )

    assert [test.is_passed for test in report.outcomes] == [True, True]


@pytest.mark.parametrize(("name", "effect"), [("Acme", "deny"), ("Another", "permit")])
def test_rule_about_the_controller_sees_the_name_that_the_mission_tells(
    name: str, effect: str
) -> None:
    report = run_policy_tests(
        compile_text(
            f"""\
mission "We help" {{ controller "{name}" in "DE" contact "a@acme.example" }}
data customer {{ email as user.contact.email }}
purpose support "Help" {{ basis contract }}
permit answer {{ who anyone may read data customer.email for support }}
forbid acme {{ may read when has controller.name and controller.name == "Acme" }}
test it "It is told" {{
    at 2026-05-01T09:00:00Z
    check service "a" may read customer.email for support
    expect {effect}
}}
"""
        )
    )

    assert [test.is_passed for test in report.outcomes] == [True]
