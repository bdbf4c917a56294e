"""Rows in the body of a call: NDJSON, CSV or JSON; events of our own, or signals."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from http import HTTPStatus
from typing import Final

from consentry.consent.exchange.files import (
    Maker,
    Outcome,
    ReadEvent,
    Refusal,
    one_event,
    read_csv,
    read_ndjson,
    signal_maker,
)
from consentry.consent.exchange.rows import RowError
from consentry.consent.signals.events import SIGNALS, SignalMap
from consentry.server.http_calls import HttpFault
from consentry.server.json_answers import JSON_TYPE
from consentry.server.json_body import BadJsonError, parse_object

CSV_TYPE: Final = "text/csv"
NDJSON_TYPES: Final = ("application/x-ndjson", "application/ndjson", "application/jsonl")


class RowsOf(StrEnum):
    """What rows hold."""

    EVENTS = "events"
    TCF = "tcf"
    GPP = "gpp"
    GPC = "gpc"


def maker_of(kind: RowsOf, names: SignalMap) -> Maker:
    """How a row becomes events."""
    if kind is RowsOf.EVENTS:
        return one_event
    return signal_maker(SIGNALS[kind], names)


def read_rows(body: bytes, content_type: str, make: Maker) -> Iterator[Outcome]:
    """Every row of a body, as events or a refusal, in order.

    Raises:
        HttpFault: the body is in no form that is read.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    read = _READERS.get(media_type)
    if read is None:
        raise HttpFault(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "the content type must be application/x-ndjson, text/csv or application/json",
        )
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise HttpFault(HTTPStatus.BAD_REQUEST, "the body is not text in UTF-8") from None
    return read(text, make)


def _read_lines(text: str, make: Maker) -> Iterator[Outcome]:
    return read_ndjson(io.StringIO(text), make)


def _read_table(text: str, make: Maker) -> Iterator[Outcome]:
    return read_csv(io.StringIO(text, newline=""), make)


def _read_json(text: str, make: Maker) -> Iterator[Outcome]:
    """One row, or `events`: a list of rows. A row's number is its place, from 1 on."""
    try:
        found = parse_object(text.encode())
    except BadJsonError as problem:
        raise HttpFault(HTTPStatus.BAD_REQUEST, str(problem)) from None
    rows = found["events"] if set(found) == {"events"} else [found]
    if not isinstance(rows, list):
        raise HttpFault(HTTPStatus.BAD_REQUEST, "events: must be a list")
    return _outcomes(rows, make)


def _outcomes(rows: list[object], make: Maker) -> Iterator[Outcome]:
    for line, row in enumerate(rows, 1):
        try:
            if not isinstance(row, Mapping):
                raise RowError("", "not_an_object")  # noqa: TRY301 (one way out for all rows)
            events = make(row)
        except RowError as problem:
            yield Refusal(line, problem.field, problem.code)
        else:
            yield from (ReadEvent(line, event) for event in events)


_READERS: Final[dict[str, Callable[[str, Maker], Iterator[Outcome]]]] = {
    **dict.fromkeys(NDJSON_TYPES, _read_lines),
    CSV_TYPE: _read_table,
    JSON_TYPE: _read_json,
}
