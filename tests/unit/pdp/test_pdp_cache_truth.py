"""With and without a cache the answer is the same, for any interleaving; and the check can fail.

A history is a list of steps: checks, events, reloads, forgetting, time going forward and back, and
any of them in the middle of a check. Each check is put to a point with a cache and to one without.
Seeded faults (a comparison left out, a version taken too late) must be caught by the same run.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pdp_fakes import POLICY, STRICTER, World, question, read_answer

from consentry.consent.ledger import SubjectCell
from consentry.model.consent import ConsentView
from consentry.pdp import decision_point as module
from consentry.pdp.cache import AnswerCache, Entry
from consentry.pdp.decision_point import CacheMode
from consentry.telemetry.metrics import Metrics

PEOPLE = ("ada", "bob")
FIELDS = ("customer.contact.email", "customer.contact.phone", "customer")
CHANGES = ("give", "withdraw", "load", "forget", "later", "much later", "earlier")

Step = tuple[str, str, str, str, int]
"""What (`check` or a change), who, which field, what happens inside the check, which policy."""


def change(world: World, what: str, person: str, policy: int) -> None:
    match what:
        case "give":
            world.give(person)
        case "withdraw":
            world.withdraw(person)
        case "load":
            world.policies.load((POLICY, STRICTER)[policy])
        case "forget":
            world.ledger.forget(person)
        case "later":
            world.advance_days(0.0001)
        case "much later":
            world.advance_days(4)
        case "earlier":
            world.advance_days(-1)


def play(steps: Sequence[Step], mode: CacheMode = CacheMode.ON) -> int:
    """Plays a history, comparing all answers; gives the number of hits."""
    # A maximum age of a month, so that the cap does not hide what else ends an answer.
    world = World(mode=mode, max_age_s=30 * 86_400)
    plain = world.point_in(CacheMode.OFF, Metrics())
    for what, person, data, inside, policy in steps:
        if what != "check":
            change(world, what, person, policy)
            continue
        raw = question(person=person, data=data)
        if inside:
            # Changes in the middle of a check: what it answers may be either, but what it keeps
            # must be true afterwards.
            def meanwhile(inside: str = inside, person: str = person, policy: int = policy) -> None:
                change(world, inside, person, policy)

            world.codec.during_decode = meanwhile
            world.point.check_bytes(raw)
            world.codec.during_decode = None
        kept = read_answer(world.point.check_bytes(raw))
        fresh = read_answer(plain.check_bytes(raw))
        assert kept.said == fresh.said
        assert kept.moment["position"] == fresh.moment["position"]
        assert world.clock.us < kept.valid_until <= fresh.valid_until
    return int(world.counted("cache_requests", result="hit"))


STEPS = st.lists(
    st.tuples(
        st.sampled_from(("check", "check", "check", *CHANGES)),
        st.sampled_from(PEOPLE),
        st.sampled_from(FIELDS),
        st.sampled_from(("", "", *CHANGES)),
        st.integers(0, 1),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_cache_never_changes_an_answer(steps: list[Step]) -> None:
    play(steps)


@settings(max_examples=25, deadline=None)
@given(STEPS)
def test_compare_mode_never_finds_a_difference(steps: list[Step]) -> None:
    play(steps, CacheMode.COMPARE)


def random_history(seed: int) -> list[Step]:
    chance = random.Random(seed)
    return [
        (
            chance.choice(("check", "check", "check", *CHANGES)),
            chance.choice(PEOPLE),
            chance.choice(FIELDS),
            chance.choice(("", "", *CHANGES)),
            chance.randrange(2),
        )
        for _ in range(25)
    ]


def play_many(count: int) -> int:
    return sum(play(random_history(seed)) for seed in range(count))


def test_random_histories_have_hits() -> None:
    assert play_many(10) > 20


# Faults. Each takes away one thing that keeps the cache honest.


def with_entry(monkeypatch: pytest.MonkeyPatch, change: Callable[[dict[str, Any]], None]) -> None:
    def make(*members: Any) -> Entry:
        names = [field.name for field in dataclasses.fields(Entry)]
        values = dict(zip(names, members, strict=True))
        change(values)
        return Entry(**values)

    monkeypatch.setattr(module, "Entry", make)


class FrozenCell(SubjectCell):
    """A cell that never shows that the person's events changed."""

    def __init__(self, view: ConsentView) -> None:
        super().__init__("")
        self.view = view


def no_view_check(monkeypatch: pytest.MonkeyPatch) -> None:
    def freeze(values: dict[str, Any]) -> None:
        if isinstance(values["cell"], SubjectCell):
            values["cell"] = FrozenCell(values["view"])

    with_entry(monkeypatch, freeze)


def view_taken_at_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stamps an entry with the version at its storing, not at the reading of its inputs."""

    def stamp_late(values: dict[str, Any]) -> None:
        values["view"] = values["cell"].view

    with_entry(monkeypatch, stamp_late)
    monkeypatch.setattr(module.DecisionPoint, "_is_current", lambda *_: True)


def no_end_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    with_entry(monkeypatch, lambda values: values.update(until_us=1 << 62))


def no_start_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    with_entry(monkeypatch, lambda values: values.update(from_us=0))


def key_without_the_field(monkeypatch: pytest.MonkeyPatch) -> None:
    def shorten(raw: bytes) -> bytes:
        return raw[raw.index(b'"person"') :]

    real_find, real_store = AnswerCache.find, AnswerCache.store
    monkeypatch.setattr(AnswerCache, "find", lambda self, raw: real_find(self, shorten(raw)))
    monkeypatch.setattr(
        AnswerCache, "store", lambda self, raw, entry: real_store(self, shorten(raw), entry)
    )


def no_snapshot_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kept answer passes for one of whatever set is active."""
    real_find = AnswerCache.find
    real_answer = module.DecisionPoint._answer
    active: list[Any] = []

    def answer(self: Any, raw: bytes, name: str, snapshot: Any, *rest: Any) -> bytes:
        active[:] = [snapshot]
        return real_answer(self, raw, name, snapshot, *rest)

    def find(self: AnswerCache, raw: bytes) -> Entry | None:
        entry = real_find(self, raw)
        return None if entry is None else dataclasses.replace(entry, snapshot=active[0])

    monkeypatch.setattr(module.DecisionPoint, "_answer", answer)
    monkeypatch.setattr(AnswerCache, "find", find)
    monkeypatch.setattr(AnswerCache, "drop_older", lambda self: None)


@pytest.mark.parametrize(
    "fault",
    [no_view_check, no_end_of_life, no_start_of_life, key_without_the_field, no_snapshot_check],
)
def test_fault_is_caught(
    fault: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    fault(monkeypatch)

    with pytest.raises(AssertionError):
        play_many(60)


def withdraw_between_evaluation_and_store(world: World) -> str:
    world.give()
    world.ledger.view("ada")
    hooks = [world.withdraw]
    real = world.point._evaluate

    def evaluate_then_withdraw(*arguments: Any) -> Any:
        decision = real(*arguments)
        while hooks:
            hooks.pop()()
        return decision

    world.point._evaluate = evaluate_then_withdraw
    world.check()
    return world.check().effect


def test_answer_of_a_view_that_moved_is_not_kept() -> None:
    assert withdraw_between_evaluation_and_store(World()) == "deny"


def test_version_taken_at_store_would_be_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The seeded fault of the test above."""
    view_taken_at_store(monkeypatch)

    assert withdraw_between_evaluation_and_store(World()) == "permit"
