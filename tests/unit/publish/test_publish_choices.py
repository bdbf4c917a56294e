"""What a person is offered, and what a consent given on the page speaks of."""

from __future__ import annotations

from pathlib import Path

import pytest

from consentry.app.policy_files import compile_path
from consentry.model.program import Program
from consentry.model.trees import PurposeNode
from consentry.publish.choices import (
    GIVEN,
    MAX_NAMED,
    Choice,
    PurposeState,
    Stand,
    choices_for,
    covered_by,
    is_sensible,
    stand_of,
    told_of,
)
from consentry.publish.preferences import cards_of
from consentry.publish.wording import Wording, languages, read_phrases
from tests.support.compiling import compile_text

NOTHING = PurposeState()
YES = PurposeState(state=GIVEN, given_at_us=1_780_000_000_000_000)


@pytest.fixture(scope="module")
def shop(project_root: Path) -> Program:
    program = compile_path(project_root / "policies").result.program
    assert program is not None
    return program


def purpose(program: Program, path: str) -> PurposeNode:
    return program.purposes[program.purpose_names[path]]


def test_nothing_is_chosen_before_the_person_chooses(shop: Program) -> None:
    node = purpose(shop, "marketing.email")

    assert choices_for(node, NOTHING) == (Choice.GIVE, Choice.REFUSE)
    assert stand_of(node, NOTHING) is Stand.OPEN


def test_taking_back_is_one_press_as_giving_is(shop: Program) -> None:
    node = purpose(shop, "marketing.email")

    assert choices_for(node, YES) == (Choice.WITHDRAW,)
    for state in ("consent_withdrawn", "consent_refused"):
        assert choices_for(node, PurposeState(state=state)) == (Choice.GIVE,)


@pytest.mark.parametrize("state", ["consent_expired", "consent_superseded", "consent_unproven"])
def test_a_consent_that_does_not_count_is_asked_for_anew(shop: Program, state: str) -> None:
    said = PurposeState(state=state)

    assert choices_for(purpose(shop, "marketing.email"), said) == (Choice.GIVE, Choice.REFUSE)
    assert stand_of(purpose(shop, "marketing.email"), said) is Stand.OPEN


def test_who_may_object_may_take_it_back(shop: Program) -> None:
    node = purpose(shop, "fraud_prevention")
    objected = PurposeState(rights=frozenset({"objected"}))

    assert (choices_for(node, NOTHING), stand_of(node, NOTHING)) == ((Choice.OBJECT,), Stand.USED)
    assert choices_for(node, objected) == (Choice.LIFT_OBJECTION,)
    assert stand_of(node, objected) is Stand.NO


def test_what_the_law_or_a_contract_asks_for_offers_no_choice(shop: Program) -> None:
    for path in ("accounting", "service.orders", "recall"):
        assert choices_for(purpose(shop, path), NOTHING) == ()
        assert not any(
            is_sensible(purpose(shop, path), choice)
            for choice in (Choice.GIVE, Choice.REFUSE, Choice.WITHDRAW, Choice.OBJECT)
        )


def test_an_active_right_always_has_a_way_back(shop: Program) -> None:
    said = PurposeState(state=GIVEN, rights=frozenset({"objected", "opted_out"}))

    offered = choices_for(purpose(shop, "marketing.partners"), said)

    assert {Choice.LIFT_OBJECTION, Choice.OPT_IN} <= set(offered)


def test_a_consent_to_a_group_names_what_it_covers_but_not_what_needs_its_own(
    shop: Program,
) -> None:
    covered = {node.path for node in covered_by(shop, purpose(shop, "marketing"))}

    assert covered == {f"marketing.{name}" for name in ("email", "sms", "phone", "post")}
    assert set(told_of(shop, purpose(shop, "marketing")).listed) == covered


def test_a_consent_names_the_fields_that_the_page_told_of(shop: Program) -> None:
    told = told_of(shop, purpose(shop, "marketing.email"))

    assert told.data == ("customer.contact.email", "customer.profile.name")


def test_a_consent_that_cannot_name_all_that_was_told_names_less_and_never_more() -> None:
    groups = range(MAX_NAMED + 2)
    used = ", ".join(f"g{n}.used" for n in groups)
    text = "\n".join(f"data g{n} {{ used unused }}" for n in groups)
    text += "\npurpose news { basis consent }\n"
    text += f'permit mail {{ who service "mailer" may contact data {used} for news }}\n'
    program = compile_text(text).program
    assert program is not None

    named = told_of(program, purpose(program, "news")).data

    assert len(named) == MAX_NAMED
    assert all(name.endswith(".used") for name in named)


@pytest.mark.parametrize("language", languages())
def test_every_purpose_is_on_the_page_exactly_once(shop: Program, language: str) -> None:
    groups = cards_of(shop, Wording(language, {}, {}), {})

    paths = [card.path for group in groups for card in group.cards]
    assert sorted(paths) == sorted(node.path for node in shop.purposes)


def test_every_phrase_is_there_in_every_language() -> None:
    keys = {language: set(read_phrases(language)) for language in languages()}

    assert keys["th"] == keys["en"]
