"""At which instants a case is looked at: both sides of every boundary that time alone can cross."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from consentry.author.cases.reads import Reads
from consentry.model.values import (
    MAX_TIME_US,
    MICROS_PER_DAY,
    Duration,
    datetime_of,
    shift_us,
    time_us,
)

_NOON_US: Final = MICROS_PER_DAY // 2


def instants_of(reads: Iterable[Reads], since_us: int) -> list[int]:
    """`since_us`, noon of that day, and from then on each boundary and the instant before it.

    For times of day also each edge of them, on the days after `since_us` and around each boundary.
    """
    boundaries: set[int] = set()
    clocks: set[tuple[str, int, int]] = set()
    for read in reads:
        boundaries |= read.instants
        clocks |= read.clocks
        for length in read.lengths:
            boundaries |= {
                moved
                for instant in read.instants
                for sign in (-1, 1)
                if (moved := _moved(instant, length, sign)) is not None
            }
    ahead = {at for at in boundaries if since_us < at < MAX_TIME_US - MICROS_PER_DAY}
    found = {since_us, since_us + _NOON_US}
    found |= {at + step for at in ahead for step in (-1, 0, 1)}
    for zone, low, high in clocks:
        for at in {since_us, *ahead}:
            found |= set(_edges(at, ZoneInfo(zone), (low, high)))
    return sorted(at for at in found if since_us <= at < MAX_TIME_US)


def _moved(instant: int, length: Duration, sign: int) -> int | None:
    try:
        return shift_us(instant, length, sign)
    except (ValueError, OverflowError):
        return None


def _edges(at_us: int, zone: ZoneInfo, minutes: tuple[int, ...]) -> Iterable[int]:
    day = datetime_of(at_us).astimezone(zone).date()
    for step in (-2, 0, 1):
        for minute in minutes:
            clock = time(minute // 60, minute % 60)
            edge = time_us(datetime.combine(day + timedelta(days=step), clock, tzinfo=zone))
            yield from (edge - 1, edge)
