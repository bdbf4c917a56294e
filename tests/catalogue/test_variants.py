"""Ten variants of each listed bad input, made by a generator, are answered as well.

Where a row is about what a text may hold, the same mistake goes into other fields, at other places
of the text, by other characters of its kind. Where it is about bytes, the bytes of good messages
are cut, flipped and doubled: whatever comes of it is an answer or a typed error.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from consentry.v1 import authorization_pb2, consent_pb2, decision_pb2
from tests.bench.requests import newsletter_check
from tests.catalogue.bad_requests import changed
from tests.catalogue.target import AUTHORIZATION, CANARY, CHECK, CONSENT, Target
from tests.catalogue.test_events import event

SEED: Final = 20_261_126
COUNT: Final = 10
TEXTS: Final[dict[str, tuple[str, ...]]] = {
    "control_character": ("\r\n", "\x1b[2J", "\0", "\x7f", "\x85", "\u2028", "\u2029", "\t"),
    "bidi_control": ("\u202e", "\u202a", "\u2066", "\u2069", "\u200f", "\u061c"),
    "not_nfc": ("e\u0301", "A\u030a", "\u1100\u1161", "\u212b", "o\u0308"),
    "edge_whitespace": (" ", "\u00a0", "\u2003", "\u3000"),
    "too_long": ("x" * 300, "\u00e9" * 200, "\U0001f600" * 100),
}
NAMES: Final = (
    "*",
    "with space",
    "a/b",
    "a:b",
    "\u0430bc",
    "a\u200bb",
    "-leading",
    ".leading",
    "a\nb",
)
ROOTS: Final = (
    "subject.id",
    "principal.id",
    "resource.id",
    "recipient.id",
    "context",
    "attributes",
)
MISTAKES: Final[dict[str, Callable[[random.Random], bytes]]] = {
    "cut": lambda r: newsletter_check()[: r.randrange(1, len(newsletter_check()))],
    "flipped": lambda r: flipped(newsletter_check(), r),
    "doubled": lambda r: newsletter_check() * r.randrange(2, 5),
    "not text": lambda r: newsletter_check().replace(
        b"bench", r.choice([b"\xc3\x28abc", b"\xed\xa0\x80ab", b"\xff\xfeabc", b"\xf8\x88abc"])
    ),
    "groups": lambda r: newsletter_check() + b"\x7b" * r.randrange(1, 200),
    "noise": lambda r: r.randbytes(r.randrange(1, 500)),
    "unknown fields": lambda r: newsletter_check() + b"\xfa\x07\x05hello" * r.randrange(1, 20),
}
ALLOWED: Final = {"OK", "INVALID_ARGUMENT", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION"}


def flipped(raw: bytes, random_: random.Random) -> bytes:
    bits = bytearray(raw)
    for _ in range(random_.randrange(1, 4)):
        bits[random_.randrange(len(bits))] ^= 1 << random_.randrange(8)
    return bytes(bits)


def placed(mistake: str, kind: str, random_: random.Random) -> str:
    if kind == "too_long":
        return mistake
    if kind == "edge_whitespace":
        return random_.choice([mistake + CANARY, CANARY + mistake])
    cut = random_.randrange(1, len(CANARY))
    return CANARY[:cut] + mistake + CANARY[cut:] + CANARY


def set_text(message: Any, root: str, value: str) -> None:
    match root:
        case "context":
            message.context.add(name="free", value=decision_pb2.Value(text=value))
        case "attributes":
            message.subject.attributes.add(name="free", value=decision_pb2.Value(text=value))
        case _:
            owner, _, name = root.partition(".")
            setattr(getattr(message, owner), name, value)


def text_variants(kind: str) -> Iterator[bytes]:
    random_ = random.Random(f"{SEED}{kind}")
    for _ in range(COUNT):
        root = random_.choice(ROOTS[:4] if kind == "too_long" else ROOTS)
        value = placed(random_.choice(TEXTS[kind]), kind, random_)
        yield changed(lambda m, root=root, value=value: set_text(m, root, value))


@pytest.mark.parametrize("kind", TEXTS)
def test_mistake_in_a_text_is_told_whatever_field_holds_it(kind: str, target: Target) -> None:
    with target.unharmed():
        for body in text_variants(kind):
            told = target.call(CHECK, body)
            assert told.code in ("INVALID_ARGUMENT", "RESOURCE_EXHAUSTED"), told
            assert any(said.endswith(f": {kind}") for said in told.violations), told
            assert CANARY not in told.details


@pytest.mark.parametrize("field", ["purpose", "action", "channel", "data"])
def test_mistake_in_a_name_is_told_whatever_it_names(field: str, target: Target) -> None:
    def change(message: authorization_pb2.CheckRequest, name: str) -> None:
        if field == "data":
            message.data.append(name)
        else:
            setattr(message, field, name)

    with target.unharmed():
        for name in NAMES:
            told = target.call(CHECK, changed(lambda m, name=name: change(m, name)))
            assert told.code == "INVALID_ARGUMENT", (name, told)
            assert any(said.endswith(": invalid_character") for said in told.violations), told


@pytest.mark.parametrize(
    "kind", ["control_character", "bidi_control", "not_nfc", "edge_whitespace"]
)
@pytest.mark.parametrize("field", ["subject", "proof.reference", "notice", "idempotency_key"])
def test_mistake_in_an_event_is_told_and_nothing_recorded(
    kind: str, field: str, target: Target
) -> None:
    random_ = random.Random(f"{SEED}{kind}{field}")
    with target.unharmed():
        for _ in range(3):
            made = event()
            owner, _, name = field.rpartition(".")
            value = placed(random_.choice(TEXTS[kind]), kind, random_)
            setattr(getattr(made, owner) if owner else made, name, value)
            request = consent_pb2.RecordConsentRequest(events=[event(), made])
            told = target.call(CONSENT + "RecordConsent", request.SerializeToString())
            assert told.code == "INVALID_ARGUMENT", told
            assert told.violations == (f"events[1].{field}: {kind}",)
            assert CANARY not in told.details


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize(
    "method",
    [
        CHECK,
        AUTHORIZATION + "CheckBatch",
        AUTHORIZATION + "Explain",
        CONSENT + "GetConsent",
        CONSENT + "ListConsentEvents",
    ],
)
def test_broken_bytes_are_an_answer_or_a_typed_error(
    mistake: str, method: str, target: Target
) -> None:
    random_ = random.Random(f"{SEED}{mistake}{method}")
    with target.unharmed():
        for _ in range(COUNT):
            told = target.call(method, MISTAKES[mistake](random_))
            assert told.code in ALLOWED, told
            assert CANARY not in told.details
            if told.code == "OK" and method == CHECK:
                answer = authorization_pb2.CheckResponse.FromString(told.answer)
                assert answer.effect in (decision_pb2.EFFECT_PERMIT, decision_pb2.EFFECT_DENY)
