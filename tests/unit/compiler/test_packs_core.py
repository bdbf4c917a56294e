from __future__ import annotations

import pytest

from consentry.compiler.compile import CompileResult
from consentry.compiler.symbols import Symbols
from consentry.diagnostics.code_samples import SET
from consentry.model import vocabulary
from tests.support.compiling import compile_text, program_of

_ORDER = """
purpose_missing purpose_unknown category_unknown action_unknown channel_unknown
subject_unresolved regime_undetermined prohibited_by_law prohibited_by_publisher
prohibited_by_policy actor_purpose_not_authorised processor_outside_instructions
purpose_not_declared purpose_incompatible data_not_necessary action_not_permitted
channel_not_permitted recipient_not_permitted retention_exceeded subject_erased
processing_restricted objected_direct_marketing objected consent_state_unavailable
reask_too_soon minor_opt_in_required notice_missing gpc_opt_out opted_out_sale_share
sensitive_use_limited no_lawful_basis basis_not_available best_interest_missing
basis_swap_not_allowed special_category_condition_missing automated_decision_not_permitted
consent_missing consent_pending consent_refused consent_withdrawn
consent_expired consent_unproven consent_invalid consent_superseded consent_scope_controller
consent_scope_purpose consent_scope_category consent_scope_channel consent_scope_recipient
explicit_consent_required joint_consent_required guardian_consent_required
eprivacy_consent_required transfer_no_mechanism condition_not_met
exempt_anonymous rights_fulfilment legal_claims soft_opt_in minor_opt_in_valid
opt_in_after_conflict financial_incentive_retained service_provider_disclosure reask_allowed
consent_valid guardian_consent_valid
contract_necessary legal_obligation vital_interest public_task legitimate_interest
recognised_legitimate_interest credit_protection opt_out_not_exercised
permitted_by_policy not_regulated
"""
ORDER = _ORDER.split()
_ACTIONS = """
read use collect combine derive profile store delete export contact disclose share sell transfer
decide access_device request_consent
"""
_CHANNELS = """
email sms phone post push in_app web in_person
"""


@pytest.fixture(scope="module")
def result() -> CompileResult:
    return compile_text(SET)


@pytest.fixture(scope="module")
def symbols(result: CompileResult) -> Symbols:
    assert result.symbols is not None
    return result.symbols


def test_reasons_stand_in_the_order_that_decides_the_primary_one(result: CompileResult) -> None:
    assert list(program_of(result).reasons) == ORDER


def test_every_reason_has_one_sentence(result: CompileResult) -> None:
    texts = program_of(result).reason_texts

    assert [code for code in ORDER if not texts[code].endswith(".") or ". " in texts[code]] == []
    assert len(set(texts.values())) == len(texts)


def test_every_reason_that_the_engine_knows_is_declared(symbols: Symbols) -> None:
    known = [
        value
        for name, value in vars(vocabulary).items()
        if isinstance(value, str) and name.isupper() and not name.startswith("TAG_")
    ]
    known += vocabulary.MISS_REASONS.values()

    assert len(known) > 20
    assert [code for code in known if code not in symbols.reasons] == []


def test_actions_carry_the_tags_that_the_engine_reads(symbols: Symbols) -> None:
    def tagged(tag: str) -> set[str]:
        return {action for action, tags in symbols.actions.items() if tag in tags}

    assert tagged(vocabulary.TAG_CONTACTING) == {"contact"}
    assert tagged(vocabulary.TAG_DISCLOSURE) == {"disclose", "share", "sell", "transfer"}
    assert set(symbols.actions) == set(_ACTIONS.split())


def test_channels_are_there(symbols: Symbols) -> None:
    assert set(symbols.channels) == set(_CHANNELS.split())


@pytest.mark.parametrize(
    ("use", "tag"),
    [
        ("marketing.communications", "direct_marketing"),
        ("marketing.communications.email", "direct_marketing"),
        ("marketing.advertising.first_party.targeted", "profiling"),
        ("marketing.advertising.third_party.targeted", "sharing"),
        ("third_party_sharing.sale", "sale"),
        ("personalize.profiling", "profiling"),
    ],
)
def test_a_standard_use_carries_its_tags_and_those_above_it(
    symbols: Symbols, use: str, tag: str
) -> None:
    assert tag in symbols.uses[use]


def test_a_parent_does_not_carry_the_tags_of_its_children(symbols: Symbols) -> None:
    assert symbols.uses["marketing"] == frozenset()
    assert symbols.uses["essential.service"] == frozenset()


@pytest.mark.parametrize(
    "key",
    [
        "user.contact.email",
        "user.demographic.date_of_birth",
        "user.health_and_medical",
        "user.location.precise",
        "user.device.cookie_id",
        "user.government_id.passport_number",
        "system.operations",
        "anonymous",
    ],
)
def test_standard_categories_are_known(symbols: Symbols, key: str) -> None:
    assert key in symbols.categories


def test_the_standard_vocabulary_is_whole(symbols: Symbols) -> None:
    # fideslang 3.1 has 85 categories and 55 uses that are not deprecated; ours come on top.
    assert len(symbols.categories) == 85 + 3
    assert len(symbols.uses) > 55


def test_every_key_has_its_parent(symbols: Symbols) -> None:
    for keys in (symbols.categories, symbols.uses):
        assert [k for k in keys if "." in k and k.rpartition(".")[0] not in keys] == []


def test_qualities_of_consent_are_no_tags_of_purposes(symbols: Symbols) -> None:
    assert "explicit" in symbols.qualities
    assert not symbols.qualities & symbols.tags.keys()


def test_an_author_may_add_words_and_may_not_take_one_twice() -> None:
    added = compile_text(SET + 'action lend "Give for a while" is disclosure')
    taken = compile_text(SET + 'action read "Look"')

    assert program_of(added).actions["lend"] == {"disclosure"}
    assert [d.code for d in taken.diagnostics] == ["R230"]
