"""The client's own work: questions, answers, masks, and what it imports."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import grpc
import pytest

from consentry.client import (
    Client,
    Decision,
    FieldDecision,
    Mask,
    Recipient,
    Resource,
    Subject,
    agent,
    apply,
    event,
    job,
    person,
    question,
    service,
)
from consentry.client.decision import decision_of
from consentry.v1 import authorization_pb2, decision_pb2

IMPORTS = """
import sys
import consentry.client
ours = {m for m in sys.modules if m == "consentry" or m.startswith("consentry.")}
allowed = ("consentry.client", "consentry.v1")
print(sorted(m for m in ours if m != "consentry" and not m.startswith(allowed)))
heavy = {"lark", "cachetools", "prometheus_client", "apsw", "pydantic", "starlette", "uvicorn"}
print(sorted(heavy & set(sys.modules)))
"""


def test_client_imports_nothing_else_of_ours() -> None:
    said = subprocess.run(
        [sys.executable, "-c", IMPORTS], check=True, capture_output=True, text=True
    ).stdout

    assert said.split("\n")[:2] == ["[]", "[]"]


def asked(**context: object) -> authorization_pb2.CheckRequest:
    return question(
        principal=service("mailer"),
        action="contact",
        data="customer.email",
        subject="ada",
        purpose="marketing",
        context=context,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("a", "text"),
        (True, "flag"),
        (3, "number"),
        (Decimal("1E+3"), "decimal"),
        (datetime(2026, 1, 1, tzinfo=UTC), "time"),
        (date(2026, 1, 1), "date"),
        (timedelta(days=-1), "duration"),
        (["a", 1], "list"),
        (frozenset({"b", "a"}), "list"),
    ],
)
def test_python_values_have_their_kind_on_the_wire(value: object, kind: str) -> None:
    assert asked(x=value).context[0].value.WhichOneof("kind") == kind


def test_values_are_exact() -> None:
    message = asked(
        d=Decimal("1E+3"), t=datetime(2026, 1, 1, 1, tzinfo=UTC), u=timedelta(seconds=-1.5)
    )
    d, t, u = (a.value for a in message.context)

    assert d.decimal == "1000"
    assert t.time.ToDatetime(tzinfo=UTC) == datetime(2026, 1, 1, 1, tzinfo=UTC)
    assert (u.duration.seconds, u.duration.nanos) == (-1, -500_000_000)


@pytest.mark.parametrize("value", [1.5, object(), {"a": 1}, [["nested"]], b"x"])
def test_values_that_cannot_be_exact_are_refused(value: object) -> None:
    with pytest.raises(TypeError, match="'x'"):
        asked(x=value)


def test_datetime_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        asked(x=datetime(2026, 1, 1))  # noqa: DTZ001


def test_unknown_attribute_is_left_out_and_order_does_not_matter() -> None:
    assert [a.name for a in asked(b="1", a=None, c="2").context] == ["b", "c"]
    assert asked(b="1", a="2").SerializeToString() == asked(a="2", b="1").SerializeToString()


@pytest.mark.parametrize(
    ("make", "kind"), [(service, "service"), (person, "person"), (agent, "agent"), (job, "job")]
)
def test_principals_have_their_kind_and_attributes(make: object, kind: str) -> None:
    made = make("x", roles=["r"], team="t")  # type: ignore[operator]

    assert (made.type, made.roles, made.attributes) == (kind, ("r",), {"team": "t"})


def test_question_with_a_misspelt_or_missing_part_is_refused() -> None:
    with pytest.raises(TypeError, match="chanel"):
        question(
            principal=service("s"),
            action="a",
            data="d",
            subject="x",
            purpose="p",
            chanel="c",  # type: ignore[call-arg]
        )
    with pytest.raises(TypeError, match="purpose"):
        question(principal=service("s"), action="a", data="d", subject="x")  # type: ignore[call-arg]


def test_all_parts_are_sent() -> None:
    message = question(
        principal=person("p", controller="acme"),
        action="share",
        data=["a", "b"],
        subject=Subject(id="ada", attributes={"country": "DE"}),
        purpose="x",
        recipient=Recipient(id="r", country="DE"),
        resource=Resource(collected_at=datetime(2026, 1, 1, tzinfo=UTC), collected_for=("x",)),
        partial=True,
        all_reasons=True,
    )

    assert message.recipient.country == "DE"
    assert message.resource.HasField("collected_at")
    assert message.subject.attributes[0].value.text == "DE"
    assert message.partial
    assert message.detail == authorization_pb2.DETAIL_ALL_REASONS


@pytest.mark.parametrize("effect", [0, 2, 99])
def test_effect_that_is_not_permit_is_a_denial(effect: int) -> None:
    message = authorization_pb2.CheckResponse.FromString(b"\x08" + bytes([effect]))

    assert not decision_of(message)


def test_mask_that_is_not_known_redacts() -> None:
    message = authorization_pb2.CheckResponse()
    message.leaves.add(data="a", effect=decision_pb2.EFFECT_PERMIT).mask.MergeFromString(
        b"\x08\x63"
    )

    assert decision_of(message).fields[0].mask == Mask("redact")


def decided(*fields: FieldDecision) -> Decision:
    return Decision(is_permitted=True, reason="x", fields=fields)


def test_apply_keeps_only_what_was_granted() -> None:
    decision = decided(
        FieldDecision("customer.contact.email", True, "x"),
        FieldDecision("customer.health", False, "y"),
    )

    assert apply(decision, {"email": "a@b", "health": "h", "other": 1}) == {"email": "a@b"}
    assert apply(decision, {"customer.contact.email": "a@b", "customer.health": 1}) == {
        "customer.contact.email": "a@b"
    }


def test_apply_drops_a_short_name_that_also_means_a_denied_field() -> None:
    decision = decided(FieldDecision("a.email", True, "x"), FieldDecision("b.email", False, "y"))

    assert apply(decision, {"email": 1, "a.email": 2}) == {"a.email": 2}


def test_apply_redacts_a_short_name_with_two_masks() -> None:
    decision = decided(
        FieldDecision("a.phone", True, "x", Mask("last", 4)),
        FieldDecision("b.phone", True, "x", Mask("first", 2)),
    )

    assert apply(decision, {"phone": "123456"}) == {"phone": "[redacted]"}


def test_apply_gives_nothing_of_a_denial_though_some_fields_were_granted() -> None:
    granted = (FieldDecision("a.email", True, "x"), FieldDecision("a.health", False, "y"))
    denial = Decision(is_permitted=False, reason="y", fields=granted)

    assert apply(denial, {"a.email": 1, "email": 2, "a.health": 3}) == {}


def test_apply_gives_nothing_when_nothing_was_answered() -> None:
    assert apply(Decision(is_permitted=False, reason="unavailable"), {"email": 1}) == {}


@pytest.mark.parametrize(
    ("mask", "value", "expected"),
    [
        (Mask("redact"), "secret", "[redacted]"),
        (Mask("last", 4), "0123456789", "••••••6789"),
        (Mask("last", 4), "12345", "•2345"),
        (Mask("last", 4), "1234", "••••"),
        (Mask("last", 4), "12", "••"),
        (Mask("last", 4), "", ""),
        (Mask("last", 0), "12", "••"),
        (Mask("first", 2), "abcd", "ab••"),
        (Mask("first", 2), "ab", "••"),
        (Mask("first", 3), 42, "••"),
        (Mask("initials"), "Ada King Lovelace", "A. K. L."),
        (Mask("year"), date(1990, 4, 1), 1990),
        (Mask("year"), "1990-04-01", 1990),
        (Mask("year"), "soon", "[redacted]"),
        (Mask("round", 10), 47, 50),
        (Mask("round", 10), Decimal("44.9"), 40),
        (Mask("round", 0), 47, "[redacted]"),
        (Mask("round", 10), "x", "[redacted]"),
        (Mask("round", 10), float("nan"), "[redacted]"),
        (Mask("null"), "x", None),
        (Mask("made_up"), "x", "[redacted]"),
    ],
)
def test_masks_hide_what_they_should(mask: Mask, value: object, expected: object) -> None:
    decision = decided(FieldDecision("a", True, "x", mask))

    assert apply(decision, {"a": value}) == {"a": expected}


def test_hash_is_the_same_for_the_same_value_only() -> None:
    decision = decided(FieldDecision("a", True, "x", Mask("hash")))
    first, again, other = (apply(decision, {"a": v})["a"] for v in ("x", "x", "y"))

    assert first == again != other
    assert "x" not in str(first)


def test_event_has_a_key_of_its_own_and_speaks_of_one_thing() -> None:
    first, second = (event("withdrawn", "ada", purpose="x") for _ in range(2))

    assert first.idempotency_key != second.idempotency_key
    with pytest.raises(ValueError, match="not of both"):
        event("given", "ada", purpose="x", tag="y")
    with pytest.raises(ValueError, match="EVENT_KIND_FORGOT"):
        event("forgot", "ada", purpose="x")


class Gone(grpc.RpcError):
    """UNAVAILABLE, as a channel raises it."""

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNAVAILABLE

    def details(self) -> str:
        return "gone"


class FlakyChannel:
    """Fails so often, then answers PERMIT; notes the timeouts it was given."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.timeouts: list[float] = []

    def unary_unary(self, _method: str) -> object:
        return self.call

    unary_stream = unary_unary

    def call(self, _raw: bytes, *, timeout: float, metadata: object) -> bytes:
        self.timeouts.append(timeout)
        if len(self.timeouts) <= self.failures:
            raise Gone
        return b"\x08\x01"

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("failures", "is_permitted", "tries"), [(0, True, 1), (2, True, 3), (3, False, 3)]
)
def test_further_tries_are_counted_and_within_the_deadline(
    failures: int, is_permitted: bool, tries: int
) -> None:
    channel = FlakyChannel(failures)
    client = Client("", timeout_s=5, channel=channel)  # type: ignore[arg-type]

    decision = client.check(
        principal=service("s"), action="read", data="a", subject="ada", purpose="p"
    )

    assert decision.is_permitted is is_permitted
    assert len(channel.timeouts) == tries
    assert channel.timeouts == sorted(channel.timeouts, reverse=True)
    assert channel.timeouts[0] <= 5
