"""What stands at a position of the chain: an event, or the word that a person was erased."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from consentry.consent.event_codec import ERASURE_FORMAT, decode_event, received_at_in
from consentry.model.consent import ConsentEvent

# Texts are canonical JSON: a quotation mark within a value is escaped, so that these bytes are the
# member itself.
_ERASURE_MARK: Final = b'"format":%d,' % ERASURE_FORMAT


@dataclass(frozen=True, slots=True)
class Erasure:
    """The personal parts of some person's events were taken away; nobody is told whose."""

    position: int
    received_at_us: int


Entry: TypeAlias = ConsentEvent | Erasure


def decode_entry(position: int, public: bytes, personal: bytes | None) -> Entry:
    """What a row tells; an event whose personal part was erased is nobody's.

    Raises:
        LedgerCorruptError: the row cannot be read.
    """
    if personal is None and _ERASURE_MARK in public:
        return Erasure(position, received_at_in(public))
    return decode_event(public, personal)
