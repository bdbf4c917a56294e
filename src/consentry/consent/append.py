"""What an append comes to, before any store is written: positions, digests, rows, acknowledgements.

Every store writes the same rows in the same order; this is the one place that says which. Nothing
here touches a store: who calls it holds the store's writer lock, has read the head under it, and
writes the rows in one transaction.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

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


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRow:
    """One event as a store keeps it; the last three members are its erasable part, which the row
    that tells of an erasure does not have.
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


def keys_of(events: Sequence[ConsentEvent], ledger_id: str) -> tuple[bytes, ...]:
    """The digests of the events' idempotency keys, to look up what they were used for."""
    return tuple(key_digest(ledger_id, event.idempotency_key) for event in events)


def plan_append(
    events: Sequence[ConsentEvent],
    used: Mapping[bytes, UsedKey],
    *,
    ledger_id: str,
    head: Head,
    now_us: int,
    ids: IdSource,
) -> Append:
    """The rows that follow `head`, and one acknowledgement for each event, in order.

    `used` holds what the store knows of `keys_of(events, ledger_id)`. The time of receipt is that
    of the head where the clock stands before it: it never goes back.

    Raises:
        IdempotencyConflictError: a key was used before with other content.
    """
    known = dict(used)
    received_at_us: Final = max(now_us, head.received_at_us)
    recorded: list[Recorded] = []
    rows: list[NewRow] = []
    added: list[ConsentEvent] = []
    for index, (key, event) in enumerate(zip(keys_of(events, ledger_id), events, strict=True)):
        if key in known:
            recorded.append(_replay(known[key], event, index))
            continue
        stored, row = _row(event, key, head, received_at_us, ids)
        head = Head(row.position, row.digest, received_at_us)
        # A key that stands twice in one batch is used before, too.
        known[key] = UsedKey(row.content_digest, row.public, row.salt)
        rows.append(row)
        added.append(stored)
        recorded.append(
            Recorded(
                event_id=stored.event_id, position=stored.position, received_at_us=received_at_us
            )
        )
    return Append(recorded=tuple(recorded), rows=tuple(rows), added=tuple(added), head=head)


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


def _row(
    event: ConsentEvent, key: bytes, head: Head, received_at_us: int, ids: IdSource
) -> tuple[ConsentEvent, NewRow]:
    happened_at_us = event.happened_at_us
    stored = replace(
        event,
        position=head.position + 1,
        event_id=ids.new_id(),
        received_at_us=received_at_us,
        happened_at_us=received_at_us if happened_at_us == UNSET_TIME else happened_at_us,
    )
    salt = os.urandom(SALT_BYTES)
    personal, public, content_digest = seal_texts(event, stored, salt)
    return stored, NewRow(
        position=stored.position,
        key_digest=key,
        content_digest=content_digest,
        public=public,
        digest=next_digest(head.digest, public),
        data_subject_id=stored.data_subject_id,
        salt=salt,
        personal=personal,
    )
