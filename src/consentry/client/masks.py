"""Masks: how a value is changed before it may be used."""

from __future__ import annotations

import hashlib
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Final

from consentry.client.decision import Mask

REDACTED: Final = "[redacted]"
_DOT: Final = "•"


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
