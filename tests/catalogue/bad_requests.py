"""Questions that are wrong, each a row of the catalogue, with what they must be told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from consentry.v1 import authorization_pb2, decision_pb2
from tests.bench.requests import newsletter_check
from tests.catalogue.target import CANARY, CHECK, Metadata

INVALID: Final = "INVALID_ARGUMENT"
EXHAUSTED: Final = "RESOURCE_EXHAUSTED"
Change = Callable[[authorization_pb2.CheckRequest], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bad:
    """One bad input: a status with a violation, or (`denied`) the reason of a denial."""

    row: str
    body: bytes
    code: str = INVALID
    says: str = ""
    method: str = CHECK
    metadata: Metadata = ()

    def __str__(self) -> str:
        return self.row


def changed(change: Change) -> bytes:
    """The good question, changed."""
    message = authorization_pb2.CheckRequest.FromString(newsletter_check())
    change(message)
    return message.SerializeToString()


def set_subject(text: str) -> Change:
    return lambda m: setattr(m.subject, "id", text)


def with_bytes_for_subject(raw: bytes) -> bytes:
    """The good question with an id that is not text."""
    marker = "a" * len(raw)
    return changed(set_subject(marker)).replace(marker.encode(), raw)


def context(*attributes: decision_pb2.Attribute) -> Change:
    return lambda m: m.context.extend(attributes)


def text(name: str, value: str = CANARY) -> decision_pb2.Attribute:
    return decision_pb2.Attribute(name=name, value=decision_pb2.Value(text=value))


def nested(depth: int) -> decision_pb2.Value:
    """A list in a list in a list, so deep."""
    value = decision_pb2.Value(text=CANARY)
    for _ in range(depth):
        value = decision_pb2.Value(list=decision_pb2.ValueList(values=[value]))
    return value


def ask_twice(message: authorization_pb2.CheckRequest) -> None:
    message.data.append(message.data[0])


def _field(number: int, kind: int, payload: bytes) -> bytes:
    return bytes([number << 3 | kind]) + payload


NO_SUBJECT: Final = changed(lambda m: m.ClearField("subject"))

BAD: Final = (
    Bad(row="R3", body=NO_SUBJECT + _field(4, 0, b"\x07"), code="DENY", says="subject_unresolved"),
    Bad(row="R4", body=with_bytes_for_subject(b"\xc3\x28"), says=": malformed_message"),
    Bad(row="R5", body=with_bytes_for_subject(b"\xed\xa0\x80"), says=": malformed_message"),
    Bad(
        row="R7", body=changed(set_subject(f"{CANARY}\r\nx")), says="subject.id: control_character"
    ),
    Bad(
        row="R8",
        body=changed(set_subject(f"{CANARY}\x1b[2J")),
        says="subject.id: control_character",
    ),
    Bad(
        row="R10", body=changed(set_subject(f"{CANARY}\u202eabc")), says="subject.id: bidi_control"
    ),
    Bad(row="R11", body=changed(set_subject(f"{CANARY}e\u0301")), says="subject.id: not_nfc"),
    Bad(
        row="R13",
        body=changed(lambda m: set_subject(m.subject.id.upper())(m)),
        code="DENY",
        says="consent_missing",
    ),
    Bad(row="R14", body=changed(set_subject(f"{CANARY} ")), says="subject.id: edge_whitespace"),
    Bad(
        row="R16",
        body=changed(lambda m: setattr(m, "purpose", "nobody.knows.this")),
        code="DENY",
        says="purpose_unknown",
    ),
    Bad(
        row="R17a",
        body=changed(lambda m: setattr(m, "purpose", "")),
        code="DENY",
        says="purpose_missing",
    ),
    Bad(
        row="R17b",
        body=changed(lambda m: setattr(m, "purpose", "*")),
        says="purpose: invalid_character",
    ),
    Bad(
        row="R18",
        body=changed(lambda m: m.data.extend(f"customer.f{n}" for n in range(65))),
        code=EXHAUSTED,
        says="data: too_many",
    ),
    Bad(
        row="R20",
        body=newsletter_check()
        + _field(
            15,
            2,
            (2**21).to_bytes(4, "little").replace(b"\0\0\x20\0", b"\x80\x80\x80\x01")
            + bytes(2**21),
        ),
        code=EXHAUSTED,
    ),
    Bad(row="R22", body=newsletter_check() + b"\x60\x63", says="detail: unknown_value"),
    Bad(
        row="R23",
        body=changed(context(decision_pb2.Attribute(name="deep", value=nested(33)))),
        says="too_deep",
    ),
    Bad(row="R29", body=changed(context(text("twice"), text("twice"))), says="duplicate_key"),
    Bad(row="R30a", body=changed(context(text(""))), says="required"),
    Bad(row="R30b", body=changed(context(text("with.dot"))), says="bad_key"),
    Bad(row="R30c", body=changed(context(text("k" * 1024))), says="bad_key"),
    Bad(
        row="R39",
        body=newsletter_check(),
        metadata=(("consentry-at-least", "1x"),),
        says="consentry-at-least: bad_position",
    ),
    Bad(
        row="R41",
        body=newsletter_check(),
        metadata=(("consentry-at-least", "9" * 4_000),),
        says="consentry-at-least: bad_position",
    ),
    Bad(
        row="R38",
        body=newsletter_check(),
        metadata=(("consentry-at-least", "999999999"),),
        code="FAILED_PRECONDITION",
        says="ledger_behind",
    ),
    Bad(row="R47", body=newsletter_check(), metadata=(("filler", "x" * 20_000),), code=EXHAUSTED),
    Bad(
        row="R49a",
        body=newsletter_check(),
        method="/consentry.v1.AuthorizationService/check",
        code="UNIMPLEMENTED",
    ),
    Bad(
        row="R49b",
        body=newsletter_check(),
        method="//consentry.v1.AuthorizationService/Check",
        code="UNIMPLEMENTED",
    ),
    Bad(
        row="R49c",
        body=newsletter_check(),
        method="/consentry.v1.AuthorizationService%2FCheck",
        code="UNIMPLEMENTED",
    ),
    Bad(
        row="numbers-a",
        body=changed(
            context(decision_pb2.Attribute(name="n", value=decision_pb2.Value(decimal="1e999")))
        ),
        says="bad_number",
    ),
    Bad(
        row="numbers-b",
        body=changed(
            context(decision_pb2.Attribute(name="n", value=decision_pb2.Value(decimal="NaN")))
        ),
        says="bad_number",
    ),
    Bad(
        row="numbers-c",
        body=changed(
            context(decision_pb2.Attribute(name="n", value=decision_pb2.Value(decimal="1" * 35)))
        ),
        says="bad_number",
    ),
    Bad(
        row="times-a",
        body=changed(
            context(decision_pb2.Attribute(name="d", value=decision_pb2.Value(date="2026-02-30")))
        ),
        says="bad_date",
    ),
    Bad(
        row="times-b",
        body=changed(lambda m: setattr(m.resource.collected_at, "seconds", 2**40)),
        says="resource.collected_at: bad_time",
    ),
    Bad(row="empty", body=b"", says="principal.id: required"),
)
