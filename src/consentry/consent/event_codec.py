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
from json.encoder import encode_basestring_ascii as _quoted
from typing import Any, Final, NamedTuple

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
    return _content(_said(event), event.happened_at_us, _personal(event)).encode("ascii")


def personal_bytes(event: ConsentEvent) -> bytes:
    """The personal text."""
    return _personal(event).encode("ascii")


def public_bytes(event: ConsentEvent, digest: bytes) -> bytes:
    """The public text; `digest` is the personal text's."""
    return _public(_said(event), event, digest).encode("ascii")


def seal_texts(sent: ConsentEvent, stored: ConsentEvent, salt: bytes) -> tuple[bytes, bytes, bytes]:
    """The personal text, the public text, and the digest of what was sent.

    PERF: together, because most of it is the same; `stored` is `sent` with what the ledger adds,
    and with a time where none was said.
    """
    whose, said = _personal(stored), _said(stored)
    personal = whose.encode("ascii")
    public = _public(said, stored, personal_digest(salt, personal))
    content = _content(said, sent.happened_at_us, whose)
    return personal, public.encode("ascii"), personal_digest(salt, content.encode("ascii"))


def erasure_bytes(
    positions: Sequence[int], *, position: int, event_id: str, received_at_us: int, remains: bytes
) -> bytes:
    """The public text of a row that says whose personal texts are gone; see `remains_digest`."""
    told = {
        "format": ERASURE_FORMAT,
        "kind": "erasure",
        "position": position,
        "event_id": event_id,
        "received_at_us": received_at_us,
        "erased": [*positions],
        "remains_digest": remains.hex(),
    }
    return json.dumps(told, sort_keys=True, separators=(",", ":")).encode("ascii")


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


class _Said(NamedTuple):
    """What a caller said of an event, as the runs of members between those that the ledger adds.

    PERF: canonical JSON written down in the order of its keys. The encoder of the standard library
    sorts them anew for each text, and took a third of a recording's time; a test holds the texts
    against it.
    """

    author: str
    until_time: str
    what: str
    how: str
    scope: str


def _said(event: ConsentEvent) -> _Said:
    expires, notice, qualities = event.expires_at_us, event.notice, event.qualities
    return _Said(
        f'{{"by":{_quoted(event.by)}',
        ("" if expires is None else f',"expires_at_us":{expires}')
        + f',"format":{FORMAT},"happened_at_us":',
        f',"kind":{_quoted(event.kind)}'
        + (f',"listed":{_list(event.listed)}' if event.listed else "")
        + (f',"notice":{_quoted(notice)}' if notice else ""),
        _proof(event.proof) + (f',"qualities":{_list(sorted(qualities))}' if qualities else ""),
        _scope(event.scope),
    )


def _content(said: _Said, happened_at_us: int, personal: str) -> str:
    author, until_time, what, how, scope = said
    return f'{author}{until_time}{happened_at_us}{what},"personal":{personal}{how}{scope}}}'


def _public(said: _Said, event: ConsentEvent, digest: bytes) -> str:
    author, until_time, what, how, scope = said
    return (
        f'{author},"event_id":{_quoted(event.event_id)}{until_time}{event.happened_at_us}{what}'
        f',"personal_digest":"{digest.hex()}","position":{event.position}{how}'
        f',"received_at_us":{event.received_at_us}{scope}}}'
    )


def _proof(proof: Proof) -> str:
    method, source, channel = proof.method, proof.source, proof.channel
    members = (
        (f',"channel":{_quoted(channel)}' if channel else "")
        + (f',"method":{_quoted(method)}' if method else "")
        + (f',"source":{_quoted(source)}' if source else "")
    )
    return f',"proof":{{{members[1:]}}}' if members else ""


def _scope(scope: Scope) -> str:
    members = (
        (f',"channels":{_list(scope.channels)}' if scope.channels else "")
        + (f',"controller":{_quoted(scope.controller)}' if scope.controller else "")
        + (f',"data":{_list(scope.data)}' if scope.data else "")
        + (f',"purpose":{_quoted(scope.purpose)}' if scope.purpose else "")
        + (f',"recipients":{_recipients(scope.recipients)}' if scope.recipients else "")
        + (f',"regime":{_quoted(scope.regime)}' if scope.regime else "")
        + (f',"tag":{_quoted(scope.tag)}' if scope.tag else "")
    )
    return f',"scope":{{{members[1:]}}}' if members else ""


def _recipients(recipients: Iterable[RecipientScope]) -> str:
    told = (
        (f',"country":{_quoted(each.country)}' if each.country else "")
        + (f',"id":{_quoted(each.id)}' if each.id else "")
        + (f',"role":{_quoted(each.role)}' if each.role else "")
        for each in recipients
    )
    return f"[{','.join(f'{{{members[1:]}}}' for members in told)}]"


def _personal(event: ConsentEvent) -> str:
    person, key, proof = event.data_subject_id, event.idempotency_key, event.proof
    members = (
        (f',"data_subject_id":{_quoted(person)}' if person else "")
        + (f',"idempotency_key":{_quoted(key)}' if key else "")
        + (f',"recorded_by":{_quoted(proof.recorded_by)}' if proof.recorded_by else "")
        + (f',"reference":{_quoted(proof.reference)}' if proof.reference else "")
    )
    return f"{{{members[1:]}}}"


def _list(texts: Iterable[str]) -> str:
    return f"[{','.join(map(_quoted, texts))}]"


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
