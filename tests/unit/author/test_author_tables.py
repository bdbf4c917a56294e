"""Tables of cases: one check in many rows, each with its own facts and its own expectation."""

from __future__ import annotations

from consentry.author.policy_tests import TestReport, run_policy_tests
from consentry.diagnostics.span import Source
from consentry.lang.parse import parse_module
from consentry.lang.printer import format_module
from tests.support.compiling import compile_files

RULES = """\
attributes principal { region: text? }
attributes subject { country: text?, born: date? }
data customer { email phone }
purpose support { basis contract }
purpose news { basis consent }
permit write {
    who  service "mailer"
    may  contact
    data customer.email
    for  news, support
    via  email, sms
    when has subject.country and subject.country in ["DE", "FR"]
}
forbid kids { for news unless has subject.born and age(subject.born) >= 16 years }
forbid far { when has principal.region and principal.region == "far" }
forbid late { for support from 2027-01-01 }
"""
CHECK = (
    'check service "mailer" { region = "near" } may contact customer.email for support via email'
)


def report(body: str, given: str = "") -> TestReport:
    test = f"test one {{ {given} at 2026-05-01 {CHECK} cases {body} }}"
    return run_policy_tests(compile_files({"a.policy": RULES, "b.policy": test}))


def differences(body: str, given: str = "") -> list[tuple[str, ...]]:
    return [check.differences for check in report(body, given).outcomes[0].checks]


def test_each_row_is_a_check_of_its_own() -> None:
    told = report(
        'subject.country { given "DE" expect permit given "US" expect permit '
        'given "FR" expect permit }'
    )

    assert [check.is_passed for check in told.outcomes[0].checks] == [True, False, True]
    assert told.check_count == 3


def test_cell_overrules_what_is_given_to_all() -> None:
    given = 'given subject { country = "US" }'

    assert differences('subject.country { given "DE" expect permit }', given) == [()]


def test_absent_takes_away_what_is_given_to_all() -> None:
    given = 'given subject { country = "DE" }'

    found = differences("subject.country { given absent expect deny condition_not_met }", given)

    assert found == [()]


def test_cell_overrules_a_fact_of_the_check() -> None:
    given = 'given subject { country = "DE" }'
    body = 'principal.region { given "far" expect deny far given absent expect permit }'

    assert differences(body, given) == [(), ()]


def test_columns_vary_what_is_asked() -> None:
    given = 'given subject { country = "DE" }'
    body = """action, data, purpose, channel, now {
        given contact, customer.email, support, sms,    2026-05-01 expect permit
        given contact, customer.email, support, absent, 2026-05-01 expect deny channel_not_permitted
        given contact, customer.phone, support, email,  2026-05-01 expect deny data_not_necessary
        given read,    customer.email, support, email,  2026-05-01 expect deny action_not_permitted
        given contact, customer.email, news,    email,  2026-05-01 expect deny kids
        given contact, customer.email, support, email,  2027-01-01 expect deny late
    }"""

    assert differences(body, given) == [()] * 6


def test_failed_row_is_told_with_its_own_line() -> None:
    told = report('subject.country {\ngiven "DE" expect permit\ngiven "US" expect permit\n}')

    (failed,) = [check for check in told.outcomes[0].checks if not check.is_passed]
    assert failed.span.line == 3


def test_rows_stand_in_columns_and_formatting_is_stable() -> None:
    text = (
        f"test one {{ at 2026-05-01 {CHECK} cases subject.country, subject.born {{"
        ' given "DE", 1990-04-01 expect permit  # the first\n'
        " given absent, absent expect deny condition_not_met with a, b } }"
    )
    once = format_module(parse_module(Source("a.policy", text)).module)

    assert format_module(parse_module(Source("a.policy", once)).module) == once
    assert (
        "    cases subject.country, subject.born {\n"
        '        given "DE",   1990-04-01 expect permit  # the first\n'
        "        given absent, absent     expect deny condition_not_met with a, b\n"
        "    }\n"
    ) in once


def test_wide_rows_are_broken_and_formatting_is_stable() -> None:
    country = '"' + "x" * 50 + '"'
    text = (
        f"test one {{ at 2026-05-01 {CHECK} cases subject.country, principal.region {{"
        f" given {country}, {country} expect deny condition_not_met }} }}"
    )
    once = format_module(parse_module(Source("a.policy", text)).module)

    assert format_module(parse_module(Source("a.policy", once)).module) == once
    assert max(map(len, once.splitlines())) <= 100
