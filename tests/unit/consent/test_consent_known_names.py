"""Which names an event may use: those of the policies, and standard keys that touch them."""

from __future__ import annotations

import pytest

from consentry.compiler.compile import compile_policies
from consentry.consent.known_names import KnownNames
from consentry.diagnostics.span import Source
from consentry.model.consent import ConsentEvent, EventKind, Scope
from consentry.pdp.sources import read_packs

POLICIES = """
use gdpr
data customer { email as user.contact.email }
purpose ads as marketing { basis consent  purpose mail }
permit x { who anyone  may anything  data customer  for ads }
"""


@pytest.fixture(scope="module")
def names() -> KnownNames:
    program = compile_policies([Source("a.policy", POLICIES)], read_packs()).program
    assert program is not None
    return KnownNames(program)


def unknown(names: KnownNames, **scope: object) -> list[str]:
    event = ConsentEvent(
        kind=EventKind.WITHDRAWN,
        data_subject_id="ada",
        scope=Scope(**scope),  # type: ignore[arg-type]  # a test names real fields
        happened_at_us=0,
    )
    return [entry.name for entry in names.unknown_in(event)]


@pytest.mark.parametrize(
    "purpose", ["ads", "ads.mail", "marketing", "marketing.communications.email"]
)
def test_purposes_and_keys_that_touch_them_are_known(names: KnownNames, purpose: str) -> None:
    assert unknown(names, purpose=purpose) == []


@pytest.mark.parametrize("purpose", ["ads.mial", "marketing.emial", "essential.service", "fun"])
def test_slip_below_a_standard_key_is_no_name(names: KnownNames, purpose: str) -> None:
    assert unknown(names, purpose=purpose) == [purpose]


def test_data_follows_the_same_rule(names: KnownNames) -> None:
    assert unknown(names, purpose="ads", data=("customer.email", "user.contact")) == []
    assert unknown(names, purpose="ads", data=("user.contact.emial",)) == ["user.contact.emial"]
