"""What an append comes to, before any store is written: positions, digests, rows, acknowledgements.

Every store writes the same rows in the same order; this is the one place that says which. Nothing
here touches a store: who calls it holds the store's writer lock, has read the head under it, and
writes the rows in one transaction.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from consentry.consent.chain import Head
from consentry.consent.errors import IdempotencyConflictError
from consentry.consent.event_codec import (
    SALT_BYTES,
    content_bytes,
    decode_event,
    key_digest,
    next_digest,
    personal_digest,
    seal_texts,
)
from consentry.consent.ledger import Recorded
from consentry.consent.validate import UNSET_TIME
from consentry.model.consent import ConsentEvent
from consentry.model.ports import IdSource


@dataclass(frozen=True, slots=True)
class UsedKey:
    """What a store holds of the event that used an idempotency key; no salt where it was erased."""

    content_digest: bytes
    public: bytes
    salt: bytes | None


class NewRow(NamedTuple):
    """One event as a store keeps it, in the shape of `chain.Row`; the last three members are its
    erasable part, which the row that tells of an erasure does not have.
    """

    position: int
    key_digest: bytes
    content_digest: bytes
    public: bytes
    digest: bytes
    data_subject_id: str | None = None
    salt: bytes | None = None
    personal: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Append:
    """`recorded` answers each event asked for; `rows` and `added` are those that are new."""

    recorded: tuple[Recorded, ...]
    rows: tuple[NewRow, ...]
    added: tuple[ConsentEvent, ...]
    head: Head


def keys_of(events: Iterable[ConsentEvent], ledger_id: str) -> tuple[bytes, ...]:
    """The digests of the events' idempotency keys, to look up what they were used for."""
    return tuple(key_digest(ledger_id, event.idempotency_key) for event in events)


def plan_append(
    events: Sequence[ConsentEvent],
    keys: Sequence[bytes],
    used: Mapping[bytes, UsedKey],
    *,
    head: Head,
    now_us: int,
    ids: IdSource,
) -> Append:
    """The rows that follow `head`, and one acknowledgement for each event, in order.

    `keys` are `keys_of` the events, and `used` what the store knows of them. The time of receipt is
    that of the head where the clock stands before it: it never goes back.

    Raises:
        IdempotencyConflictError: a key was used before with other content.
    """
    received_at_us: Final = max(now_us, head.received_at_us)
    position, digest = head.position, head.digest
    # PERF: asked of the system once for all; each has its own part of it.
    salts: Final = os.urandom(SALT_BYTES * len(events))
    recorded: list[Recorded] = []
    rows: dict[bytes, NewRow] = {}
    added: list[ConsentEvent] = []
    for index, (key, event) in enumerate(zip(keys, events, strict=True)):
        before = used.get(key)
        # A key that stands twice in one batch is used before, too.
        if before is None and (row := rows.get(key)) is not None:
            before = UsedKey(row.content_digest, row.public, row.salt)
        if before is not None:
            recorded.append(_replay(before, event, index))
            continue
        position += 1
        stored = _stored(event, position, ids.new_id(), received_at_us)
        salt = salts[index * SALT_BYTES : (index + 1) * SALT_BYTES]
        personal, public, content_digest = seal_texts(event, stored, salt)
        digest = next_digest(digest, public)
        rows[key] = NewRow(
            position, key, content_digest, public, digest, event.data_subject_id, salt, personal
        )
        added.append(stored)
        recorded.append(
            Recorded(event_id=stored.event_id, position=position, received_at_us=received_at_us)
        )
    if added:
        head = Head(position, digest, received_at_us)
    return Append(
        recorded=tuple(recorded), rows=tuple(rows.values()), added=tuple(added), head=head
    )


def _replay(used: UsedKey, event: ConsentEvent, index: int) -> Recorded:
    # Without its salt the content is no longer known to be the same, so it is not.
    if used.salt is None or personal_digest(used.salt, content_bytes(event)) != used.content_digest:
        raise IdempotencyConflictError(index)
    stored = decode_event(used.public, None)
    return Recorded(
        event_id=stored.event_id,
        position=stored.position,
        received_at_us=stored.received_at_us,
        is_replay=True,
    )


def _stored(event: ConsentEvent, position: int, event_id: str, received_at_us: int) -> ConsentEvent:
    """The event with what the ledger adds.

    PERF: member by member; `dataclasses.replace` takes twice as long to find out which there are.
    """
    happened_at_us = event.happened_at_us
    return ConsentEvent(
        kind=event.kind,
        data_subject_id=event.data_subject_id,
        scope=event.scope,
        happened_at_us=received_at_us if happened_at_us == UNSET_TIME else happened_at_us,
        received_at_us=received_at_us,
        position=position,
        event_id=event_id,
        idempotency_key=event.idempotency_key,
        qualities=event.qualities,
        notice=event.notice,
        listed=event.listed,
        by=event.by,
        expires_at_us=event.expires_at_us,
        proof=event.proof,
    )
