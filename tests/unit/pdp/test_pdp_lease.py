"""Claims about the freshness bound on the path of a check."""

from __future__ import annotations

from functools import partial

import pytest
from pdp_fakes import World, question, read_answer

from consentry.consent.lease import Lease
from consentry.engine.evaluate import evaluate
from consentry.engine.link import LinkedProgram
from consentry.model.consent import ConsentView
from consentry.model.decision import Decision
from consentry.model.request import Request
from consentry.pdp.decision_point import DecisionPoint

BOUND_US = 2_000_000


class Steady:
    def __init__(self) -> None:
        self.us = 1_000_000_000

    def read(self) -> int:
        return self.us


@pytest.fixture
def steady() -> Steady:
    return Steady()


@pytest.fixture
def world(steady: Steady) -> World:
    world = World()
    world.give()
    world.ledger.lease = Lease(steady.us, BOUND_US, steady.read)
    return world


def test_answer_within_the_bound_tells_its_age(world: World, steady: Steady) -> None:
    steady.us += BOUND_US

    answer = world.check()

    assert answer.effect == "permit"
    assert answer.moment["age_us"] == BOUND_US


@pytest.mark.parametrize("is_known", [True, False], ids=["kept answer", "new question"])
def test_beyond_the_bound_nobody_is_permitted(world: World, steady: Steady, is_known: bool) -> None:
    if is_known:
        assert world.check().effect == "permit"
    steady.us += BOUND_US + 1

    answer = world.check()

    assert (answer.effect, answer.reason) == ("deny", "consent_state_unavailable")
    assert world.counted("cache_requests", result="bypass") == 1


def test_a_new_proof_makes_kept_answers_good_again(world: World, steady: Steady) -> None:
    world.check()
    steady.us += BOUND_US + 1
    world.check()

    world.ledger.lease = Lease(steady.us, BOUND_US, steady.read)

    assert world.check().effect == "permit"
    assert world.counted("cache_requests", result="hit") == 1


def test_process_stopped_in_the_middle_of_a_check_finds_the_time_gone(steady: Steady) -> None:
    """The view was fresh when it was read; the answer would leave after the bound."""

    def stopped(
        linked: LinkedProgram, request: Request, view: ConsentView, now_us: int
    ) -> Decision:
        if view.is_available:
            steady.us += BOUND_US + 1
            # Meanwhile the feed has caught up and proves it: that is of no use to the view read
            # before.
            world.ledger.lease = Lease(steady.us, BOUND_US, steady.read)
        return evaluate(linked, request, view, now_us)

    world = World(point_class=partial(DecisionPoint, evaluate=stopped))
    world.give()
    world.ledger.lease = Lease(steady.us, BOUND_US, steady.read)

    answer = read_answer(world.point.check_bytes(question()))

    assert (answer.effect, answer.reason) == ("deny", "consent_state_unavailable")


def test_tools_that_ask_for_a_decision_are_bound_too(world: World, steady: Steady) -> None:
    steady.us += BOUND_US + 1
    request = world.codec.decode_check(question()).request

    assert world.point.decide(request).reason == "consent_state_unavailable"
