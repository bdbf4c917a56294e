"""Values of literals. Reading is lenient: a wrong literal has been reported by the scanner, and
stands for something harmless, so that one mistake gives one message.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final

from consentry.model.values import MICROS_PER_DAY, MICROS_PER_SECOND, Duration, time_us

MAX_NUMBER_DIGITS: Final = 64
_ESCAPE: Final = re.compile(r"\\(?:u\{([0-9a-fA-F]{1,8})\}|(.))", re.DOTALL)
_SIMPLE_ESCAPES: Final = {'"': '"', "\\": "\\", "n": "\n", "t": "\t"}
_MINUTE: Final = 60 * MICROS_PER_SECOND
_UNITS: Final[dict[str, Duration]] = {
    "second": Duration(micros=MICROS_PER_SECOND),
    "minute": Duration(micros=_MINUTE),
    "hour": Duration(micros=60 * _MINUTE),
    "day": Duration(micros=MICROS_PER_DAY),
    "week": Duration(micros=7 * MICROS_PER_DAY),
    "month": Duration(months=1),
    "year": Duration(months=12),
}
UNIT_WORDS: Final = (*_UNITS, *(f"{unit}s" for unit in _UNITS))
MAX_DURATION_YEARS: Final = 1000


@dataclass(frozen=True, slots=True)
class BadEscape:
    """A wrong escape: its place in the raw text, and why it is wrong."""

    start: int
    end: int
    why: str


def find_bad_escapes(raw: str) -> Iterator[BadEscape]:
    """Every escape of a raw string (quotes included) that stands for no character."""
    for match in _ESCAPE.finditer(raw):
        digits, simple = match.groups()
        if digits is not None:
            value = int(digits, 16)
            if value > 0x10FFFF:
                yield BadEscape(match.start(), match.end(), "there is no such code point")
            elif 0xD800 <= value <= 0xDFFF:
                yield BadEscape(match.start(), match.end(), "half a character cannot stand alone")
        elif simple not in _SIMPLE_ESCAPES:
            end = match.end()
            if simple == "u":
                opened = re.compile(r"\{?[0-9a-fA-F]*\}?").match(raw, end)
                end = opened.end() if opened else end
            yield BadEscape(match.start(), end, "no such escape")


def text_of(raw: str) -> str:
    """The text of a raw string literal, quotes off and escapes read."""
    inner = raw[1:-1] if len(raw) > 1 and raw.endswith('"') else raw[1:]
    if "\\" not in inner:
        return inner
    return _ESCAPE.sub(_unescaped, inner)


def _unescaped(match: re.Match[str]) -> str:
    digits, simple = match.groups()
    if digits is None:
        return _SIMPLE_ESCAPES.get(simple, "")
    value = int(digits, 16)
    is_character = value <= 0x10FFFF and not 0xD800 <= value <= 0xDFFF
    return chr(value) if is_character else ""


def number_problem(raw: str) -> str | None:
    """Why a run of digits is no number of the language; None when it is one."""
    whole = raw.partition(".")[0]
    if len(raw.replace(".", "")) > MAX_NUMBER_DIGITS:
        return f"a number has at most {MAX_NUMBER_DIGITS} digits"
    if len(whole) > 1 and whole.startswith("0"):
        return "a number does not start with 0"
    return None


def number_of(raw: str) -> int | Decimal:
    """The exact value; 0 where the number was reported as wrong."""
    if number_problem(raw) is not None or not re.fullmatch(r"\d+(\.\d+)?", raw, re.ASCII):
        return 0
    return Decimal(raw) if "." in raw else int(raw)


def find_date(raw: str) -> date | None:
    """The day; None when the calendar has none such."""
    try:
        return date.fromisoformat(raw)
    except ValueError:
        return None


def find_time(raw: str) -> int | None:
    """Microseconds since the epoch; None when there is no such instant."""
    try:
        return time_us(datetime.fromisoformat(raw).astimezone(UTC))
    except (ValueError, OverflowError):
        return None


def find_clock(raw: str) -> int | None:
    """Minutes since midnight, 00:00 to 23:59; None when no such time."""
    match = re.fullmatch(r"([0-9]{2}):([0-9]{2})", raw)
    if match is None:
        return None
    hours, minutes = int(match[1]), int(match[2])
    return hours * 60 + minutes if hours < 24 and minutes < 60 else None


def find_duration(count: int, unit: str) -> Duration | None:
    """`count` times the unit, singular or plural; None when there is no such unit."""
    one = _UNITS.get(unit) or _UNITS.get(unit.removesuffix("s"))
    if one is None:
        return None
    return Duration(months=one.months * count, micros=one.micros * count)


def is_too_long(length: Duration) -> bool:
    """Whether the calendar could not hold an instant that far away."""
    years = length.months / 12 + length.micros / MICROS_PER_DAY / 365
    return years > MAX_DURATION_YEARS
