"""Claims about many questions in one call."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pdp_fakes import STRICTER, World, question, read_answer

from consentry.model.decision import Decision
from consentry.pdp.decision_point import CacheMode
from consentry.pdp.errors import CacheMismatchError, EvaluationFailedError, NotYetThereError
from consentry.pdp.patience import BATCH_WAIT_S


@pytest.fixture
def world() -> World:
    world = World()
    world.give()
    return world


def test_batch_keeps_order_and_one_bad_item_spoils_no_other(world: World) -> None:
    items = [
        (question(), "a"), (b"\xff", "b"), (question(person="bob"), "c"), (question(), "d"),
    ]  # fmt: skip

    answers = world.point.check_batch(items)

    assert world.effects(answers) == ["permit", "error", "deny", "permit"]
    told = [read_answer(a).moment["correlation_id"] for a in answers if isinstance(a, bytes)]
    assert told == ["a", "c", "d"]


def test_a_batch_over_many_unread_people_waits_as_one_call_and_denies_the_rest(
    world: World,
) -> None:
    world.ledger.is_hanging = True
    items = [(question(person=f"p{number}"), "") for number in range(1_000)]

    answers = world.point.check_batch(items)

    assert world.effects(answers) == ["deny"] * 1_000
    reasons = {read_answer(a).reason for a in answers if isinstance(a, bytes)}
    assert reasons == {"consent_state_unavailable"}
    assert world.clock.steady_s <= BATCH_WAIT_S + 1e-6


def test_bug_in_one_item_of_a_batch_is_that_items_alone(world: World) -> None:
    evaluate = world.point._evaluate

    def fails_for_bob(*args: Any) -> Decision:
        if args[1].data_subject.id == "bob":
            raise ZeroDivisionError
        return evaluate(*args)

    world.point._evaluate = fails_for_bob
    items = [(question(), ""), (question(person="bob"), ""), (question(), "")]

    answers = world.point.check_batch(items)

    assert world.effects(answers) == ["permit", "error", "permit"]
    assert isinstance(answers[1], EvaluationFailedError)
    assert world.counted("evaluation_errors") == 1


def test_wrong_kept_answer_of_a_batch_is_that_items_alone() -> None:
    world = World(mode=CacheMode.COMPARE)
    world.give()
    world.check()
    right = world.point._evaluate
    world.point._evaluate = lambda *args: replace(right(*args), valid_until_us=1)

    answers = world.point.check_batch([(question(), ""), (question(person="bob"), "")])

    assert isinstance(answers[0], CacheMismatchError)
    assert isinstance(answers[1], bytes)


def test_batch_has_one_policy_set_and_one_position_whatever_happens_meanwhile(
    world: World,
) -> None:
    def change_everything() -> None:
        world.policies.load(STRICTER)
        world.give("carol")

    world.codec.during_decode = change_everything
    items = [(question(data="customer.contact.phone", principal=p), "") for p in ("mailer", "x")]

    answers = [read_answer(a) for a in world.point.check_batch(items) if isinstance(a, bytes)]

    assert len({answer.digest for answer in answers}) == 1
    assert {answer.moment["position"] for answer in answers} == {1}
    assert [answer.effect for answer in answers] == ["permit", "deny"]


def test_batch_does_not_use_an_answer_of_a_newer_policy_set(world: World) -> None:
    raw = question(data="customer.contact.phone")

    def reload_and_ask() -> None:
        world.policies.load(STRICTER)
        assert world.check(raw).effect == "deny"

    world.codec.during_decode = reload_and_ask
    answers = world.point.check_batch([(question(), ""), (raw, "")])

    assert world.effects(answers) == ["permit", "permit"]


def test_withdrawal_during_a_batch_denies_the_items_after_it(world: World) -> None:
    items = [(question(principal=name), "") for name in ("a", "b", "mailer")]
    world.codec.during_decode = world.withdraw

    answers = world.point.check_batch(items)

    last = answers[-1]
    assert isinstance(last, bytes)
    assert read_answer(last).reason == "consent_withdrawn"


def test_batch_of_a_caller_that_is_ahead_is_refused_as_a_whole(world: World) -> None:
    with pytest.raises(NotYetThereError):
        world.point.check_batch([(question(), "")], at_least=2)
