"""Values that requests carry and conditions compare, and how each type stands in Python.

| language type | Python                                                                    |
| ------------- | ------------------------------------------------------------------------- |
| text          | str                                                                       |
| number        | int or Decimal, finite; exact                                             |
| flag          | bool                                                                      |
| date          | datetime.date                                                             |
| time          | int: microseconds since 1970-01-01T00:00:00Z                              |
| duration      | Duration                                                                  |
| ip            | IPv4Address or IPv6Address; an IPv4-mapped IPv6 address becomes IPv4       |
| list of T     | tuple of the above                                                        |
| absent        | None                                                                      |

Types are known when a policy is compiled, so a time and a number never meet at run time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from ipaddress import IPv4Address, IPv6Address
from typing import Final, TypeAlias

MICROS_PER_SECOND: Final = 1_000_000
MICROS_PER_DAY: Final = 86_400 * MICROS_PER_SECOND
# Times outside these years are refused at every border (reliability: bounds of event times).
MIN_TIME_US: Final = 0
MAX_TIME_US: Final = 253_402_300_799 * MICROS_PER_SECOND


@dataclass(frozen=True, slots=True, order=False)
class Duration:
    """A length of time: calendar months plus exact microseconds.

    `2 years` is 24 months, `90 days` is exact. The two parts never mix in a literal; comparing a
    calendar length with an exact one is a compile error, never a guess.
    """

    months: int = 0
    micros: int = 0


Scalar: TypeAlias = str | int | Decimal | bool | date | Duration | IPv4Address | IPv6Address
Value: TypeAlias = Scalar | tuple[Scalar, ...]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def midnight_us(day: date) -> int:
    """The first instant of `day` in UTC, in microseconds."""
    return (day.toordinal() - _EPOCH.toordinal()) * MICROS_PER_DAY


def time_us(moment: datetime) -> int:
    """Microseconds since the epoch of an aware datetime.

    Raises:
        ValueError: `moment` has no time zone.
    """
    if moment.tzinfo is None:
        raise ValueError("a time needs a time zone")
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * MICROS_PER_SECOND + delta.microseconds


def datetime_of(micros: int) -> datetime:
    """The aware UTC datetime of `micros` since the epoch."""
    days, rest = divmod(micros, MICROS_PER_DAY)
    seconds, micro = divmod(rest, MICROS_PER_SECOND)
    day = date.fromordinal(_EPOCH.toordinal() + days)
    return datetime(
        day.year, day.month, day.day, seconds // 3600, seconds // 60 % 60, seconds % 60, micro, UTC
    )


def add_months(day: date, months: int) -> date:
    """`day` moved by calendar months; the 29th of February becomes the 1st of March, other
    days past the month's end become its last day's successor likewise.

    Source: language reference, "age counts in UTC, 29 February on 1 March".
    """
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    try:
        return date(year, month + 1, day.day)
    except ValueError:  # the month is shorter: the day after its end, the 1st of the next
        year, month = divmod(index + 1, 12)
        return date(year, month + 1, 1)


def shift_us(micros: int, length: Duration, sign: int = 1) -> int:
    """`micros` moved by `length`: calendar months first, then the exact part."""
    if length.months:
        days, rest = divmod(micros, MICROS_PER_DAY)
        day = add_months(date.fromordinal(_EPOCH.toordinal() + days), sign * length.months)
        micros = midnight_us(day) + rest
    return micros + sign * length.micros
