"""What the door makes of bytes."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration as WireDuration
from google.protobuf.timestamp_pb2 import Timestamp

from consentry.model.consent import Author, EventKind
from consentry.model.request import Request, RequestError
from consentry.model.values import Duration
from consentry.model.vocabulary import MASK_FUNCTIONS
from consentry.server import consent_codec
from consentry.server.codec import _MASKS, ProtoCodec
from consentry.server.text_checks import SENTENCES
from consentry.v1 import authorization_pb2 as wire
from consentry.v1 import consent_pb2
from consentry.v1 import decision_pb2 as shapes

CODEC = ProtoCodec()
END_OF_2200 = 7_289_654_400


def question() -> wire.CheckRequest:
    return wire.CheckRequest(
        principal=shapes.Principal(id="mailer", type="service"),
        action="contact",
        data=["customer.contact.email"],
        subject=shapes.DataSubject(id="ada"),
        purpose="marketing.email",
    )


def attribute(name: str = "x", **value: object) -> shapes.Attribute:
    return shapes.Attribute(name=name, value=shapes.Value(**value))  # type: ignore[arg-type]


def decode(message: wire.CheckRequest) -> Request:
    return CODEC.decode_check(message.SerializeToString()).request


def faults(message: wire.CheckRequest) -> dict[str, str]:
    with pytest.raises(RequestError) as caught:
        decode(message)
    return {v.field: v.code for v in caught.value.violations}


def test_all_parts_of_a_question_arrive() -> None:
    message = question()
    message.principal.roles.extend(["b", "a", "a"])
    message.principal.controller = "acme"
    message.channel = "email"
    message.recipient.country = "DE"
    message.resource.collected_at.seconds = 5
    message.resource.collected_at.nanos = 7_999
    message.resource.collected_for.append("service")
    message.partial = True
    message.detail = wire.DETAIL_ALL_REASONS
    message.signals.append(attribute("gpc", flag=True))

    request = decode(message)

    assert request.principal.roles == {"a", "b"}
    assert request.principal.controller == "acme"
    assert request.recipient is not None
    assert (request.recipient.id, request.recipient.country) == (None, "DE")
    assert request.resource.collected_at_us == 5_000_007
    assert request.resource.collected_for == ("service",)
    assert request.signals == {"gpc": True}
    assert request.partial
    assert request.wants_all_reasons


def test_what_was_not_said_stays_unsaid() -> None:
    request = decode(question())

    assert request.channel is None
    assert request.recipient is None
    assert request.resource.collected_at_us is None
    assert request.principal.roles == frozenset()


def test_missing_person_and_purpose_are_for_the_engine_to_answer() -> None:
    message = question()
    message.ClearField("subject")
    message.ClearField("purpose")

    request = decode(message)

    assert request.data_subject is None
    assert request.purpose == ""


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"text": ""}, ""),
        ({"number": -3}, -3),
        ({"decimal": "12.50"}, Decimal("12.50")),
        ({"decimal": "-0.0"}, Decimal(0)),
        ({"decimal": "9" * 34}, Decimal("9" * 34)),
        ({"flag": False}, False),
        ({"time": Timestamp(seconds=1, nanos=2_000)}, 1_000_002),
        ({"date": "1890-04-01"}, date(1890, 4, 1)),
        ({"duration": WireDuration(seconds=-1, nanos=-5_000)}, Duration(0, -1_000_005)),
        (
            {"list": shapes.ValueList(values=[shapes.Value(text="a"), shapes.Value(number=1)])},
            ("a", 1),
        ),
    ],
)
def test_values_have_their_own_types(value: dict[str, object], expected: object) -> None:
    message = question()
    message.context.append(attribute(**value))

    found = decode(message).context["x"]

    assert found == expected
    assert type(found) is type(expected)


def change(edit: Callable[[wire.CheckRequest], object]) -> wire.CheckRequest:
    message = question()
    edit(message)
    return message


def context(*attributes: shapes.Attribute) -> wire.CheckRequest:
    return change(lambda m: m.context.extend(attributes))


BAD = [
    (change(lambda m: m.ClearField("principal")), "principal.id", "required"),
    (change(lambda m: setattr(m.principal, "type", "")), "principal.type", "required"),
    (change(lambda m: setattr(m.principal, "type", "root")), "principal.type", "unknown_value"),
    (change(lambda m: m.ClearField("action")), "action", "required"),
    (change(lambda m: m.ClearField("data")), "data", "required"),
    (change(lambda m: m.data.append("")), "data[1]", "required"),
    (change(lambda m: m.data.extend(["x"] * 64)), "data", "too_many"),
    (change(lambda m: setattr(m, "purpose", "*")), "purpose", "invalid_character"),
    (change(lambda m: setattr(m, "purpose", "p" * 129)), "purpose", "too_long"),
    (change(lambda m: setattr(m, "channel", "e mail")), "channel", "invalid_character"),
    (change(lambda m: setattr(m, "detail", 99)), "detail", "unknown_value"),
    (change(lambda m: setattr(m.subject, "id", "a\r\nb")), "subject.id", "control_character"),
    (change(lambda m: setattr(m.subject, "id", "a\x1b[0m")), "subject.id", "control_character"),
    (change(lambda m: setattr(m.subject, "id", "a\x00")), "subject.id", "control_character"),
    (change(lambda m: setattr(m.subject, "id", "a\u2028b")), "subject.id", "control_character"),
    (change(lambda m: setattr(m.subject, "id", "a\u202eb")), "subject.id", "bidi_control"),
    (change(lambda m: setattr(m.subject, "id", "e\u0301")), "subject.id", "not_nfc"),
    (change(lambda m: setattr(m.subject, "id", "alice ")), "subject.id", "edge_whitespace"),
    (change(lambda m: setattr(m.subject, "id", "\u00a0é")), "subject.id", "edge_whitespace"),
    (change(lambda m: setattr(m.subject, "id", "é" * 129)), "subject.id", "too_long"),
    (change(lambda m: m.principal.roles.extend("r" * 33)), "principal.roles", "too_many"),
    (change(lambda m: setattr(m.recipient, "country", "de")), "recipient.country", "bad_country"),
    (
        change(lambda m: setattr(m.resource.collected_at, "nanos", -1)),
        "resource.collected_at", "bad_time",
    ),
    (context(attribute(text="1"), attribute(text="2")), "context[1].name", "duplicate_key"),
    (context(attribute("", text="1")), "context[0].name", "required"),
    (context(attribute("a.b", text="1")), "context[0].name", "bad_key"),
    (context(attribute("a" * 65, text="1")), "context[0].name", "bad_key"),
    (context(*(attribute(f"a{i}", text="1") for i in range(65))), "context", "too_many"),
    (context(shapes.Attribute(name="a")), "context[0].value", "required"),
    (context(attribute(text="x" * 4_097)), "context[0].value.text", "too_long"),
    (context(attribute(text="a\u2066")), "context[0].value.text", "bidi_control"),
    (context(attribute(decimal="NaN")), "context[0].value.decimal", "bad_number"),
    (context(attribute(decimal="1e999")), "context[0].value.decimal", "bad_number"),
    (context(attribute(decimal="\u0661")), "context[0].value.decimal", "bad_number"),
    (context(attribute(decimal="9" * 35)), "context[0].value.decimal", "bad_number"),
    (context(attribute(decimal="9" * 400)), "context[0].value.decimal", "too_long"),
    (context(attribute(date="2026-02-30")), "context[0].value.date", "bad_date"),
    (context(attribute(date="20260201")), "context[0].value.date", "bad_date"),
    (context(attribute(date="9999-01-01")), "context[0].value.date", "bad_date"),
    (context(attribute(time=Timestamp(seconds=-1))), "context[0].value.time", "bad_time"),
    (context(attribute(time=Timestamp(seconds=END_OF_2200))), "context[0].value.time", "bad_time"),
    (context(attribute(time=Timestamp(nanos=10**9))), "context[0].value.time", "bad_time"),
    (
        context(attribute(duration=WireDuration(seconds=1, nanos=-1))),
        "context[0].value.duration", "bad_duration",
    ),
    (
        context(attribute(duration=WireDuration(seconds=2**62))),
        "context[0].value.duration", "bad_duration",
    ),
    (
        context(
            attribute(list=shapes.ValueList(values=[shapes.Value(list=shapes.ValueList())]))
        ),
        "context[0].value.list.values[0].list", "too_deep",
    ),
    (
        context(attribute(list=shapes.ValueList(values=[shapes.Value(number=1)] * 257))),
        "context[0].value.list", "too_many",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("message", "field", "code"),
    BAD,
    ids=[f"{f or 'message'}-{c}-{i}" for i, (_, f, c) in enumerate(BAD)],
)
def test_wrong_field_is_named_with_its_rule(
    message: wire.CheckRequest, field: str, code: str
) -> None:
    assert faults(message)[field] == code


def test_all_faults_are_told_at_once_but_not_without_end() -> None:
    message = change(lambda m: m.ClearField("principal"))
    assert faults(message) == {"principal.id": "required", "principal.type": "required"}

    message.data.extend(["?"] * 60)
    assert len(faults(message)) == 16


def test_message_repeats_no_input() -> None:
    message = change(lambda m: setattr(m.subject, "id", "canary\n"))
    with pytest.raises(RequestError) as caught:
        decode(message)

    assert "canary" not in str(caught.value)
    assert all("canary" not in v.message for v in caught.value.violations)


def test_every_code_has_a_sentence(project_root: Path) -> None:
    source = "".join(
        path.read_text() for path in (project_root / "src/consentry/server").glob("*.py")
    )
    used = set(re.findall(r'(?:add|violation)\([^()]*?"([a-z_]+)"\)', source))

    assert used
    assert used - set(SENTENCES) == set()


def test_ids_are_opaque_and_never_folded() -> None:
    for id_ in ("Ada", "ADA", "a/../b", "'; drop table", "{0.__class__}", "ada@example.org"):
        message = change(lambda m, value=id_: setattr(m.subject, "id", value))  # type: ignore[misc]
        person = decode(message).data_subject
        assert person is not None
        assert person.id == id_


def test_a_wrong_principal_is_refused_each_time_and_leaves_the_right_one_alone() -> None:
    wrong = question()
    wrong.principal.controller = "acme\n"
    other = question()
    other.principal.controller = "acme"
    for _ in range(2):
        assert decode(question()).principal.controller is None
        assert faults(wrong) == {"principal.controller": "control_character"}
        assert decode(other).principal.controller == "acme"


def test_unknown_fields_are_answered_and_not_kept() -> None:
    raw = question().SerializeToString()
    unknown = b"\xfa\x3f\x03abc"  # field 1023
    nested = question()
    nested.subject.MergeFromString(unknown)

    assert CODEC.decode_check(raw).is_cacheable
    assert not CODEC.decode_check(raw + unknown).is_cacheable
    assert not CODEC.decode_check(nested.SerializeToString()).is_cacheable
    assert CODEC.decode_check(raw + unknown).request == CODEC.decode_check(raw).request


def test_unusual_spelling_of_known_fields_is_kept() -> None:
    raw = question().SerializeToString() + b"\x58\x00"  # partial = false, said in so many words

    assert CODEC.decode_check(raw).is_cacheable


@pytest.mark.parametrize(
    "raw", [b"\xff", b"\x0a\x7f", b"\x12\x02\xc3\x28", b"\x12\x03\xed\xa0\x80"]
)
def test_malformed_bytes_are_one_violation_of_the_whole(raw: bytes) -> None:
    with pytest.raises(RequestError) as caught:
        CODEC.decode_check(raw)

    assert [(v.field, v.code) for v in caught.value.violations] == [("", "malformed_message")]


def test_wire_and_model_list_the_same_words() -> None:
    assert set(_MASKS) == set(MASK_FUNCTIONS)
    assert set(consent_codec._KINDS.values()) == set(EventKind)
    assert len(consent_codec._KINDS) == len(consent_pb2.EventKind.values()) - 1
    assert set(consent_codec._AUTHORS.values()) == set(Author)
