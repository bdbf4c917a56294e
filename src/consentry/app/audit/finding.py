"""Which log is meant, and which of its records: the flags that `query` and `replay` share."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from consentry.app.exit_codes import ExitCode
from consentry.app.ledger.place import CommandError
from consentry.app.output import ProgressBar, err
from consentry.app.settings import Settings
from consentry.app.settings_loading import SettingsError, load_settings
from consentry.app.state_folder import AUDIT_FOLDER
from consentry.model.values import time_us
from consentry.server.callers import covers
from consentry.telemetry.audit.reader import KEYS_FOLDER, AuditReader, AuditRecord

_AGO: Final = re.compile(r"(\d+)([smhd])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_TEXT_FILTERS: Final = (
    ("--principal", "principal_id", "ID", "who asked, as the request said"),
    ("--caller", "caller", "NAME", "who asked, as they proved it"),
    ("--purpose", "purpose", "PURPOSE", "what for; those below it are found as well"),
    ("--reason", "reason", "CODE", "the primary reason"),
    ("--rule", "rule", "NAME", "the rule that gave it"),
    ("--decision-id", "decision_id", "ID", "the id that the caller was given"),
    ("--correlation-id", "correlation_id", "ID", "the caller's name for the call"),
    ("--trace-id", "trace_id", "ID", "the trace that it is part of"),
)


@dataclass(frozen=True, slots=True)
class Place:
    """A decision log, and the settings of the sidecar that keeps it."""

    settings: Settings
    log: Path
    keys: Path

    def reader(self) -> AuditReader:
        """The log."""
        return AuditReader(self.log, keys=self.keys)


def add_place(parser: argparse.ArgumentParser) -> None:
    """The flags that say which log is meant."""
    add = parser.add_argument
    add("--config", type=Path, metavar="FILE", help="settings in TOML (or CONSENTRY_CONFIG)")
    add("--state", metavar="DIR", help="state folder of the sidecar (default: var/consentry)")
    add("--log", type=Path, metavar="FILE", help="records that were collected elsewhere")


def find_place(options: argparse.Namespace) -> Place:
    """The log that the flags, the environment or the settings file name.

    Raises:
        CommandError: the settings are wrong, or there is no log.
    """
    flags = {"state": {"path": options.state}} if options.state else {}
    try:
        settings = load_settings(flags, options.config)
    except SettingsError as problem:
        raise CommandError("; ".join(problem.problems), ExitCode.USAGE) from problem
    folder = settings.state.path / AUDIT_FOLDER
    log = options.log or folder
    if not log.exists():
        raise CommandError(f"{log}: there is no decision log", ExitCode.USAGE)
    return Place(settings, log, folder / KEYS_FOLDER)


def add_filters(parser: argparse.ArgumentParser) -> None:
    """The flags that say which records are meant."""
    only = parser.add_argument_group("which records; all that are said must hold")
    time = "a date, a UTC time, or how long ago (90s, 15m, 2h, 7d)"
    only.add_argument("--since", type=moment, metavar="TIME", help=time)
    only.add_argument("--until", type=moment, metavar="TIME", help="before that time")
    only.add_argument("--decision", choices=("permit", "deny"), help="what was answered")
    for flag, name, metavar, text in _TEXT_FILTERS:
        only.add_argument(flag, dest=name, metavar=metavar, help=text)
    only.add_argument(
        "--subject", metavar="ID", help="whose data; found by every key that still lives"
    )


def moment(text: str) -> int:
    """A time on the command line, in microseconds since the epoch.

    Raises:
        ArgumentTypeError: it is none.
    """
    if (match := _AGO.fullmatch(text)) is not None:
        now = datetime.now(UTC).timestamp()
        return round((now - int(match[1]) * _SECONDS[match[2]]) * 1e6)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no date, no time and no length such as 2h"
        ) from None
    return time_us(at if at.tzinfo is not None else at.replace(tzinfo=UTC))


def find_records(options: argparse.Namespace, reader: AuditReader) -> Iterator[AuditRecord]:
    """The records that the flags mean, the oldest first; draws a bar while it searches.

    Raises:
        OSError, AuditKeyError: the log or a key cannot be read.
    """
    holds = [*_wanted(options)]
    if options.subject:
        holds.append(reader.is_about(options.subject))
    bar = ProgressBar("searching")
    try:
        for record in reader.records(bar):
            if all(hold(record) for hold in holds):
                yield record
    finally:
        bar.close()


def _wanted(options: argparse.Namespace) -> Iterator[Callable[[AuditRecord], bool]]:
    since, until, decision = options.since, options.until, options.decision
    if since is not None:
        yield lambda record: record.time_us >= since
    if until is not None:
        yield lambda record: record.time_us < until
    if decision is not None:
        yield lambda record: record.effect == decision
    for _, name, _, _ in _TEXT_FILTERS:
        if (wanted := getattr(options, name)) is not None:
            yield _has(name, wanted)


def _has(name: str, wanted: str) -> Callable[[AuditRecord], bool]:
    if name == "purpose":
        return lambda record: covers(frozenset({wanted}), record.purpose)
    return lambda record: getattr(record, name) == wanted


def tell_what_is_missing(reader: AuditReader) -> None:
    """Says how many answers of the whole log have no record."""
    tally = reader.tally
    for count, what in (
        (tally.dropped_count, "were lost; the log tells where"),
        (tally.sampled_out_count, "were left out by sampling"),
    ):
        if count:
            err().line(f"of {count:,} answers in this log the records {what}")
    if tally.damaged_count:
        err().line(f"{tally.damaged_count:,} lines are no records and were left out")
