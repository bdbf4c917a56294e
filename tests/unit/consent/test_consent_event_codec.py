"""Row format 1 is final: what is written today must be read, and verified, for ever."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consentry.consent.errors import LedgerCorruptError
from consentry.consent.event_codec import (
    content_bytes,
    decode_event,
    genesis_digest,
    key_digest,
    next_digest,
    personal_bytes,
    personal_digest,
    public_bytes,
    seal_texts,
)
from consentry.model.consent import (
    Author,
    ConsentEvent,
    EventKind,
    Proof,
    RecipientScope,
    Scope,
)

FULL = ConsentEvent(
    kind=EventKind.GIVEN,
    data_subject_id="åda",
    scope=Scope(
        purpose="marketing",
        data=("customer.email",),
        channels=("email", "sms"),
        recipients=(RecipientScope(id="mail.example"), RecipientScope(country="DE")),
        controller="acme",
        regime="gdpr",
    ),
    happened_at_us=1_700_000_000_000_000,
    received_at_us=1_700_000_000_000_001,
    position=7,
    event_id="e7",
    idempotency_key="key-1",
    qualities=frozenset({"explicit", "active"}),
    notice="2026-03",
    listed=("marketing.sms",),
    by=Author.GUARDIAN,
    expires_at_us=1_800_000_000_000_000,
    proof=Proof(method="form", source="web", channel="web", recorded_by="bo", reference="r/1"),
)
SALT = bytes(32)
PUBLIC = (
    b'{"by":"guardian","event_id":"e7","expires_at_us":1800000000000000,"format":1,'
    b'"happened_at_us":1700000000000000,"kind":"given","listed":["marketing.sms"],'
    b'"notice":"2026-03","personal_digest":"PERSONAL","position":7,'
    b'"proof":{"channel":"web","method":"form","source":"web"},'
    b'"qualities":["active","explicit"],"received_at_us":1700000000000001,'
    b'"scope":{"channels":["email","sms"],"controller":"acme","data":["customer.email"],'
    b'"purpose":"marketing","recipients":[{"id":"mail.example"},{"country":"DE"}],'
    b'"regime":"gdpr"}}'
)
PERSONAL = (
    b'{"data_subject_id":"\\u00e5da","idempotency_key":"key-1","recorded_by":"bo",'
    b'"reference":"r/1"}'
)


def test_bytes_of_format_1_are_these_for_ever() -> None:
    digest = hashlib.sha256(SALT + PERSONAL).digest()

    assert personal_bytes(FULL) == PERSONAL
    assert personal_digest(SALT, PERSONAL) == digest
    assert public_bytes(FULL, digest) == PUBLIC.replace(b"PERSONAL", digest.hex().encode())
    assert json.loads(public_bytes(FULL, digest))["personal_digest"] == digest.hex()


def test_chain_is_plain_sha256_from_a_genesis_of_the_ledgers_own() -> None:
    genesis = hashlib.sha256(b"consentry ledger 1\nL").digest()

    assert genesis_digest("L") == genesis
    assert next_digest(genesis, b"event") == hashlib.sha256(genesis + b"event").digest()


def test_event_comes_back_whole_with_its_personal_part_and_nobodys_without() -> None:
    public = public_bytes(FULL, bytes(32))

    assert decode_event(public, PERSONAL) == FULL
    bare = decode_event(public, None)
    assert (bare.data_subject_id, bare.idempotency_key, bare.proof.recorded_by) == ("", "", "")
    assert bare.scope == FULL.scope


def test_public_part_names_nobody() -> None:
    public = public_bytes(FULL, bytes(32)).decode()

    assert not any(word in public for word in ('da"', "key-1", '"bo"', "r/1"))


def test_content_leaves_out_what_the_ledger_adds_and_nothing_else() -> None:
    added = replace(FULL, position=9, event_id="x", received_at_us=1)

    assert content_bytes(added) == content_bytes(FULL)
    for changed in (
        replace(FULL, notice="2"),
        replace(FULL, data_subject_id="eve"),
        replace(FULL, proof=replace(FULL.proof, reference="r/2")),
        replace(FULL, expires_at_us=None),
        replace(FULL, happened_at_us=0),
    ):
        assert content_bytes(changed) != content_bytes(FULL)


def test_key_digest_is_the_ledgers_own() -> None:
    assert key_digest("a", "k") != key_digest("b", "k")
    assert key_digest("a", "k") == key_digest("a", "k")


@pytest.mark.parametrize(
    "public",
    [b"", b"[]", b"{}", b"\xff", b'{"format":2}', b'{"format":1,"kind":"given"}'],
)
def test_row_that_cannot_be_read_is_corrupt(public: bytes) -> None:
    with pytest.raises(LedgerCorruptError):
        decode_event(public, None)


TEXT = st.text(max_size=8)
NAMES = st.lists(TEXT.filter(bool), max_size=3).map(tuple)
EVENTS = st.builds(
    ConsentEvent,
    kind=st.sampled_from(EventKind),
    data_subject_id=TEXT,
    scope=st.builds(
        Scope,
        purpose=TEXT,
        tag=TEXT,
        data=NAMES,
        channels=NAMES,
        recipients=st.lists(st.builds(RecipientScope, role=TEXT.filter(bool)), max_size=2).map(
            tuple
        ),
        controller=TEXT,
        regime=TEXT,
    ),
    happened_at_us=st.integers(0, 1 << 53),
    received_at_us=st.integers(0, 1 << 53),
    position=st.integers(1, 1 << 53),
    event_id=TEXT,
    idempotency_key=TEXT,
    qualities=st.frozensets(TEXT.filter(bool), max_size=3),
    notice=TEXT,
    listed=NAMES,
    by=st.sampled_from(Author),
    expires_at_us=st.none() | st.integers(0, 1 << 53),
    proof=st.builds(
        Proof, method=TEXT, source=TEXT, channel=TEXT, recorded_by=TEXT, reference=TEXT
    ),
)


@settings(max_examples=150, deadline=None)
@given(EVENTS)
def test_every_event_comes_back_equal_from_canonical_bytes(event: ConsentEvent) -> None:
    personal = personal_bytes(event)
    public = public_bytes(event, bytes(32))

    assert decode_event(public, personal) == event
    for text in (public, personal):
        assert text.isascii()
        again = json.dumps(json.loads(text), sort_keys=True, separators=(",", ":")).encode()
        assert again == text


def filled(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value or isinstance(value, int)}


def canonical(members: dict[str, Any]) -> bytes:
    return json.dumps(members, sort_keys=True, separators=(",", ":")).encode("ascii")


def members_of(event: ConsentEvent) -> tuple[dict[str, Any], dict[str, Any]]:
    """What decision record 7 says of an event: its public members without what the ledger adds,
    and its personal ones.
    """
    told = asdict(event)
    proof = told["proof"]
    personal = {name: told[name] for name in ("data_subject_id", "idempotency_key")}
    personal |= {name: proof.pop(name) for name in ("reference", "recorded_by")}
    scope = told["scope"] | {"recipients": [filled(r) for r in told["scope"]["recipients"]]}
    public = {name: told[name] for name in ("kind", "by", "happened_at_us", "notice", "listed")}
    public |= {"format": 1, "qualities": sorted(event.qualities), "scope": filled(scope)}
    public |= {"proof": filled(proof)}
    if event.expires_at_us is not None:
        public["expires_at_us"] = event.expires_at_us
    return filled(public), filled(personal)


@settings(max_examples=150, deadline=None)
@given(EVENTS)
def test_texts_are_what_an_encoder_of_json_makes_of_the_same_members(event: ConsentEvent) -> None:
    public, personal = members_of(event)
    added = {"event_id": event.event_id, "position": event.position,
             "received_at_us": event.received_at_us, "personal_digest": "00" * 32}  # fmt: skip

    assert personal_bytes(event) == canonical(personal)
    assert public_bytes(event, bytes(32)) == canonical(public | added)
    assert content_bytes(event) == canonical(public | {"personal": personal})


@settings(max_examples=150, deadline=None)
@given(EVENTS, st.booleans())
def test_texts_made_together_are_those_made_one_by_one(
    stored: ConsentEvent, has_time: bool
) -> None:
    sent_at_us = stored.happened_at_us if has_time else 0
    sent = replace(stored, happened_at_us=sent_at_us, event_id="", position=0, received_at_us=0)
    salt = b"s" * 32

    personal, public, content_digest = seal_texts(sent, stored, salt)

    assert personal == personal_bytes(stored)
    assert public == public_bytes(stored, personal_digest(salt, personal))
    assert content_digest == personal_digest(salt, content_bytes(sent))
