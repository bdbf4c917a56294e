"""What a review found in the ledger's reading: each test fails where an answer permits too much."""

from __future__ import annotations

from consentry.author.policy_tests import run_policy_tests
from tests.support.compiling import compile_text

DATA = "data customer { email as user.contact.email }\n"
PERMIT = "permit all_of_it { who anyone may read, contact data customer for anything }\n"
ASK = 'check service "x" may read customer.email for'


def differences(text: str) -> list[str]:
    """What the policy tests in `text` expected and did not get."""
    report = run_policy_tests(compile_text(text))
    return [d for outcome in report.outcomes for check in outcome.checks for d in check.differences]


def test_withdrawing_does_not_bring_forth_a_consent_to_a_child() -> None:
    """Promise 5: DENY without the withdrawal, PERMIT with it."""
    text = f"""{DATA}{PERMIT}
    purpose p {{ basis consent purpose c }}
    regime r {{ permit g {{ basis consent when consent is explicit }} }}
    test without {{
        given gave p on 2026-01-01
        given gave p.c is explicit on 2026-01-03
        at 2026-02-01 {ASK} p expect deny
    }}
    test with_it {{
        given gave p on 2026-01-01
        given withdrew p on 2026-01-02
        given gave p.c is explicit on 2026-01-03
        at 2026-02-01 {ASK} p expect deny
    }}"""

    assert differences(text) == []


def test_consent_to_a_path_does_not_reach_a_standard_key_of_the_same_name() -> None:
    """`marketing` is the author's newsletter here; `partner_ads` is no child of it."""
    text = f"""{DATA}{PERMIT}
    purpose marketing "Our newsletter" as marketing {{ basis consent }}
    purpose partner_ads as marketing.advertising.third_party {{ basis consent }}
    test leak {{
        given gave marketing on 2026-01-01
        at 2026-02-01 {ASK} partner_ads expect deny consent_missing
    }}"""

    assert differences(text) == []


def test_consent_for_a_channel_does_not_cover_another_that_is_named() -> None:
    text = f"""{DATA}{PERMIT}
    purpose p {{ basis consent }}
    test another_channel {{
        given gave p via email on 2026-01-01
        at 2026-02-01 {ASK} p via sms expect deny consent_scope_channel
    }}"""

    assert differences(text) == []


def test_consent_for_a_recipient_does_not_cover_another_that_is_named() -> None:
    text = f"""{DATA}{PERMIT}
    purpose p {{ basis consent }}
    test recipient {{
        given gave p to recipient "a" on 2026-01-01
        at 2026-02-01 {ASK} p to recipient "b" expect deny consent_scope_recipient
    }}"""

    assert differences(text) == []


def test_consent_for_one_category_does_not_cover_what_a_field_reveals_besides() -> None:
    text = f"""data customer {{ email as user.contact.email, user.health_and_medical }}
    {PERMIT}
    purpose p {{ basis consent }}
    test category {{
        given gave p data user.contact on 2026-01-01
        at 2026-02-01 {ASK} p expect deny consent_scope_category
    }}"""

    assert differences(text) == []
