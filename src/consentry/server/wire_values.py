"""Typed values of the wire as the values of `model.values`, and times both ways."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Final

from google.protobuf.duration_pb2 import Duration as WireDuration
from google.protobuf.timestamp_pb2 import Timestamp

from consentry.model.request import NO_ATTRIBUTES
from consentry.model.values import MICROS_PER_SECOND, Duration, Scalar, Value
from consentry.server.faults import Faults
from consentry.server.text_checks import (
    MAX_TEXT_BYTES,
    REQUIRED,
    TOO_LONG,
    TOO_MANY,
    find_text_fault,
    is_attribute_name,
)
from consentry.v1 import decision_pb2 as wire

MAX_ATTRIBUTES: Final = 64
MAX_LIST_VALUES: Final = 256
MAX_DIGITS: Final = 34
# 2201-01-01T00:00:00Z, exclusive.
END_OF_TIME_S: Final = 7_289_654_400
_MAX_DURATION_S: Final = 366_000 * 86_400
_NANOS: Final = 1_000_000_000
_DATE_LENGTH: Final = 10

_DECIMAL: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


def find_micros(stamp: Timestamp) -> int | None:
    """Microseconds since the epoch (finer parts cut off); None when out of range."""
    seconds, nanos = stamp.seconds, stamp.nanos
    if 0 <= seconds < END_OF_TIME_S and 0 <= nanos < _NANOS:
        return seconds * MICROS_PER_SECOND + nanos // 1_000
    return None


def timestamp_of(micros: int) -> Timestamp:
    """The wire's form of microseconds since the epoch."""
    seconds, rest = divmod(micros, MICROS_PER_SECOND)
    return Timestamp(seconds=seconds, nanos=rest * 1_000)


def micros_of(stamp: Timestamp) -> int:
    """Microseconds since the epoch of a time that a sidecar of ours wrote."""
    return stamp.seconds * MICROS_PER_SECOND + stamp.nanos // 1_000


def decode_time(stamp: Timestamp, field: str, faults: Faults) -> int:
    """Microseconds since the epoch; notes `bad_time`."""
    micros = find_micros(stamp)
    if micros is None:
        faults.add(field, "bad_time")
        return 0
    return micros


def decode_attributes(
    items: Sequence[wire.Attribute], field: str, faults: Faults
) -> Mapping[str, Value]:
    """The attributes of one list by name; notes what is wrong with them."""
    if not items:
        return NO_ATTRIBUTES
    if len(items) > MAX_ATTRIBUTES:
        faults.add(field, TOO_MANY)
        return NO_ATTRIBUTES
    found: dict[str, Value] = {}
    for index, item in enumerate(items):
        name, value = item.name, item.value
        if not is_attribute_name(name):
            faults.add(f"{field}[{index}].name", "bad_key" if name else REQUIRED)
        elif name in found:
            faults.add(f"{field}[{index}].name", "duplicate_key")
        # PERF: most attributes are short texts and dates, and of a kind that is not set all reads
        # are empty: so a text that is there is the value. A path is written only for what is wrong.
        if text := value.text:
            if (code := find_text_fault(text, MAX_TEXT_BYTES)) is not None:
                faults.add(f"{field}[{index}].value.text", code)
            found[name] = text
        elif (day := find_date(value.date)) is not None:
            found[name] = day
        elif (kind := value.WhichOneof("kind")) == "list":
            found[name] = _decode_list(value.list, f"{field}[{index}].value.list", faults)
        else:
            found[name] = _decode_scalar(value, kind, f"{field}[{index}].value", faults)
    return found


def _decode_list(items: wire.ValueList, field: str, faults: Faults) -> tuple[Scalar, ...]:
    values = items.values
    if len(values) > MAX_LIST_VALUES:
        faults.add(field, TOO_MANY)
        return ()
    return tuple(
        _decode_scalar(value, value.WhichOneof("kind"), f"{field}.values[{index}]", faults)
        for index, value in enumerate(values)
    )


def _decode_scalar(value: wire.Value, kind: str | None, field: str, faults: Faults) -> Scalar:
    """One value; a stand-in where it is wrong, for the message is then refused as a whole."""
    match kind:
        case "text":
            faults.check_text(value.text, f"{field}.text", MAX_TEXT_BYTES)
            return value.text
        case "flag":
            return value.flag
        case "number":
            return value.number
        case "date":
            return _decode_date(value.date, f"{field}.date", faults)
        case "time":
            return decode_time(value.time, f"{field}.time", faults)
        case "decimal":
            return _decode_decimal(value.decimal, f"{field}.decimal", faults)
        case "duration":
            return _decode_duration(value.duration, f"{field}.duration", faults)
        case "list":
            faults.add(f"{field}.list", "too_deep")
        case _:
            faults.add(field, REQUIRED)
    return 0


def _decode_decimal(text: str, field: str, faults: Faults) -> Decimal:
    if len(text) > 2 * MAX_DIGITS:
        faults.add(field, TOO_LONG)
    elif not _DECIMAL.fullmatch(text) or sum(map(str.isdigit, text)) > MAX_DIGITS:
        faults.add(field, "bad_number")
    else:
        number = Decimal(text)
        return number or Decimal(0)  # there is one zero, without a sign
    return Decimal(0)


def _decode_date(text: str, field: str, faults: Faults) -> date:
    day = find_date(text)
    if day is None:
        faults.add(field, "bad_date")
        return date.min
    return day


def find_date(text: str) -> date | None:
    """The day that `text` writes; None when it is not one, or out of range."""
    return _find_date(text) if len(text) == _DATE_LENGTH else None


@lru_cache(maxsize=4_096)  # PERF: birthdays and such come again and again
def _find_date(text: str) -> date | None:
    try:
        day = date.fromisoformat(text) if _DATE.fullmatch(text) else None
    except ValueError:
        return None
    return day if day is not None and 1800 <= day.year <= 2200 else None


def _decode_duration(length: WireDuration, field: str, faults: Faults) -> Duration:
    seconds, nanos = length.seconds, length.nanos
    is_one_sign = not (seconds > 0 > nanos or seconds < 0 < nanos)
    if abs(seconds) > _MAX_DURATION_S or abs(nanos) >= _NANOS or not is_one_sign:
        faults.add(field, "bad_duration")
        return Duration()
    micros = abs(nanos) // 1_000
    return Duration(0, seconds * MICROS_PER_SECOND + (micros if nanos >= 0 else -micros))
