"""What a text in a message may look like, checked once, at the door.

The rules are the same for every field: no control characters, no bidirectional controls, Unicode
normal form C, no white space at the edges, a bound in bytes. So two texts that look the same are
the same bytes, and no text can break a log line.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

MAX_ID_BYTES: Final = 256
MAX_NAME_BYTES: Final = 128
MAX_TEXT_BYTES: Final = 4_096
MAX_ATTRIBUTE_NAME: Final = 64

REQUIRED: Final = "required"
TOO_LONG: Final = "too_long"
TOO_MANY: Final = "too_many"
TOO_LARGE: Final = "too_large"
UNKNOWN_VALUE: Final = "unknown_value"
MALFORMED_MESSAGE: Final = "malformed_message"

LIMIT_CODES: Final = frozenset({TOO_LONG, TOO_MANY, TOO_LARGE})
"""Codes that mean a size limit: a call with nothing else wrong is RESOURCE_EXHAUSTED."""

SENTENCES: Final[dict[str, str]] = {
    REQUIRED: "must be given",
    TOO_LONG: "is longer than the limit",
    TOO_MANY: "has more entries than the limit",
    TOO_LARGE: "is larger than the limit",
    UNKNOWN_VALUE: "has a value that is not one of those defined",
    "not_allowed": "must be left out here",
    MALFORMED_MESSAGE: "the bytes are not a message of the expected type",
    "control_character": "must not contain control characters",
    "bidi_control": "must not contain bidirectional control characters",
    "not_nfc": "must be in Unicode normal form C",
    "edge_whitespace": "must not begin or end with white space",
    "invalid_character": "may contain only letters, digits, `_`, `-` and `.`",
    "bad_key": "must be lower_snake, at most 64 characters",
    "duplicate_key": "stands twice in the list",
    "bad_number": "must be a finite decimal of at most 34 digits, without exponent",
    "bad_time": "must be a normalised time in the years 1970 to 2200",
    "bad_date": "must be a calendar date YYYY-MM-DD in the years 1800 to 2200",
    "bad_duration": "must be a normalised length of time of at most 1,000 years",
    "bad_country": "must be two capital letters (ISO 3166-1 alpha-2)",
    "too_deep": "lists do not nest",
    "bad_file_name": "must be relative, with forward slashes, and must not leave its folder",
    "purpose_unknown": "is not a purpose of the active policy set, nor a standard data use of it",
    "tag_unknown": "is not a tag of the active policy set",
    "data_unknown": "is not a data node of the active policy set, nor a standard category of it",
    "channel_unknown": "is not a channel of the active policy set",
    "regime_unknown": "is not a regime of the active policy set",
    "idempotency_conflict": "was used before with other content",
    "rights_stand": "must be set to forget objections, opt-outs and the like that stand",
    "bad_position": "must be a ledger position, a whole number",
    "bad_token": "is not a page token that this server gave for this list",
}

# Arabic letter mark, the two marks, embeddings and overrides, isolates.
_BIDI: Final = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
# C0, DEL, C1, and the line and paragraph separators.
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", re.ASCII)
_KEY: Final = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)


def find_text_fault(text: str, max_bytes: int) -> str | None:
    """The code of the first rule that `text` breaks, None if it breaks none; empty text is fine."""
    # PERF: nearly every text is short printable ASCII; that needs none of the tables below.
    if text.isascii() and text.isprintable():
        if len(text) > max_bytes:
            return TOO_LONG
        return None if text == text.strip() else "edge_whitespace"
    if len(text.encode("utf-8", "surrogatepass")) > max_bytes:
        return TOO_LONG
    if _CONTROL.search(text):
        return "control_character"
    if _BIDI.search(text):
        return "bidi_control"
    if not unicodedata.is_normalized("NFC", text):
        return "not_nfc"
    return "edge_whitespace" if text != text.strip() else None


def find_name_fault(name: str) -> str | None:
    """As `find_text_fault`, for names of the policy set: actions, data, purposes, channels."""
    return TOO_LONG if len(name) > MAX_NAME_BYTES else _find_character_fault(name)


def is_attribute_name(name: str) -> bool:
    """Whether `name` is lower_snake and short enough."""
    return len(name) <= MAX_ATTRIBUTE_NAME and _is_key(name)


# PERF: callers use few names, again and again, and remembering a verdict costs a fifth of making
# one. Only short names get here, so that what is remembered stays small.
@lru_cache(maxsize=4_096)
def _find_character_fault(name: str) -> str | None:
    return None if _NAME.fullmatch(name) else "invalid_character"


@lru_cache(maxsize=4_096)
def _is_key(name: str) -> bool:
    return _KEY.fullmatch(name) is not None
