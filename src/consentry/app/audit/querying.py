"""`consentry audit query`: the records that somebody looks for."""

from __future__ import annotations

import argparse
import json
from typing import Final

from consentry.app.audit.finding import (
    add_filters,
    add_place,
    find_place,
    find_records,
    tell_what_is_missing,
)
from consentry.app.exit_codes import ExitCode
from consentry.app.output import counted, err, out
from consentry.model.values import datetime_of
from consentry.telemetry.audit.reader import AuditRecord

QUERY_HELP: Final = "find records by time, person, purpose, reason and more"


def add_query(parser: argparse.ArgumentParser) -> None:
    """The flags of `query`."""
    add_place(parser)
    add_filters(parser)
    parser.add_argument("--json", action="store_true", help="the records as they are, one a line")


def query(options: argparse.Namespace) -> ExitCode:
    """0 whatever is found; how many is said on standard error."""
    reader = find_place(options).reader()
    found_count = 0
    for record in find_records(options, reader):
        found_count += 1
        out().line(json.dumps(record.told) if options.json else line_of(record))
    err().line(f"{counted(found_count, 'record')} of {reader.tally.record_count:,}")
    tell_what_is_missing(reader)
    return ExitCode.OK


def line_of(record: AuditRecord) -> str:
    """A record for people, on one line; what callers wrote is escaped."""
    at = datetime_of(record.time_us).strftime("%Y-%m-%d %H:%M:%S")
    data = ",".join(record.data if record.granted is None else record.granted)
    who = record.principal_id + (f" ({record.caller})" if record.caller else "")
    said = f"{who} may {record.action} {data} for {record.purpose or '-'}"
    text = f"{at}  {record.effect:<6}  {record.reason:<28}  {said}  {record.decision_id}"
    return text.encode("unicode_escape").decode("ascii") if not text.isprintable() else text
