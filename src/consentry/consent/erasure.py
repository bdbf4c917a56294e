"""Forgetting a person: which personal parts go, and the row that says that they went.

What the ledger holds of a person are texts beside the chain; erasing them leaves the chain whole
(see `event_codec`). A row of its own tells which positions were erased, so that a part that
somebody took away is told from one that was erased. What remains provable: that events of these
kinds, about these purposes, were recorded at these times, and that they were one person's; not
whose.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from consentry.consent.append import NewRow
from consentry.consent.chain import Head
from consentry.consent.event_codec import erasure_bytes, erasure_key, next_digest, remains_digest
from consentry.model.consent import TRACK_EVENTS, WIDENING_TRACKS, ConsentEvent, EventKind, Scope

# Rights that a person used to narrow what is done: forgetting them would widen it again.
_NARROWING: Final = {
    kinds[0]: kinds[1] for track, kinds in TRACK_EVENTS.items() if track not in WIDENING_TRACKS
}
_LIFTING: Final = {lifting: begun for begun, lifting in _NARROWING.items()}


@dataclass(frozen=True, slots=True)
class Erasable:
    """What is needed of a row whose personal part is to be erased."""

    position: int
    key_digest: bytes
    content_digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What an erasure did; `position` is that of the row that tells of it, 0 where none was."""

    count: int
    position: int


def standing_rights(events: Iterable[ConsentEvent]) -> tuple[ConsentEvent, ...]:
    """Objections, opt-outs and the like that were not lifted in the very scope they were made in.

    Rather one too many: these would be forgotten with the person.
    """
    standing: dict[tuple[EventKind, Scope], ConsentEvent] = {}
    for event in events:
        if event.kind in _NARROWING:
            standing[event.kind, event.scope] = event
        elif event.kind in _LIFTING:
            standing.pop((_LIFTING[event.kind], event.scope), None)
    return tuple(standing.values())


def plan_erasure(
    erased: Sequence[Erasable], head: Head, *, event_id: str, now_us: int
) -> tuple[NewRow, Head]:
    """The row that says that these personal parts are erased, and the head after it.

    The store deletes the parts in the transaction that writes the row.
    """
    position, received_at_us = head.position + 1, max(now_us, head.received_at_us)
    public = erasure_bytes(
        [row.position for row in erased],
        position=position,
        event_id=event_id,
        received_at_us=received_at_us,
        remains=remains_digest(row.key_digest + row.content_digest for row in erased),
    )
    key, digest = erasure_key(public), next_digest(head.digest, public)
    row = NewRow(
        position=position, key_digest=key, content_digest=key, public=public, digest=digest
    )
    return row, Head(position, digest, received_at_us)
