"""The cache at the caller's side as a state machine: what it may keep, and what ends it."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from consentry.client.cache import CacheOptions, DecisionCache
from consentry.client.decision import decision_of
from consentry.client.metrics import Counts
from consentry.client.questions import Principal, QuestionFields, Subject, cache_key, service
from consentry.v1 import authorization_pb2

SERVER_S = 1_780_000_000
ADA, EVE = 1, 2


class World:
    """A cache, the clock it reads, and a sidecar that speaks to it."""

    def __init__(self, **options: Any) -> None:
        self.now_s = 100.0
        self.counts = Counts()
        self.cache = DecisionCache(
            CacheOptions(**options), metrics=self.counts, monotonic_s=lambda: self.now_s
        )

    def tell(self, *, position: int = 5, late_s: float = 0.0, **changes: Any) -> None:
        """One message, sent now by a sidecar whose clock is SERVER_S ahead, come `late_s` later."""
        message = authorization_pb2.WatchResponse(
            policy_digest="d", ledger_position=position, instance=b"i", valid_for_us=2_000_000
        )
        message.MergeFrom(authorization_pb2.WatchResponse(**changes))
        message.at.FromMicroseconds(int((SERVER_S + self.now_s) * 1e6))
        self.now_s += late_s
        self.cache.apply(message)

    def move(self, handle: int, position: int) -> None:
        moved = authorization_pb2.Moved(handle=handle, ledger_position=position)
        self.tell(position=position, moved=[moved])

    def store(
        self, key: str, handle: int = ADA, position: int = 5, valid_s: float = 60.0, **changes: Any
    ) -> bool:
        answer = authorization_pb2.CheckResponse(effect=1, policy_digest="d")  # type: ignore[arg-type]
        answer.keeping.instance, answer.keeping.handle = b"i", handle
        answer.moment.ledger_position = position
        answer.valid_until.FromMicroseconds(int((SERVER_S + self.now_s + valid_s) * 1e6))
        answer.MergeFrom(authorization_pb2.CheckResponse(**changes))
        return self.cache.store(key, answer, decision_of(answer))

    def has(self, key: str) -> bool:
        return self.cache.find(key) is not None


@pytest.fixture
def world() -> World:
    made = World()
    made.tell(drop_everything=True)
    return made


def test_nothing_is_kept_before_the_watch_speaks() -> None:
    world = World()

    assert not world.store("k")
    assert not world.has("k")


def test_kept_answer_is_found_and_says_so(world: World) -> None:
    assert world.store("k")

    found = world.cache.find("k")
    assert found is not None
    assert found.is_from_cache


def test_move_drops_the_answers_of_that_person_alone(world: World) -> None:
    world.store("a1")
    world.store("a2")
    world.store("e", handle=EVE)

    world.move(ADA, 6)

    assert [world.has(key) for key in ("a1", "a2", "e")] == [False, False, True]


def test_answer_that_knows_the_move_already_stays(world: World) -> None:
    world.store("new", position=6)

    world.move(ADA, 6)

    assert world.has("new")


def test_answer_from_before_a_move_that_was_heard_first_is_not_kept(world: World) -> None:
    """Answer and push come over different streams: either may be first."""
    world.move(ADA, 6)

    assert not world.store("late", position=5)
    assert world.store("fresh", position=6)
    assert world.store("other", handle=EVE, position=5)


def test_answer_from_before_the_watch_began_is_not_kept(world: World) -> None:
    assert not world.store("k", position=4)


def test_moves_that_were_forgotten_still_count(world: World) -> None:
    world.move(ADA, 6)
    for number in range(10_001):
        world.move(100 + number, 7 + number)

    assert not world.store("k", position=5)


@pytest.mark.parametrize(
    "changes",
    [{"keeping": authorization_pb2.Keeping(instance=b"other")}, {"policy_digest": "other"}],
)
def test_answer_of_another_sidecar_or_policy_set_is_not_kept(
    world: World, changes: dict[str, Any]
) -> None:
    assert not world.store("k", **changes)


def test_new_policy_set_drops_all(world: World) -> None:
    world.store("k")

    world.tell(policy_digest="e")

    assert not world.has("k")
    assert not world.store("k")
    assert world.store("k", policy_digest="e")


def test_order_to_drop_everything_is_obeyed_and_remembered(world: World) -> None:
    world.store("k")

    world.tell(position=9, drop_everything=True)

    assert not world.has("k")
    assert not world.store("k", position=8)
    assert world.store("k", position=9)


def test_silence_beyond_the_bound_ends_all(world: World) -> None:
    world.store("k")
    world.now_s += 1.9
    before = world.has("k")
    world.now_s += 0.2
    after = world.has("k")
    world.tell()

    assert (before, after) == (True, False)
    assert not world.has("k"), "what outlived a silence is not trusted again"


def test_heartbeats_keep_answers_alive_until_they_expire(world: World) -> None:
    world.store("k", valid_s=3.0)
    alive = []
    for _ in range(4):
        world.now_s += 1.0
        world.tell()
        alive.append(world.has("k"))

    assert alive == [True, True, False, False]


def test_message_that_was_long_under_way_makes_nothing_fresher(world: World) -> None:
    world.store("k")

    world.tell(late_s=1.5)
    world.now_s += 0.6

    assert not world.has("k")


def test_ledger_without_proof_ends_the_use_of_answers(world: World) -> None:
    world.store("k")
    message = authorization_pb2.WatchResponse(
        policy_digest="d", ledger_position=5, instance=b"i", valid_for_us=0
    )
    message.at.FromMicroseconds(int((SERVER_S + world.now_s) * 1e6))
    world.cache.apply(message)

    assert not world.has("k")


def test_clock_of_the_caller_does_not_lengthen_a_life(world: World) -> None:
    """valid_until is the sidecar's time, and this machine's date is never asked for."""
    world.store("k", valid_s=0.5)
    world.now_s += 0.6

    assert not world.has("k")


def test_end_of_the_watch_drops_all_and_keeps_nothing(world: World) -> None:
    world.store("k")

    world.cache.lose()

    assert not world.has("k")
    assert not world.store("k")
    assert not world.cache.is_following


def test_callers_bound_and_age_are_obeyed() -> None:
    world = World(bound_s=0.5, max_age_s=1.0)
    world.tell(drop_everything=True)
    world.store("k")
    world.now_s += 0.6
    assert not world.has("k")

    world.tell()
    world.store("k")
    for _ in range(3):
        world.now_s += 0.4
        world.tell()
    assert not world.has("k")


def test_answer_that_must_not_be_kept_is_not(world: World) -> None:
    answer = authorization_pb2.CheckResponse(effect=1, policy_digest="d")  # type: ignore[arg-type]

    assert not world.cache.store("k", answer, decision_of(answer))
    assert not world.store("k", valid_s=0.0)


def test_number_of_answers_is_bounded() -> None:
    world = World(max_entries=3)
    world.tell(drop_everything=True)
    for number in range(10):
        world.store(str(number))

    assert len(world.cache) == 3
    assert [n for n in range(10) if world.has(str(n))] == [7, 8, 9]


ASKED: QuestionFields = {
    "principal": service("s", level=1), "action": "read", "data": ("a",), "subject": "ada",
    "purpose": "p",
}  # fmt: skip
VARIANTS: list[dict[str, Any]] = [
    {},
    {"principal": service("s", level=True)},
    {"principal": service("s", level=[1])},
    {"principal": service("s", level="1")},
    {"principal": service("s", roles=["r"], level=1)},
    {"principal": Principal(id="s", type="job", attributes={"level": 1})},
    {"action": "contact"},
    {"data": ("a", "b")},
    {"data": "b"},
    {"subject": "eve"},
    {"subject": Subject(id="eve", attributes={"vip": True})},
    {"subject": Subject(id="eve", attributes={"vip": 1})},
    {"purpose": "q"},
    {"channel": "email"},
    {"partial": True},
    {"context": {"n": 1}},
    {"context": {"n": True}},
    {"all_reasons": True},
]


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(range(len(VARIANTS)), 2)))
def test_different_questions_have_different_keys(one: int, other: int) -> None:
    left: Any = {**ASKED, **VARIANTS[one]}
    right: Any = {**ASKED, **VARIANTS[other]}

    assert cache_key(left) != cache_key(right)


@pytest.mark.parametrize("variant", VARIANTS)
def test_equal_questions_have_equal_keys(variant: dict[str, Any]) -> None:
    left: Any = {**ASKED, **variant}
    right: Any = {**ASKED, **variant, "principal": left["principal"]}
    right["data"] = iter(right["data"]) if not isinstance(right["data"], str) else right["data"]

    assert cache_key(left) == cache_key(right)
    assert hash(cache_key(left)) == hash(cache_key(right))


def test_attributes_changed_after_the_fact_change_no_key() -> None:
    attributes = {"vip": True}
    person = Subject(id="ada", attributes=attributes)
    attributes["vip"] = False

    assert person.attributes == {"vip": True}
