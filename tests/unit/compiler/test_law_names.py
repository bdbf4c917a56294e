"""What laws say about names: lists of purposes, data that a consent names, standard uses."""

from __future__ import annotations

import pytest

from tests.support.compiling import compile_text, found
from tests.support.policy_tests import broken_claims

HOUSE = """
attributes principal { instructed_for: list of purpose? }
data customer { email as user.contact.email  health as user.health_and_medical { allergies } }
data basket as user.behavior.purchase_history, user.health_and_medical
purpose service { basis contract purpose support purpose billing }
purpose advice { basis consent }
purpose abroad as transfer { basis consent purpose india }
permit work { who anyone may read data customer, basket for service, advice }
"""
INSTRUCTED = (
    HOUSE
    + """
forbid outside { when has principal.instructed_for and not (purpose in principal.instructed_for) }
test instructed {
    at     2026-03-01T00:00:00Z
    check  person { instructed_for = ["service.support"] } may read customer.email
           for service.support
    expect permit
    check  person { instructed_for = ["service"] } may read customer.email for service.support
    expect permit
    check  person { instructed_for = ["service.billing"] } may read customer.email
           for service.support
    expect deny outside
    check  person { instructed_for = ["nowhere"] } may read customer.email for service.support
    expect deny outside
    check  person { instructed_for = [] } may read customer.email for service.support
    expect deny outside
}
"""
)


def test_a_list_of_purposes_holds_what_lies_below_and_nothing_undeclared() -> None:
    assert broken_claims(INSTRUCTED) == []


@pytest.mark.parametrize(
    ("data", "outcome"),
    [
        ("user.health_and_medical", "permit consent_valid"),
        ("customer.health", "permit consent_valid"),
        ("customer.health.allergies", "permit consent_valid"),
        ("user", "deny consent_scope_category"),
        ("customer", "deny consent_scope_category"),
        ("user.contact", "deny consent_scope_category"),
        ("customer, user.health_and_medical", "permit consent_valid"),
    ],
)
@pytest.mark.parametrize("kind", ["set", "key"])
def test_a_consent_names_data_by_what_it_is_or_a_part_of_it(
    kind: str, data: str, outcome: str
) -> None:
    name = "special" if kind == "set" else "user.health_and_medical"
    text = (
        HOUSE
        + f"""
regime law {{
    set special = [user.health_and_medical, user.biometric]
    permit consent_valid {{ basis consent when consent.given }}
    permit contract_necessary {{ basis contract }}
    forbid not_named as consent_scope_category {{
        data {name} basis consent unless consent.data is {name}
    }}
}}
test named {{
    given  gave advice data {data} on 2026-01-01
    at     2026-03-01T00:00:00Z
    check  person may read customer.health.allergies for advice
    expect {outcome}
}}
"""
    )

    assert broken_claims(text) == []


def test_a_field_that_reveals_is_named_by_its_path() -> None:
    text = (
        HOUSE
        + """
regime law {
    permit consent_valid { basis consent when consent.given }
    permit contract_necessary { basis contract }
    forbid not_named as consent_scope_category {
        data user.health_and_medical basis consent unless consent.data is user.health_and_medical
    }
}
test named {
    given  gave advice data basket on 2026-01-01
    at     2026-03-01T00:00:00Z
    check  person may read basket for advice
    expect permit consent_valid
}
test not_named {
    given  gave advice data user.behavior on 2026-01-01
    at     2026-03-01T00:00:00Z
    check  person may read basket for advice
    expect deny consent_scope_category
}
"""
    )

    assert broken_claims(text) == []


def test_is_takes_a_set_of_names() -> None:
    text = (
        HOUSE
        + """
set internal = [service.support, service.billing]
forbid not_internal { when purpose is internal and not (data is user.contact) }
test internal {
    at     2026-03-01T00:00:00Z
    check  person may read customer.health.allergies for service.support
    expect deny not_internal
    check  person may read customer.email for service.support
    expect permit
    check  person may read customer.health.allergies for service
    expect permit
}
"""
    )

    assert broken_claims(text) == []


PACK = """
regime far {
    permit contract_necessary { basis contract when consented(transfer, explicit) }
    permit consent_valid { basis consent when consent.given }
}
"""


@pytest.mark.parametrize(
    ("event", "outcome"),
    [
        ("gave abroad is explicit", "permit contract_necessary"),
        ("gave abroad", "deny"),
        ("gave advice is explicit", "deny"),
        ("gave abroad.india is explicit", "deny"),
    ],
)
def test_a_pack_asks_for_a_consent_by_its_standard_use(event: str, outcome: str) -> None:
    text = (
        "use far\n"
        + HOUSE
        + f"""
test asked {{
    given  {event} on 2026-01-01
    at     2026-03-01T00:00:00Z
    check  person may read customer.email for service
    expect {outcome}
}}
"""
    )

    assert broken_claims(text, {"far": PACK}) == []


def test_a_pack_that_asks_for_a_use_nobody_declared_gets_no() -> None:
    house = HOUSE.replace("purpose abroad as transfer { basis consent purpose india }\n", "")
    text = (
        "use far\n"
        + house
        + """
test asked {
    at     2026-03-01T00:00:00Z
    check  person may read customer.email for service
    expect deny
}
"""
    )

    assert broken_claims(text, {"far": PACK}) == []


def test_a_misspelt_use_in_a_pack_is_told() -> None:
    pack = PACK.replace("consented(transfer", "consented(transfr")

    result = compile_text("use far\n" + HOUSE, {"far": pack})

    assert [d.code for d in result.diagnostics if d.is_error] == ["T300"]


def test_a_name_that_no_data_has_is_told_after_is() -> None:
    text = HOUSE + "forbid x { unless consent.data is user.helth }"

    assert ("T300", "user.helth") in found(compile_text(text), text)


def test_a_purpose_without_basis_has_none_whatever_grounds_there_are() -> None:
    text = """
data email
data crowd as anonymous
purpose count
permit work { who anyone may read data email, crowd for count }
regime law {
    permit exempt_anonymous { data anonymous }
    permit contract_necessary { basis contract }
}
test count {
    at     2026-03-01T00:00:00Z
    check  person may read email for count
    expect deny no_lawful_basis
    check  person may read crowd for count
    expect permit exempt_anonymous
}
"""

    assert broken_claims(text) == []
