r"""Events as bytes: canonical, versioned, and split so that a person can be forgotten.

Row format 1 (decision record 7). An event becomes two texts in canonical JSON: keys sorted, no
white space, ASCII with `\u` escapes, whole numbers, texts and lists only, empty members left out.

- the *public* text holds everything but who it was, and `personal_digest`;
- the *personal* text holds the data subject's id, the idempotency key, and the proof's reference
  and recorder. `personal_digest` is the SHA-256 of a random 32-byte salt and that text.

The chain runs over the public texts: each digest is the SHA-256 of the one before it and the text.
So the personal text and its salt can be erased without breaking the chain, and what remains cannot
be tried against a list of ids.

Row format 2 (decision record 21) is no event: it says that the personal texts of some positions
were erased, so that one that is merely gone is found. It has a public text only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeAlias

from consentry.consent.errors import LedgerCorruptError
from consentry.model.consent import (
    Author,
    ConsentEvent,
    EventKind,
    Proof,
    RecipientScope,
    Scope,
)

FORMAT: Final = 1
ERASURE_FORMAT: Final = 2
SALT_BYTES: Final = 32

# PERF: made once. It does not sort, for members are written down in the order of their names; nor
# does it look for circles, which they cannot have, and which took a third of its time.
_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=True, check_circular=False)

_ALWAYS_THERE: Final = frozenset({"event_id", "personal"})

_Json: TypeAlias = "int | str | list[_Json] | dict[str, _Json] | None"


def genesis_digest(ledger_id: str) -> bytes:
    """The digest before the first event: each ledger has a chain of its own."""
    return hashlib.sha256(b"consentry ledger 1\n" + ledger_id.encode()).digest()


def next_digest(previous: bytes, public: bytes) -> bytes:
    """The chain's digest after an event."""
    return hashlib.sha256(previous + public).digest()


def personal_digest(salt: bytes, personal: bytes) -> bytes:
    """What the public text says of the personal one; also of content, see `content_bytes`."""
    return hashlib.sha256(salt + personal).digest()


def key_digest(ledger_id: str, key: str) -> bytes:
    """What remains of an idempotency key for ever, so that it cannot be used twice."""
    return hashlib.sha256(b"key\n" + ledger_id.encode() + b"\n" + key.encode()).digest()


def content_bytes(event: ConsentEvent) -> bytes:
    """All that the caller said, without what the ledger adds: equal for equal content only."""
    return _dump(_content(_said(event), event.happened_at_us, event, _personal(event)))


def personal_bytes(event: ConsentEvent) -> bytes:
    """The personal text."""
    return _dump(_personal(event))


def public_bytes(event: ConsentEvent, digest: bytes) -> bytes:
    """The public text; `digest` is the personal text's."""
    return _dump(_public(_said(event), event, digest))


def content_within(
    public: bytes,
    personal: bytes,
    *,
    event_id: str,
    digest: str,
    position: int,
    received_at_us: int,
) -> bytes:
    """What `content_bytes` gave, out of the two texts that are kept; `digest` in hexadecimal.

    PERF: both are canonical and what the ledger adds are members of their own, so the content is
    the public text with those taken out and the personal text put in; writing it anew costs as much
    as the public text did. A quotation mark within a text is escaped, so none of the patterns can
    stand inside one.
    """
    name = b',"event_id":"%b"' % event_id.encode()
    if name not in public:  # it holds something that JSON escapes
        name = b',"event_id":' + json.dumps(event_id).encode()
    text = public.replace(name, b"", 1)
    text = text.replace(b',"personal_digest":"%b"' % digest.encode(), b',"personal":' + personal, 1)
    text = text.replace(b',"position":%d' % position, b"", 1)
    return text.replace(b',"received_at_us":%d' % received_at_us, b"", 1)


def with_time(text: bytes, happened_at_us: int, said_at_us: int) -> bytes:
    """A canonical text of an event that `happened_at_us`, with the time that was said instead."""
    time = b',"happened_at_us":%d'
    return text.replace(time % happened_at_us, time % said_at_us, 1)


def seal_texts(sent: ConsentEvent, stored: ConsentEvent, salt: bytes) -> tuple[bytes, bytes, bytes]:
    """The personal text, the public text, and the digest of what was sent.

    PERF: together, because most of it is the same; `stored` is `sent` with what the ledger adds,
    and with a time where none was said.
    """
    personal = personal_bytes(stored)
    digest = personal_digest(salt, personal)
    public = public_bytes(stored, digest)
    content = content_within(
        public,
        personal,
        event_id=stored.event_id,
        digest=digest.hex(),
        position=stored.position,
        received_at_us=stored.received_at_us,
    )
    if sent.happened_at_us != stored.happened_at_us:
        content = with_time(content, stored.happened_at_us, sent.happened_at_us)
    return personal, public, personal_digest(salt, content)


def erasure_bytes(
    positions: Sequence[int], *, position: int, event_id: str, received_at_us: int, remains: bytes
) -> bytes:
    """The public text of a row that says whose personal texts are gone; see `remains_digest`."""
    return _dump(
        {
            "erased": [*positions],
            "event_id": event_id,
            "format": ERASURE_FORMAT,
            "kind": "erasure",
            "position": position,
            "received_at_us": received_at_us,
            "remains_digest": remains.hex(),
        }
    )


def remains_digest(digests: Iterable[bytes]) -> bytes:
    """Over key digest and content digest of each erased row, in order: what can no longer be
    computed from a personal text is held by the chain from then on.
    """
    return hashlib.sha256(b"".join(digests)).digest()


def erasure_key(public: bytes) -> bytes:
    """What stands in a row that has neither a key nor content of its own."""
    return hashlib.sha256(b"erasure\n" + public).digest()


def received_at_in(public: bytes) -> int:
    """When a row of any format was received.

    Raises:
        LedgerCorruptError: the text does not say.
    """
    try:
        return int(json.loads(public)["received_at_us"])
    except (KeyError, TypeError, ValueError) as problem:
        raise LedgerCorruptError("a row cannot be read", code="unreadable") from problem


def decode_event(public: bytes, personal: bytes | None) -> ConsentEvent:
    """The event again; without its personal text, nobody's (an empty data subject id).

    Raises:
        LedgerCorruptError: the texts are not those of an event in a format that is known.
    """
    try:
        said = json.loads(public)
        whose = {} if personal is None else json.loads(personal)
        if said["format"] != FORMAT:
            raise LedgerCorruptError(f"row format {said['format']} is not known", code="unreadable")
        return _event(said, whose)
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        raise LedgerCorruptError("a row cannot be read", code="unreadable") from problem


def _dump(members: dict[str, _Json]) -> bytes:
    return _ENCODER.encode(members).encode("ascii")


def _filled(members: dict[str, _Json]) -> dict[str, _Json]:
    # A number is never empty, 0 included; and some members are always there.
    return {
        name: value
        for name, value in members.items()
        if value or value == 0 or name in _ALWAYS_THERE
    }


_Said: TypeAlias = "tuple[list[_Json], dict[str, _Json], list[_Json], dict[str, _Json]]"


def _said(event: ConsentEvent) -> _Said:
    """What is not one word or number: which are listed, how, with which qualities, about what."""
    scope, proof = event.scope, event.proof
    recipients: list[_Json] = [
        _filled({"country": each.country, "id": each.id, "role": each.role})
        for each in scope.recipients
    ]
    about: dict[str, _Json] = {
        "channels": [*scope.channels],
        "controller": scope.controller,
        "data": [*scope.data],
        "purpose": scope.purpose,
        "recipients": recipients,
        "regime": scope.regime,
        "tag": scope.tag,
    }
    how: dict[str, _Json] = {
        "channel": proof.channel,
        "method": proof.method,
        "source": proof.source,
    }
    return [*event.listed], _filled(how), [*sorted(event.qualities)], _filled(about)


def _content(
    said: _Said, happened_at_us: int, event: ConsentEvent, personal: dict[str, _Json]
) -> dict[str, _Json]:
    listed, how, qualities, about = said
    return _filled(
        {
            "by": event.by,
            "expires_at_us": event.expires_at_us,
            "format": FORMAT,
            "happened_at_us": happened_at_us,
            "kind": event.kind,
            "listed": listed,
            "notice": event.notice,
            "personal": personal,
            "proof": how,
            "qualities": qualities,
            "scope": about,
        }
    )


def _public(said: _Said, event: ConsentEvent, digest: bytes) -> dict[str, _Json]:
    listed, how, qualities, about = said
    return _filled(
        {
            "by": event.by,
            "event_id": event.event_id,
            "expires_at_us": event.expires_at_us,
            "format": FORMAT,
            "happened_at_us": event.happened_at_us,
            "kind": event.kind,
            "listed": listed,
            "notice": event.notice,
            "personal_digest": digest.hex(),
            "position": event.position,
            "proof": how,
            "qualities": qualities,
            "received_at_us": event.received_at_us,
            "scope": about,
        }
    )


def _personal(event: ConsentEvent) -> dict[str, _Json]:
    return _filled(
        {
            "data_subject_id": event.data_subject_id,
            "idempotency_key": event.idempotency_key,
            "recorded_by": event.proof.recorded_by,
            "reference": event.proof.reference,
        }
    )


def _event(said: dict[str, Any], whose: dict[str, str]) -> ConsentEvent:
    scope, proof = said.get("scope", {}), said.get("proof", {})
    return ConsentEvent(
        kind=EventKind(said["kind"]),
        data_subject_id=whose.get("data_subject_id", ""),
        scope=Scope(
            purpose=scope.get("purpose", ""),
            tag=scope.get("tag", ""),
            data=tuple(scope.get("data", ())),
            channels=tuple(scope.get("channels", ())),
            recipients=tuple(RecipientScope(**r) for r in scope.get("recipients", ())),
            controller=scope.get("controller", ""),
            regime=scope.get("regime", ""),
        ),
        happened_at_us=said["happened_at_us"],
        received_at_us=said["received_at_us"],
        position=said["position"],
        event_id=said["event_id"],
        idempotency_key=whose.get("idempotency_key", ""),
        qualities=frozenset(said.get("qualities", ())),
        notice=said.get("notice", ""),
        listed=tuple(said.get("listed", ())),
        by=Author(said["by"]),
        expires_at_us=said.get("expires_at_us"),
        proof=Proof(
            method=proof.get("method", ""),
            source=proof.get("source", ""),
            channel=proof.get("channel", ""),
            recorded_by=whose.get("recorded_by", ""),
            reference=whose.get("reference", ""),
        ),
    )
