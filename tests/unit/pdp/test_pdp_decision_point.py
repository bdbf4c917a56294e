"""Claims about the path of a check, one at a time."""

from __future__ import annotations

import pytest
from pdp_fakes import STRICTER, FakeIds, World, question, read_answer

from consentry.model.decision import Decision
from consentry.model.request import RequestError
from consentry.model.values import MICROS_PER_SECOND
from consentry.pdp.cache import MAX_KEY_BYTES
from consentry.pdp.decision_point import CacheMode, DecisionPoint
from consentry.pdp.errors import (
    CacheMismatchError,
    EvaluationFailedError,
    NotReadyError,
    NotYetThereError,
)
from consentry.telemetry.audit.record import AuditFields
from consentry.telemetry.metrics import Metrics
from tests.support.audit import MemorySink, audit_log


@pytest.fixture
def world() -> World:
    world = World()
    world.give()
    return world


def test_consent_permits_and_its_withdrawal_denies_the_next_check(world: World) -> None:
    assert world.check().effect == "permit"
    assert world.check().effect == "permit"

    world.withdraw()

    answer = world.check()
    assert (answer.effect, answer.reason) == ("deny", "consent_withdrawn")


def test_equal_question_is_answered_from_memory(world: World) -> None:
    first, second = world.check(), world.check()

    assert first.said == second.said
    assert world.codec.decode_count == 1
    assert world.counted("cache_requests", result="hit") == 1
    assert world.counted("cache_requests", result="miss") == 1


def test_hit_has_a_moment_of_its_own(world: World) -> None:
    raw = question()
    answers = [
        read_answer(world.point.check_bytes(raw, correlation_id=name)).moment for name in "ab"
    ]

    assert [moment["correlation_id"] for moment in answers] == ["a", "b"]
    assert answers[0]["id"] != answers[1]["id"]


def test_another_spelling_is_another_question(world: World) -> None:
    world.check(b'{"purpose":"marketing"}')
    world.check(b'{"purpose": "marketing"}')

    assert world.codec.decode_count == 2


def test_event_of_another_person_leaves_the_answer_in_memory(world: World) -> None:
    world.check()
    world.withdraw("bob")
    position = world.check().moment["position"]

    assert world.codec.decode_count == 1
    assert position == 2


def test_reload_makes_kept_answers_void_and_frees_them(world: World) -> None:
    assert world.check(data="customer.contact.phone").effect == "permit"
    world.policies.load(STRICTER)

    assert len(world.point.cache) == 0
    assert world.check(data="customer.contact.phone").effect == "deny"


def test_person_forgotten_by_the_ledger_is_read_again(world: World) -> None:
    world.check()
    world.ledger.forget()
    reads = world.ledger.view_reads
    world.check()

    assert world.ledger.view_reads == reads + 1
    assert world.counted("cache_requests", result="stale") == 1


def test_answer_ends_at_the_operators_maximum_age(world: World) -> None:
    answer = world.check()
    assert answer.valid_until == world.clock.us + 30 * MICROS_PER_SECOND

    world.clock.us = answer.valid_until - 1
    world.check()
    assert world.codec.decode_count == 1

    world.clock.us = answer.valid_until
    world.check()
    assert world.codec.decode_count == 2


def test_answer_ends_when_consent_expires_if_that_is_sooner(world: World) -> None:
    world.advance_days(10)
    world.clock.us -= 5
    answer = world.check()
    assert (answer.effect, answer.valid_until) == ("permit", world.clock.us + 5)

    world.clock.us += 5
    assert world.check().reason == "consent_expired"


def test_kept_answer_is_not_used_when_the_clock_was_set_back(world: World) -> None:
    world.check()
    world.clock.us -= MICROS_PER_SECOND

    answer = world.check()

    assert (answer.effect, answer.reason) == ("deny", "consent_missing")


def test_withdrawal_during_a_check_is_not_outlived_by_its_answer(world: World) -> None:
    world.ledger.view("ada")
    world.codec.during_decode = world.withdraw
    world.check()

    assert world.check().effect == "deny"


def test_withdrawal_during_evaluation_is_not_outlived_by_its_answer() -> None:
    world = World()
    world.give()
    real = world.point._evaluate

    def withdraw_meanwhile(*arguments: object) -> Decision:
        decision = real(*arguments)  # type: ignore[arg-type]  # passed on as they came
        world.point._evaluate = real
        world.withdraw()
        return decision

    world.point._evaluate = withdraw_meanwhile

    assert world.check().effect == "permit"
    assert len(world.point.cache) == 0
    assert world.check().effect == "deny"


def test_reload_during_a_check_is_not_outlived_by_its_answer(world: World) -> None:
    old = world.policies.current
    assert old is not None
    world.codec.during_decode = lambda: world.policies.load(STRICTER)

    answer = world.check(data="customer.contact.phone")

    assert (answer.effect, answer.digest) == ("permit", old.digest)
    assert len(world.point.cache) == 0
    assert world.check(data="customer.contact.phone").effect == "deny"


def test_position_never_claims_an_event_that_came_during_the_check(world: World) -> None:
    world.codec.during_decode = lambda: world.give("bob")

    assert world.check().moment["position"] == 1


def test_unavailable_state_is_denied_and_not_kept(world: World) -> None:
    world.ledger.is_down = True
    answer = world.check(person="bob")
    assert answer.reason == "consent_state_unavailable"
    assert answer.valid_until == world.clock.us

    world.ledger.is_down = False
    assert world.check(person="bob").reason == "consent_missing"


def test_malformed_question_is_an_error_and_not_kept(world: World) -> None:
    for _ in range(2):
        with pytest.raises(RequestError):
            world.point.check_bytes(b"\xff")

    assert world.codec.decode_count == 2
    assert len(world.point.cache) == 0


def test_question_with_unknown_fields_is_answered_and_not_kept(world: World) -> None:
    world.codec.is_cacheable = False
    world.check()
    world.check()

    assert world.codec.decode_count == 2
    assert world.counted("cache_requests", result="bypass") == 2


def test_long_question_is_answered_and_not_kept(world: World) -> None:
    raw = b"{" + b" " * MAX_KEY_BYTES + b"}"
    assert world.check(raw).effect == "permit"
    assert len(world.point.cache) == 0

    assert world.check(raw[: MAX_KEY_BYTES - 1] + b"}").effect == "permit"
    assert len(world.point.cache) == 1


def test_question_about_nobody_is_denied_and_not_kept(world: World) -> None:
    assert world.check(person="").reason == "subject_unresolved"
    assert len(world.point.cache) == 0


def test_caller_that_is_ahead_of_the_ledger_is_told_where_it_stands(world: World) -> None:
    with pytest.raises(NotYetThereError) as caught:
        world.point.check_bytes(question(), at_least=2)

    assert caught.value.position == 1
    world.withdraw()
    assert read_answer(world.point.check_bytes(question(), at_least=2)).effect == "deny"


def test_without_a_policy_set_nothing_is_answered(world: World) -> None:
    world.policies.current = None

    with pytest.raises(NotReadyError):
        world.point.check_bytes(question())


def test_bug_in_evaluation_is_counted_and_never_an_answer(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> Decision:
        raise ZeroDivisionError

    world.point._evaluate = broken
    with pytest.raises(EvaluationFailedError) as caught:
        world.point.check_bytes(question())

    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert world.counted("evaluation_errors") == 1
    assert caplog.messages == ["evaluation_failed"]
    assert len(world.point.cache) == 0


def test_decide_gives_the_decision_and_leaves_no_trace(world: World) -> None:
    request = world.codec.decode_check(question()).request

    assert world.point.decide(request).effect.value == "permit"
    assert len(world.point.cache) == 0
    assert world.counted("cache_requests", result="miss") == 0


def test_cache_off_keeps_nothing() -> None:
    world = World(mode=CacheMode.OFF)
    world.check()
    world.check()

    assert world.codec.decode_count == 2
    assert world.counted("cache_requests", result="bypass") == 2


def test_compare_mode_evaluates_hits_again_and_agrees() -> None:
    world = World(mode=CacheMode.COMPARE)
    world.give()
    world.check()
    world.check()

    assert world.codec.decode_count == 2
    assert world.counted("cache_requests", result="hit") == 1
    assert world.counted("cache_mismatch") == 0


def test_compare_mode_raises_counts_and_forgets_when_answers_differ(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World(mode=CacheMode.COMPARE)
    world.give()
    world.check()
    denied = world.point.decide(world.codec.decode_check(question(person="bob")).request)
    real, world.point._evaluate = world.point._evaluate, lambda *_: denied

    with pytest.raises(CacheMismatchError):
        world.check()

    assert world.counted("cache_mismatch") == 1
    assert caplog.messages == ["cache_mismatch"]
    world.point._evaluate = real
    assert world.check().effect == "permit"


def test_hit_and_miss_are_counted_timed_and_audited_alike() -> None:
    sink = MemorySink()
    audit = audit_log(sink)
    world = World(audit=audit)
    world.give()
    world.check()
    world.check()
    audit.drain()

    counted = world.counted(
        "decisions", decision="permit", reason="consent_valid", purpose="marketing", action="read"
    )
    assert counted == 2
    first, second = sink.stored
    assert (first.pop("is_hit"), second.pop("is_hit")) == (False, True)
    for record in (first, second):
        del record["seq"], record["decision_id"]
    assert first == second
    for result in ("hit", "miss"):
        assert world.metrics.registry.get_sample_value(
            "consentry_decision_seconds_count", {"cache": result}
        ) == 1  # fmt: skip
    assert audit.written.value() == 2


def test_names_that_no_policy_knows_do_not_become_labels(world: World) -> None:
    world.check(purpose="evil-purpose", action="evil-action")

    exposed = world.metrics.expose()[0].decode()
    assert "evil" not in exposed
    assert 'purpose="other"' in exposed


def test_gauges_follow_ledger_and_cache(world: World) -> None:
    world.check()
    get = world.metrics.registry.get_sample_value

    assert get("consentry_ledger_position") == 1
    assert get("consentry_cache_entries") == 1
    assert get("consentry_consent_age_seconds") == 0


def test_trace_is_told_whose_answer_it_is_where_there_is_no_log(world: World) -> None:
    told: list[str] = []

    def note(_decision_id: str, _result: str, fields: AuditFields) -> str:
        told.append(fields.principal_id)
        return ""

    point = DecisionPoint(
        policies=world.policies,
        ledger=world.ledger,
        codec=world.codec,
        clock=world.clock,
        ids=FakeIds(),
        metrics=Metrics(),
        trace=note,
    )
    point.check_bytes(question())

    assert told == ["mailer"]


def test_each_known_item_of_a_batch_is_counted_and_timed(world: World) -> None:
    world.check()

    world.point.check_batch([(question(), "")] * 5 + [(question(person="bob"), "")])

    assert world.counted("cache_requests", result="hit") == 5
    read = world.metrics.decision_seconds.histogram("hit").read()
    assert sum(read.counts) == 5
