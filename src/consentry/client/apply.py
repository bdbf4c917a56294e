"""What may be used of a record: fields that were not granted go, masked ones are changed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Final

from consentry.client.decision import Decision, FieldDecision, Mask

REDACTED: Final = "[redacted]"
_DOT: Final = "•"


def apply(decision: Decision, record: Mapping[str, object]) -> dict[str, object]:
    """The part of `record` that may be used, with its masks.

    Keys are data paths (`customer.contact.email`) or their last segment (`email`). A key that the
    decision does not speak of, or that could mean two fields of which one was denied, goes. Of a
    denial nothing may be used, not even what was granted on the way: ask with `partial` for that.
    """
    usable: dict[str, object] = {}
    if not decision.is_permitted:
        return usable
    for key, value in record.items():
        meant = [f for f in decision.fields if f.data == key]
        if not meant:
            meant = [f for f in decision.fields if f.data.rpartition(".")[2] == key]
        if meant and all(f.is_permitted for f in meant):
            usable[key] = _masked(value, meant)
    return usable


def _masked(value: object, meant: list[FieldDecision]) -> object:
    masks = {f.mask for f in meant if f.mask is not None}
    if not masks or value is None:
        return value
    # Two different masks on one value: nothing of it is shown.
    return mask_value(value, masks.pop()) if len(masks) == 1 else REDACTED


def mask_value(value: object, mask: Mask) -> object:
    """`value` under `mask`; what the mask cannot be done to is redacted.

    `hash` is SHA-256 without a key: it hides a value from readers, not from somebody who can guess
    it and compare.
    """
    text, count = str(value), mask.argument
    match mask.function:
        case "null":
            return None
        # A text no longer than what may be shown of it would be shown whole: none of it is.
        case "last" | "first" if len(text) <= count:
            return _DOT * len(text)
        case "last":
            return _DOT * (len(text) - count) + text[len(text) - count :]
        case "first":
            return text[:count] + _DOT * (len(text) - count)
        case "initials":
            return " ".join(f"{word[0]}." for word in text.split())
        case "hash":
            return hashlib.sha256(text.encode()).hexdigest()
        case "year":
            return _year(value)
        case "round":
            return _rounded(value, count)
        case _:
            return REDACTED


def _year(value: object) -> object:
    if isinstance(value, date):
        return value.year
    try:
        return date.fromisoformat(str(value)[:10]).year
    except ValueError:
        return REDACTED


def _rounded(value: object, step: int) -> object:
    if step <= 0 or isinstance(value, bool):
        return REDACTED
    try:
        return int((Decimal(str(value)) / step).to_integral_value()) * step
    except (InvalidOperation, OverflowError, ValueError):
        return REDACTED
