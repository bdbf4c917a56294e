"""Checking the hash chain: rows as they stand against the digests that were computed from them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from consentry.consent.errors import LedgerCorruptError
from consentry.consent.event_codec import (
    decode_event,
    digest_in,
    next_digest,
    personal_digest,
)

Row: TypeAlias = tuple[int, bytes, bytes, str | None, bytes | None, bytes | None]
"""position, public, digest, and data subject id, salt, personal: None where erased."""


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the chain: position 0 and the genesis digest when there is no event."""

    position: int
    digest: bytes
    received_at_us: int = 0


def verify_rows(rows: Iterable[Row], start: Head) -> Head:
    """The head after `rows`, which must follow `start` without a gap.

    Raises:
        LedgerCorruptError: names the first position that does not hold.
    """
    head = start
    for position, public, digest, data_subject_id, salt, personal in rows:
        if position != head.position + 1:
            raise LedgerCorruptError(f"position {head.position + 1} is missing")
        if next_digest(head.digest, public) != digest:
            raise LedgerCorruptError(f"the chain breaks at position {position}")
        expected = digest_in(public)
        if salt is not None and personal_digest(salt, personal or b"") != expected:
            raise LedgerCorruptError(f"the personal part of position {position} was changed")
        event = decode_event(public, personal)
        if event.position != position or event.data_subject_id != (data_subject_id or ""):
            raise LedgerCorruptError(f"the row of position {position} is not its event's")
        head = Head(position, digest, event.received_at_us)
    return head
