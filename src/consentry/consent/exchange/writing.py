"""Events and records of a ledger file, written row by row."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from consentry.consent.exchange.files import csv_header, csv_line, ndjson_line
from consentry.consent.exchange.rows import RowError, row_of_event
from consentry.consent.records import RecordFacts, consent_record, group_events, unstated_fields
from consentry.consent.sqlite_file import reading
from consentry.consent.sqlite_rows import (
    data_subjects_in,
    events_of,
    newest_position,
    stored_events,
)


@dataclass
class Written:
    """How many were written; positions that could not be told, with the reason; and how many
    records have mandatory fields that nobody stated.
    """

    count: int = 0
    refused: list[tuple[int, str]] = field(default_factory=list)
    unstated: int = 0


def write_events(
    ledger: Path,
    file: TextIO,
    data_subject_id: str,
    told: Callable[[int, int], None],
    *,
    is_csv: bool,
) -> Written:
    """All events that are still somebody's, or one person's; an empty id: everybody's."""
    written = Written()
    with reading(ledger) as connection:
        newest = newest_position(connection)
        events = (
            iter(events_of(connection, data_subject_id))
            if data_subject_id
            else stored_events(connection)
        )
        if is_csv:
            file.write(csv_header())
        for event in events:
            row = row_of_event(event)
            try:
                file.write(csv_line(row) if is_csv else ndjson_line(row))
                written.count += 1
            except RowError as problem:
                written.refused.append((event.position, f"{problem.field}: {problem.code}"))
            told(event.position, newest)
    return written


def write_records(
    ledger: Path,
    file: TextIO,
    data_subject_id: str,
    facts: RecordFacts,
    told: Callable[[int, int], None],
) -> Written:
    """Consent records as lines of JSON-LD, person by person."""
    written = Written()
    with reading(ledger) as connection:
        persons = [data_subject_id] if data_subject_id else data_subjects_in(connection)
        for number, person in enumerate(persons, 1):
            for group in group_events(events_of(connection, person)):
                record = consent_record(group, facts)
                file.write(json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n")
                written.count += 1
                written.unstated += bool(unstated_fields(record))
            told(number, len(persons))
    return written
