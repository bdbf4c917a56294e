"""Operators on dates, times and lengths of time; the rules of `operators.py` hold here too."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from consentry.model.facts import Facts
from consentry.model.values import (
    MICROS_PER_DAY,
    Duration,
    add_months,
    datetime_of,
    midnight_us,
    shift_us,
)

NEVER_US: Final = -(1 << 70)
"""Before every time: since when a right is in force that is not."""
_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()
_MICROS_PER_MINUTE: Final = 60_000_000
_MAX_ORDINAL: Final = date.max.toordinal()


def midnight(day: date | None) -> int | None:
    """The first instant of a date, UTC."""
    return None if day is None else midnight_us(day)


def shift(at_us: int | None, length: Duration | None, sign: int) -> int | None:
    """A time moved by a length; absent when it would leave the calendar.

    INVARIANT: a later time is never moved to an earlier one, else a second objection could end
    before the first. So a day that the month lacks becomes the next month's first instant.
    """
    if at_us is None or length is None:
        return None
    if at_us < NEVER_US // 2:
        return at_us
    try:
        moved = shift_us(at_us, length, sign)
        if length.months:
            days, rest = divmod(at_us, MICROS_PER_DAY)
            day = date.fromordinal(days + _EPOCH_ORDINAL)
            if add_months(day, sign * length.months).day != day.day:
                moved -= rest
    except (ValueError, OverflowError):
        return None
    return moved


def shift_date(day: date | None, length: Duration | None, sign: int) -> date | None:
    """A date moved by calendar months; absent when it would leave the calendar."""
    if day is None or length is None:
        return None
    try:
        return add_months(day, sign * length.months)
    except (ValueError, OverflowError):
        return None


def elapsed(end_us: int | None, start_us: int | None) -> Duration | None:
    """The exact length from `start_us` to `end_us`; absent where a side is, or never was."""
    if end_us is None or start_us is None or min(end_us, start_us) < NEVER_US // 2:
        return None
    return Duration(micros=end_us - start_us)


def sum_durations(left: Duration | None, right: Duration | None, sign: int) -> Duration | None:
    """`left + sign * right`, months and exact parts apart."""
    if left is None or right is None:
        return None
    return Duration(left.months + sign * right.months, left.micros + sign * right.micros)


def duration_order(left: Duration | None, right: Duration | None) -> int | None:
    """-1, 0 or 1; absent where one is calendar months and the other exact: nobody knows."""
    if left is None or right is None:
        return None
    if left.months == right.months:
        return (left.micros > right.micros) - (left.micros < right.micros)
    if left.micros == right.micros:
        return (left.months > right.months) - (left.months < right.months)
    return None


def exact_micros(length: Duration | None) -> int | None:
    """An exact length in microseconds; absent where it counts calendar months."""
    return None if length is None or length.months else length.micros


def now_lt(f: Facts, at_us: int) -> bool:
    """`now < at`."""
    f.changes_at(at_us)
    return f.now_us < at_us


def now_ge(f: Facts, at_us: int) -> bool:
    """`now >= at`."""
    f.changes_at(at_us)
    return f.now_us >= at_us


def now_le(f: Facts, at_us: int) -> bool:
    """`now <= at`."""
    f.changes_at(at_us + 1)
    return f.now_us <= at_us


def now_gt(f: Facts, at_us: int) -> bool:
    """`now > at`."""
    f.changes_at(at_us + 1)
    return f.now_us > at_us


def now_eq(f: Facts, at_us: int) -> bool:
    """`now == at`."""
    f.changes_at(at_us)
    f.changes_at(at_us + 1)
    return f.now_us == at_us


def now_ne(f: Facts, at_us: int) -> bool:
    """`now != at`."""
    return not now_eq(f, at_us)


_TESTS: Final[dict[str, Callable[[int, int], bool]]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}


_CHANGED_BY_REACHING: Final = frozenset({"<", ">=", "==", "!="})
_CHANGED_BY_PASSING: Final = frozenset({"<=", ">", "==", "!="})


def _note_first_change(f: Facts, is_true: Callable[[int], bool], at: Iterable[int]) -> bool:
    """Evaluates at `now`; notes the first of the instants `at` at which the result differs.

    The instants must include every one at which the result can change.
    """
    result = is_true(f.now_us)
    for instant in sorted(at):
        if instant > f.now_us and is_true(instant) is not result:
            f.changes_at(instant)
            break
    return result


def shifted_now(f: Facts, op: str, length: Duration, sign: int, at_us: int) -> bool | None:
    """`now + sign * length OP at`. Calendar months do not keep the order of days at a month's end,
    so the first change is looked for among all days that the shift maps near `at`.
    """
    test = _TESTS[op]
    if shift(f.now_us, length, sign) is None:
        return None

    def is_true(now_us: int) -> bool:
        moved = shift(now_us, length, sign)
        return moved is not None and test(moved, at_us)

    if at_us < NEVER_US // 2:
        return is_true(f.now_us)
    day, rest = divmod(at_us - sign * length.micros, MICROS_PER_DAY)
    ordinal = day + _EPOCH_ORDINAL
    if not 1 <= ordinal <= _MAX_ORDINAL:
        return is_true(f.now_us)
    try:
        near = add_months(date.fromordinal(ordinal), -sign * length.months).toordinal()
    except (ValueError, OverflowError):
        return is_true(f.now_us)
    instants: list[int] = []
    for candidate in range(near - 5, near + 6):
        start = (candidate - _EPOCH_ORDINAL) * MICROS_PER_DAY
        instants += (start, start + rest, start + rest + 1)
    return _note_first_change(f, is_true, instants)


def _today(now_us: int) -> date:
    return date.fromordinal(now_us // MICROS_PER_DAY + _EPOCH_ORDINAL)


def age_months(born: date, now_us: int) -> int:
    """Completed calendar years, as months, in UTC; someone born on 29 February turns a year older
    on 1 March where there is no such day. Negative before the year of birth.
    """
    today = _today(now_us)
    years = today.year - born.year
    if (today.month, today.day) < (born.month, born.day):
        years -= 1
    return 12 * years


def _birthday_us(born: date, years: int) -> int | None:
    try:
        return midnight_us(add_months(born, 12 * years))
    except (ValueError, OverflowError):
        return None


def age_compare(f: Facts, op: str, born: date, months: int) -> bool:
    """`age(born) OP months`, where `months` are whole years.

    Age only grows, so the next change is the birthday on which `months` are reached, or, where
    reaching them changes nothing, the one on which they are passed.
    """
    age = age_months(born, f.now_us)
    if age <= months:
        is_reaching = age < months and op in _CHANGED_BY_REACHING
        is_passing = op in _CHANGED_BY_PASSING
        at = None
        if is_reaching:
            at = _birthday_us(born, months // 12)
        elif is_passing:
            at = _birthday_us(born, months // 12 + 1)
        if at is not None:
            f.changes_at(at)
    return _TESTS[op](age, months)


def _is_clock_between(at_us: int, zone: ZoneInfo, low: int, high: int) -> bool:
    local = datetime_of(at_us).astimezone(zone)
    minute = local.hour * 60 + local.minute
    if low < high:
        return low <= minute < high
    return minute >= low or minute < high


def clock_between(f: Facts, zone: ZoneInfo, low: int, high: int) -> bool:
    """Whether the time of day of `now` in `zone` lies in `[low, high)`, minutes since midnight;
    past midnight where `low > high`.
    """
    result = _is_clock_between(f.now_us, zone, low, high)
    at = f.now_us
    # A change of the clocks before the next boundary moves it, or is itself where the result
    # changes; two changes of the clocks within a day are unknown to the tz database's present.
    for _ in range(4):
        after = _next_boundary(at, zone, low, high)
        offset = _offset(at, zone)
        if _offset(after, zone) != offset:
            after = min(after, _first_with_other_offset(at, after, zone, offset))
        if _is_clock_between(after, zone, low, high) is not result:
            f.changes_at(after)
            break
        at = after
    return result


def _next_boundary(at_us: int, zone: ZoneInfo, low: int, high: int) -> int:
    local = datetime_of(at_us).astimezone(zone)
    passed = (
        (local.hour * 60 + local.minute) * _MICROS_PER_MINUTE
        + local.second * 1_000_000
        + local.microsecond
    )
    return at_us + min(
        (edge * _MICROS_PER_MINUTE - passed - 1) % MICROS_PER_DAY + 1 for edge in (low, high)
    )


def _first_with_other_offset(
    start_us: int, end_us: int, zone: ZoneInfo, offset: timedelta | None
) -> int:
    low, high = start_us, end_us
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(middle, zone) == offset:
            low = middle
        else:
            high = middle
    return high


def _offset(at_us: int, zone: ZoneInfo) -> timedelta | None:
    return datetime_of(at_us).astimezone(zone).utcoffset()
