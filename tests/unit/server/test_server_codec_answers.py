"""What the door makes of decisions."""

from __future__ import annotations

from dataclasses import replace

from consentry.model.decision import Decision, Effect, Finding, LeafDecision, Mask, Obligation
from consentry.model.request import DataSubject, Request
from consentry.server.codec import ProtoCodec
from consentry.server.handles import new_handles
from consentry.v1 import authorization_pb2 as wire
from consentry.v1 import decision_pb2 as shapes

CODEC = ProtoCodec()


def ask_for(detail: wire.Detail.ValueType = wire.DETAIL_UNSPECIFIED) -> Request:
    message = wire.CheckRequest(
        principal=shapes.Principal(id="mailer", type="service"),
        action="contact",
        data=["customer.contact.email"],
        subject=shapes.DataSubject(id="ada"),
        purpose="marketing.email",
        detail=detail,
    )
    return CODEC.decode_check(message.SerializeToString()).request


def decision() -> Decision:
    finding = Finding(
        reason="consent_valid", regime="gdpr", rule="consent_valid", text="t", cite="Art. 6",
        file="gdpr.policy", line=3, missing=("subject.born",),
    )  # fmt: skip
    return Decision(
        effect=Effect.PERMIT,
        findings=(finding,),
        leaves=(
            LeafDecision(
                data="customer.contact.phone", effect=Effect.PERMIT, findings=(finding,),
                mask=Mask("last", 4),
            ),
        ),
        obligations=(Obligation(name="unsubscribe_link", text="A way out"),),
        valid_until_us=1_500_000,
    )  # fmt: skip


def write(
    decision: Decision, request: Request, digest: str, until_us: int | None,
    codec: ProtoCodec = CODEC,
) -> bytes:  # fmt: skip
    return b"".join(codec.encode_answer(decision, request, digest, until_us))


def test_answer_and_moment_join_to_one_message() -> None:
    request = ask_for(wire.DETAIL_ALL_REASONS)

    parts = CODEC.encode_answer(decision(), request, "abc", 1_500_000)
    answer = wire.CheckResponse.FromString(CODEC.complete(*parts, "id", 9, 3, "c"))

    assert answer.effect == shapes.EFFECT_PERMIT
    assert answer.reason == "consent_valid"
    assert (answer.valid_until.seconds, answer.valid_until.nanos) == (1, 500_000_000)
    assert answer.leaves[0].mask == shapes.Mask(function=shapes.MASK_FUNCTION_LAST, argument=4)
    assert answer.leaves[0].reasons[0].missing == ["subject.born"]
    assert (answer.reasons[0].file, answer.reasons[0].line) == ("gdpr.policy", 3)
    assert answer.obligations[0].name == "unsubscribe_link"
    assert answer.moment == shapes.Moment(
        decision_id="id", ledger_position=9, consent_age_us=3, correlation_id="c"
    )


def test_reasons_stay_home_unless_asked_for() -> None:
    answer = wire.CheckResponse.FromString(write(decision(), ask_for(), "abc", 1))

    assert not answer.reasons
    assert not answer.leaves[0].reasons
    assert answer.leaves[0].reason == "consent_valid"


def test_what_was_written_once_serves_no_other_answer() -> None:
    codec, request = ProtoCodec(), ask_for()
    with_reasons = ask_for(wire.DETAIL_ALL_REASONS)
    one = decision()
    others = (
        replace(one, effect=Effect.DENY),
        replace(one, obligations=()),
        replace(one, findings=(Finding(reason="x"),)),
        replace(one, leaves=(replace(one.leaves[0], mask=None),)),
    )

    asked = [(one, request, "abc", 1), (one, with_reasons, "abc", 1), (one, request, "b", 1)]
    asked += [(one, request, "abc", 2), *((other, request, "abc", 1) for other in others)]
    first = [write(*question, codec) for question in asked]
    again = [write(*question, codec) for question in asked]
    alone = [write(*question, ProtoCodec()) for question in asked]

    assert first == again == alone
    assert len(set(first)) == len(asked)


def test_like_answers_share_what_is_like_and_the_first_of_them_owns_it() -> None:
    codec, request, one = ProtoCodec(), ask_for(), decision()
    first, second, third = (codec.encode_answer(one, request, "abc", us) for us in (1, 2, 3))

    assert first[0] == b""
    assert second[0] is third[0]
    assert first[1].startswith(second[0])
    assert len(second[1]) < len(second[0]) / 2


def test_answers_of_one_time_about_one_person_share_their_end() -> None:
    codec, one = ProtoCodec(new_handles()), decision()
    ada, bob = ask_for(), replace(ask_for(), data_subject=DataSubject(id="bob"))
    _, first, again, other, later = (
        codec.encode_answer(one, request, "abc", us)[1]
        for request, us in ((ada, 1), (ada, 1), (ada, 1), (bob, 1), (ada, 2))
    )

    assert first is again
    assert len({first, other, later}) == 3


def test_answers_about_several_fields_share_by_what_they_say() -> None:
    codec, request = ProtoCodec(), ask_for()

    def wide(*names: str) -> Decision:  # made anew each time, as the engine does
        one = decision()
        return replace(one, leaves=tuple(replace(one.leaves[0], data=name) for name in names))

    first = codec.encode_answer(wide("a", "b"), request, "abc", 1)
    again = codec.encode_answer(wide("a", "b"), request, "abc", 2)
    third = codec.encode_answer(wide("a", "b"), request, "abc", 3)
    other = codec.encode_answer(wide("a", "c"), request, "abc", 1)
    large = [codec.encode_answer(wide(*"abcdefgh" * 20), request, "abc", 1) for _ in range(2)]

    assert first[0] == other[0] == b""
    assert again[0] is third[0]
    assert first[1].startswith(again[0])
    assert len(again[1]) < len(again[0]) / 2
    assert [shared for shared, _ in large] == [b"", b""]


def test_what_is_remembered_of_answers_is_bounded() -> None:
    codec, request = ProtoCodec(), ask_for()
    for number in range(2_000):
        fresh = replace(decision(), findings=(Finding(reason=f"r{number}"),))
        answer = wire.CheckResponse.FromString(write(fresh, request, "abc", None, codec))
        assert answer.reason == f"r{number}"
        wide = replace(fresh, leaves=fresh.leaves * 2)
        answer = wire.CheckResponse.FromString(write(wide, request, "abc", None, codec))
        assert answer.reason == f"r{number}"

    assert len(codec._written) <= 512
    assert len(codec._same) <= 512


def test_no_end_is_no_timestamp() -> None:
    lasting = Decision(effect=Effect.DENY, findings=(Finding(reason="x"),))
    answer = wire.CheckResponse.FromString(write(lasting, ask_for(), "abc", None))

    assert answer.effect == shapes.EFFECT_DENY
    assert not answer.HasField("valid_until")
