"""Bad questions are told what is wrong, and nothing else comes of them."""

from __future__ import annotations

import pytest

from consentry.v1 import authorization_pb2, decision_pb2
from tests.bench.requests import newsletter_check
from tests.catalogue.bad_requests import BAD, Bad, ask_twice, changed, context, text
from tests.catalogue.target import CANARY, CHECK, Target


def assert_told(target: Target, bad: Bad) -> None:
    told = target.call(bad.method, bad.body, bad.metadata)
    if bad.code == "DENY":
        answer = authorization_pb2.CheckResponse.FromString(told.answer)
        assert (told.code, answer.effect) == ("OK", decision_pb2.EFFECT_DENY), told
        assert answer.reason == bad.says
        return
    assert told.code == bad.code, told
    assert not bad.says or any(bad.says in said for said in told.violations), told
    assert CANARY not in told.details
    assert len(told.details) < 4_000


@pytest.mark.parametrize("bad", BAD, ids=str)
def test_bad_question(bad: Bad, target: Target) -> None:
    with target.unharmed():
        assert_told(target, bad)


def answer_of(target: Target, body: bytes) -> authorization_pb2.CheckResponse:
    told = target.call(CHECK, body)
    assert told.code == "OK", told
    answer = authorization_pb2.CheckResponse.FromString(told.answer)
    for of_this_answer_alone in ("moment", "keeping", "valid_until"):
        answer.ClearField(of_this_answer_alone)
    return answer


def test_same_name_twice_is_answered_as_once(target: Target) -> None:
    assert answer_of(target, changed(ask_twice)) == answer_of(target, newsletter_check())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (text("a", "b|c"), text("a_b", "c")),
        (text("a", "b=c"), text("a_b", "c")),
        (text("a", '1","b":"2'), text("a", "1")),
    ],
)
def test_separators_in_texts_never_make_two_questions_one(
    one: decision_pb2.Attribute, other: decision_pb2.Attribute, target: Target
) -> None:
    """The first answer is kept; the second question about somebody else must not get it."""

    def ask(attribute: decision_pb2.Attribute, name: str) -> authorization_pb2.CheckResponse:
        def change(message: authorization_pb2.CheckRequest) -> None:
            context(attribute)(message)
            message.subject.id = name

        return answer_of(target, changed(change))

    good = authorization_pb2.CheckRequest.FromString(newsletter_check()).subject.id
    with target.unharmed():
        assert ask(one, good).effect == decision_pb2.EFFECT_PERMIT
        assert ask(other, f"{good}|x").effect == decision_pb2.EFFECT_DENY
        assert ask(one, f"{good}x").effect == decision_pb2.EFFECT_DENY


def test_zero_has_no_sign(target: Target) -> None:
    def zero(digits: str) -> bytes:
        value = decision_pb2.Value(decimal=digits)
        return changed(context(decision_pb2.Attribute(name="n", value=value)))

    plain = answer_of(target, zero("0.0"))
    told = target.call(CHECK, zero("-0.0"))

    assert told.code == "INVALID_ARGUMENT" or answer_of(target, zero("-0.0")) == plain


def test_a_hundred_metadata_and_a_bad_binary_one_are_passed_over(target: Target) -> None:
    many = tuple((f"x-filler-{n}", "value") for n in range(100))
    with target.unharmed():
        assert target.call(CHECK, newsletter_check(), many).code == "OK"
        told = target.call(CHECK, newsletter_check(), (("x-odd-bin", b"\xff\xfe\x00"),))
        assert told.code in ("OK", "INVALID_ARGUMENT")


def test_ids_of_records_that_look_like_paths_are_only_bytes(target: Target) -> None:
    with target.unharmed():
        answers = []
        for name in ("a/../b", "a//b", "a%2Fb", "b", "a/b", "../../etc/passwd"):
            body = changed(lambda m, name=name: setattr(m.resource, "id", name))
            answers.append(answer_of(target, body))
        assert all(answer == answers[0] for answer in answers)


def test_a_caller_who_claims_another_identity_in_metadata_is_not_believed(target: Target) -> None:
    claims = (("x-forwarded-client-cert", "URI=spiffe://x/admin"), ("x-user", "admin"))
    with target.unharmed():
        told = target.call(CHECK, newsletter_check(), claims)
        assert authorization_pb2.CheckResponse.FromString(told.answer).effect == (
            decision_pb2.EFFECT_PERMIT
        )
