"""Files of rows, read one by one: each gives an event, or why it is none."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TextIO, TypeAlias

from consentry.consent.exchange.rows import (
    COLUMNS,
    Cell,
    RowError,
    csv_cells,
    event_of_row,
    row_of_csv,
    time_of,
)
from consentry.consent.signals.bits import SignalError
from consentry.consent.signals.events import Signal, SignalMap, SignalReader
from consentry.model.consent import ConsentEvent

MAX_LINE_CHARACTERS: Final = 256 * 1024
SIGNAL_COLUMNS: Final = ("subject", "string", "seen_at", "source")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that was refused: its line in the file, the column (empty: the whole), and a code."""

    line: int
    field: str
    code: str


@dataclass(frozen=True, slots=True)
class ReadEvent:
    """An event and the line it comes from."""

    line: int
    event: ConsentEvent


Outcome: TypeAlias = ReadEvent | Refusal
Maker: TypeAlias = Callable[[Mapping[str, object]], tuple[ConsentEvent, ...]]


def one_event(row: Mapping[str, object]) -> tuple[ConsentEvent, ...]:
    """The event of a row of our own."""
    return (event_of_row(row),)


def signal_maker(read: SignalReader, names: SignalMap) -> Maker:
    """Events of a row that holds a signal: subject, string, and when and where it was seen."""

    def of_row(row: Mapping[str, object]) -> tuple[ConsentEvent, ...]:
        for name, value in row.items():
            if name not in SIGNAL_COLUMNS:
                raise RowError(str(name), "unknown_column")
            if not isinstance(value, str):
                raise RowError(name, "not_a_text")
        for name in ("subject", "string"):
            if not row.get(name):
                raise RowError(name, "required")
        seen_at = row.get("seen_at")
        seen_at_us = time_of("seen_at", str(seen_at)) if seen_at else 0
        try:
            return read(
                Signal(
                    data_subject_id=str(row["subject"]),
                    text=str(row["string"]),
                    seen_at_us=seen_at_us,
                    source=str(row.get("source", "")),
                ),
                names,
            )
        except SignalError as problem:
            raise RowError("string", problem.code) from problem

    return of_row


def read_ndjson(file: TextIO, make: Maker) -> Iterator[Outcome]:
    """Each line is one JSON object; empty lines are passed over."""
    for line, text in enumerate(file, 1):
        stripped = text.strip().removeprefix("\ufeff")
        if stripped:
            yield from _outcomes(line, lambda text=stripped: _object(text), make)  # type: ignore[misc]


def read_csv(file: TextIO, make: Maker) -> Iterator[Outcome]:
    """The first row names the columns; a mark of byte order before it is passed over."""
    reader = csv.reader(file, strict=True)
    try:
        names = [name.removeprefix("\ufeff").strip() for name in next(reader, [])]
    except csv.Error:
        yield Refusal(1, "", "bad_csv")
        return
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield Refusal(reader.line_num, "", "bad_csv")
            return
        if cells:
            yield from _outcomes(
                reader.line_num,
                lambda cells=cells: row_of_csv(names, cells),  # type: ignore[misc]
                make,
            )


def _outcomes(
    line: int, read: Callable[[], Mapping[str, object]], make: Maker
) -> Iterator[Outcome]:
    try:
        events = make(read())
    except RowError as problem:
        yield Refusal(line, problem.field, problem.code)
        return
    yield from (ReadEvent(line, event) for event in events)


def _object(text: str) -> Mapping[str, object]:
    if len(text) > MAX_LINE_CHARACTERS:
        raise RowError("", "too_long")
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        raise RowError("", "bad_json") from None
    if not isinstance(said, dict):
        raise RowError("", "not_an_object")
    return said


def ndjson_line(row: Mapping[str, object]) -> str:
    """One row as a line."""
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n"


def csv_header() -> str:
    """The line that names the columns."""
    return _csv_line(COLUMNS)


def csv_line(row: Mapping[str, Cell]) -> str:
    """One row as a line.

    Raises:
        RowError: it cannot be told in CSV.
    """
    return _csv_line(csv_cells(row))


def _csv_line(cells: Iterable[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()
