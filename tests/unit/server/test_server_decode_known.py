"""The quick way of decoding gives what the long way gives, or nothing."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consentry.model.request import Request, RequestError
from consentry.server import decode_known as quick
from consentry.server.decode import decode_request, parse_check
from consentry.server.decode_known import MAX_KNOWN_BYTES, decode_known
from consentry.v1 import authorization_pb2 as wire
from consentry.v1 import decision_pb2 as shapes

TEXTS = ("", "a", "ada", "DE", "2026-01-01", " x", "e\u0301", "a\n", "ü", "x" * 300)
UNKNOWN = b"\xfa\x3f\x03abc"  # field 1023


def ordinary() -> wire.CheckRequest:
    return wire.CheckRequest(
        principal=shapes.Principal(id="mailer", type="service", roles=["marketer"]),
        action="contact",
        data=["customer.contact.email"],
        subject=shapes.DataSubject(id="ada", attributes=[attribute("country", "DE")]),
        purpose="marketing.email",
        channel="email",
        recipient=shapes.Recipient(id="shop", country="DE"),
        resource=shapes.Resource(id="record-1"),
        context=[attribute("campaign", "autumn")],
        signals=[shapes.Attribute(name="gpc", value=shapes.Value(flag=True))],
    )


def attribute(name: str, text: str) -> shapes.Attribute:
    return shapes.Attribute(name=name, value=shapes.Value(text=text))


def the_long_way(raw: bytes) -> Request | None:
    """What the long way makes of it; None where it refuses or would not keep the answer."""
    try:
        message, has_unknown_fields = parse_check(raw)
        request = decode_request(message)
    except RequestError:
        return None
    return None if has_unknown_fields else request


texts = st.sampled_from(TEXTS)
attributes = st.lists(st.builds(attribute, st.sampled_from(["a", "b", "B", ""]), texts), max_size=3)
messages = st.builds(
    wire.CheckRequest,
    principal=st.builds(
        shapes.Principal,
        id=texts,
        type=st.sampled_from(["service", "person", "root", ""]),
        roles=st.lists(texts, max_size=2),
        controller=texts,
        attributes=attributes,
    ),
    action=texts,
    data=st.lists(texts, max_size=3),
    subject=st.none() | st.builds(shapes.DataSubject, id=texts, attributes=attributes),
    purpose=texts,
    channel=texts,
    recipient=st.none() | st.builds(shapes.Recipient, id=texts, country=texts, roles=st.just([])),
    resource=st.none()
    | st.builds(shapes.Resource, id=texts, collected_on=texts, attributes=attributes),
    context=attributes,
    signals=attributes,
    partial=st.booleans(),
    detail=st.sampled_from([0, 1, 2]),
)


def test_ordinary_question_takes_the_quick_way() -> None:
    raw = ordinary().SerializeToString()

    assert decode_known(raw) is not None
    assert decode_known(raw) == the_long_way(raw)


@settings(max_examples=400)
@given(messages)
def test_both_ways_agree_on_any_message(message: wire.CheckRequest) -> None:
    raw = message.SerializeToString()
    found = decode_known(raw)

    assert found is None or found == the_long_way(raw)


@settings(max_examples=600)
@given(st.data())
def test_both_ways_agree_on_damaged_bytes(data: st.DataObject) -> None:
    raw = bytearray(ordinary().SerializeToString())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(raw) - 1))
        match data.draw(st.sampled_from(["set", "insert", "remove", "repeat"])):
            case "set":
                raw[place] = data.draw(st.integers(0, 255))
            case "insert":
                raw.insert(place, data.draw(st.integers(0, 255)))
            case "remove":
                del raw[place : place + 1]
            case _:
                raw += raw[place:]
    found = decode_known(bytes(raw))

    assert found is None or found == the_long_way(bytes(raw))


@pytest.mark.parametrize(
    "raw",
    [
        ordinary().SerializeToString() + UNKNOWN,
        ordinary().SerializeToString() + b"\x0a\x00",  # a second principal, to be merged
        ordinary().SerializeToString() + b"\x58\x00",  # partial = false, said in so many words
        ordinary().SerializeToString()[:-1],
        b"",
        wire.CheckRequest(
            action="read",
            data=["x"],
            principal=shapes.Principal(id="a", type="service"),
            context=[attribute("x", "y" * MAX_KNOWN_BYTES)],
        ).SerializeToString(),
    ],
)
def test_unusual_bytes_are_left_to_the_long_way(raw: bytes) -> None:
    assert decode_known(raw) is None


def with_long_parts() -> wire.CheckRequest:
    """Sizes of two bytes before and in the person and the record."""
    message = ordinary()
    for part in (message.principal, message.subject, message.resource):
        part.attributes.extend([attribute(f"a{number}", "value " * 5 + "x") for number in range(4)])
    return message


def without(*fields: str) -> wire.CheckRequest:
    message = ordinary()
    for field in fields:
        message.ClearField(field)
    return message


@pytest.mark.parametrize(
    "message",
    [
        with_long_parts(),
        without("subject"),
        without("resource"),
        without("context", "signals"),
        without("resource", "context", "signals"),
        without("channel", "recipient"),
        without("purpose", "channel", "recipient"),
        without("subject", "resource"),
    ],
    ids=lambda message: f"{message.ByteSize()}",
)
def test_questions_are_cut_where_person_and_record_begin_and_end(
    message: wire.CheckRequest,
) -> None:
    raw = message.SerializeToString()

    assert decode_known(raw) is not None
    assert decode_known(raw) == the_long_way(raw)


PERSON = wire.CheckRequest(subject=shapes.DataSubject(id="eve")).SerializeToString()
RECORD = wire.CheckRequest(resource=shapes.Resource(id="other")).SerializeToString()
PURPOSE = wire.CheckRequest(purpose="theft").SerializeToString()
CALLER = wire.CheckRequest(principal=shapes.Principal(id="root", type="person")).SerializeToString()


@pytest.mark.parametrize("second", [PERSON, RECORD, PURPOSE, CALLER, b"\x22\x00", b"\x42\x00"])
@pytest.mark.parametrize("place", ["first", "behind who asks", "behind the person", "last"])
def test_a_part_that_stands_twice_or_elsewhere_is_left_to_the_long_way(
    second: bytes, place: str
) -> None:
    """Protobuf merges what stands twice: no quick way may take one of them for the whole."""
    raw = ordinary().SerializeToString()
    start = without(
        "subject", "purpose", "channel", "recipient", "resource", "context", "signals"
    ).SerializeToString()
    person = wire.CheckRequest(subject=ordinary().subject).SerializeToString()
    assert raw.startswith(start + person)
    places = {"first": 0, "behind who asks": len(start), "last": len(raw)}
    at = places.get(place, len(start + person))
    twice = raw[:at] + second + raw[at:]

    assert decode_known(twice) is None


@pytest.mark.parametrize("name", ["", "x" * 128, "x" * 300, " ada", "e\u0301"])
def test_ids_that_break_a_rule_or_are_long_are_left_to_the_long_way(name: str) -> None:
    person, record = ordinary(), ordinary()
    person.subject.id = record.resource.id = name

    assert decode_known(person.SerializeToString()) is None
    raw = record.SerializeToString()
    found = decode_known(raw)
    assert found is None or found == the_long_way(raw)


def test_a_question_that_breaks_off_is_never_completed() -> None:
    message = ordinary()
    message.resource.attributes.append(attribute("kind", "order"))
    message.ClearField("context")
    message.ClearField("signals")
    raw = message.SerializeToString()
    begun = [raw[:length] for length in range(len(raw))]
    known = [part for part in begun if decode_known(part) is not None]

    assert without("resource", "context", "signals").SerializeToString() in known
    assert all(decode_known(part) == the_long_way(part) for part in known)


def test_a_person_of_two_ids_is_left_to_the_long_way() -> None:
    start = wire.CheckRequest(principal=ordinary().principal, action="read", data=["a"])
    end = wire.CheckRequest(purpose="marketing.email").SerializeToString()
    inside = ordinary().subject.SerializeToString() + shapes.DataSubject(id="e").SerializeToString()
    raw = start.SerializeToString() + b"\x22" + bytes([len(inside)]) + inside + end

    asked = the_long_way(raw)
    assert asked is not None
    assert asked.data_subject is not None
    assert asked.data_subject.id == "e"
    assert decode_known(raw) is None


def test_sizes_spelt_with_more_bytes_than_they_need_are_left_to_the_long_way() -> None:
    raw = without("subject").SerializeToString()
    at = raw.index(b"\x2a")  # the purpose, behind which no person stands
    person = b"\x22\x85\x00" + shapes.DataSubject(id="ada").SerializeToString()

    assert the_long_way(raw[:at] + person + raw[at:]) is not None
    assert decode_known(raw[:at] + person + raw[at:]) is None


def test_unknown_fields_deep_inside_are_left_to_the_long_way() -> None:
    inside = ordinary()
    inside.context[0].value.MergeFromString(UNKNOWN)
    person = ordinary()
    person.subject.MergeFromString(UNKNOWN)

    assert decode_known(inside.SerializeToString()) is None
    assert decode_known(person.SerializeToString()) is None


def test_what_is_remembered_is_bounded_and_holds_no_person() -> None:
    tables = [value for value in vars(quick).values() if hasattr(value, "cache_info")]
    assert tables
    for table in tables:  # other tests have been here
        table.cache_clear()

    for number in range(9_000):
        message = ordinary()
        message.subject.id = f"person-{number}"
        message.context[0].value.text = f"campaign-{number}"
        assert decode_known(message.SerializeToString()) is not None

    for table in tables:
        size = table.cache_info()
        assert size.maxsize is not None
        assert size.currsize <= size.maxsize <= 8_192
    assert quick._known_principal.cache_info().currsize < 10
