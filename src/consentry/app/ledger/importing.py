"""`consentry ledger import`: every row is looked at before the first one is recorded."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final, Protocol

from consentry.app.exit_codes import ExitCode
from consentry.app.ledger.place import CommandError, add_place, find_place
from consentry.app.ledger.remote import RemoteRecorder, add_target, sidecar_at
from consentry.app.output import ProgressBar, counted, err, out
from consentry.app.policy_files import compile_path
from consentry.app.signal_map import SignalMapError, read_signal_map
from consentry.app.system import ProcessIds, SystemClock
from consentry.app.wiring import make_state_folders
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
from consentry.consent.exchange.recording import look, record_all
from consentry.consent.known_names import KnownNames
from consentry.consent.signals.events import SIGNALS, SignalMap
from consentry.consent.sqlite import SqliteLedger
from consentry.consent.validate import MAX_BATCH
from consentry.model.consent import ConsentEvent

IMPORT_HELP: Final = "record events from a file; tell every row that is refused, and why"
_SHOWN: Final = 20


class Recorder(Protocol):
    """Where events go."""

    def record(self, events: Sequence[ConsentEvent]) -> tuple[int, dict[int, tuple[str, str]]]:
        """How many are new; what was refused of them, by index: field and code."""
        ...


@dataclass
class Report:
    """What became of the rows of one file; `good` are events that can be recorded."""

    good: int = 0
    refusals: list[Refusal] = field(default_factory=list)
    added: int = 0
    unproven: int = 0

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "events": self.good,
            "recorded": self.added,
            "unproven": self.unproven,
            "refused": [
                {"line": r.line, "field": r.field, "code": r.code} for r in self.refusals
            ],
        }  # fmt: skip


def add_import(parser: argparse.ArgumentParser) -> None:
    """The flags of `import`."""
    add_place(parser)
    add_target(parser)
    add = parser.add_argument
    add("file", metavar="FILE", help="the rows; - for standard input")
    add(
        "--format",
        choices=("ndjson", "csv", *SIGNALS),
        help="of events: ndjson, csv; of signals in rows of NDJSON or CSV: tcf, gpp, gpc"
        " (default: by the file's name)",
    )
    add("--map", type=Path, metavar="FILE", help="TOML: what a signal's numbers stand for")
    add("--policies", metavar="DIR", help="policies whose names the events use (default: policies)")
    add("--check", action="store_true", help="look at every row and record none")
    add("--skip-refused", action="store_true", help="record the rest though some are refused")
    add("--refused", type=Path, metavar="FILE", help="write every refused row there, as NDJSON")
    add("--json", action="store_true", help="report as JSON")


def import_events(options: argparse.Namespace) -> ExitCode:
    """0 where every row was recorded, 1 where some were refused.

    The file is read twice, a row at a time: once to look, and once more to record.
    """
    report = Report()
    with _file(options.file) as path, _recorder(options) as recorder:
        names = recorder.names if isinstance(recorder, LocalRecorder) else None
        looked = partial(look, names=names, now_us=SystemClock().now_us())
        for outcome in map(looked, read_rows(options, path)):
            if isinstance(outcome, Refusal):
                report.refusals.append(outcome)
            else:
                report.good += 1
                report.unproven += not outcome.event.proof.method
        may_record = not options.check and (options.skip_refused or not report.refusals)
        if may_record:
            found = map(looked, read_rows(options, path))
            _record((o for o in found if isinstance(o, ReadEvent)), recorder, report)
    tell(report, options, was_recorded=may_record)
    return ExitCode.FINDINGS if report.refusals else ExitCode.OK


def _record(events: Iterator[ReadEvent], recorder: Recorder, report: Report) -> None:
    bar, done = ProgressBar("recording"), 0
    try:
        while batch := list(islice(events, MAX_BATCH)):
            added, refused = recorder.record([read.event for read in batch])
            report.added += added
            for index, (name, code) in sorted(refused.items()):
                report.refusals.append(Refusal(batch[index].line, name, code))
            report.good -= len(refused)
            done += len(batch)
            bar(done, max(done, report.good))
    finally:
        bar.close()


def tell(report: Report, options: argparse.Namespace, *, was_recorded: bool) -> None:
    """The report, for people or as JSON; every refused row to a file where one is named."""
    report.refusals.sort(key=lambda refusal: refusal.line)
    if options.refused is not None:
        with options.refused.open("w", encoding="utf-8") as file:
            for entry in report.as_json()["refused"]:
                file.write(json.dumps(entry) + "\n")
    if options.json:
        out().json(report.as_json())
        return
    for refusal in report.refusals[:_SHOWN]:
        where = f"line {refusal.line}" + (f", {refusal.field}" if refusal.field else "")
        err().line(f"{where}: {refusal.code}")
    if len(report.refusals) > _SHOWN:
        err().line(f"... and {len(report.refusals) - _SHOWN:,} more; --refused FILE has them all")
    known = report.good - report.added
    if was_recorded:
        out().line(f"recorded: {counted(report.added, 'event')}; {known:,} were there already")
    else:
        out().line(f"nothing was recorded; {counted(report.good, 'event')} could be")
    if report.unproven:
        out().line(f"{report.unproven:,} without a proof: a consent among them stands as unproven")
    if report.refusals:
        out().line(f"refused: {counted(len(report.refusals), 'row')}")


def read_rows(options: argparse.Namespace, path: Path) -> Iterator[Outcome]:
    """Every row of the file at `path` as an event or a refusal.

    Raises:
        CommandError: the map cannot be read, or the file is not text.
        OSError: the file cannot be read.
    """
    is_csv_name = options.file.endswith(".csv")
    form = options.format or ("csv" if is_csv_name else "ndjson")
    make: Maker = one_event
    if form in SIGNALS:
        make = signal_maker(SIGNALS[form], _map(options.map))
    read = read_csv if form == "csv" or (form in SIGNALS and is_csv_name) else read_ndjson
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            yield from read(file, make)
        except UnicodeDecodeError as problem:
            raise CommandError(f"{options.file} is not UTF-8 text", ExitCode.USAGE) from problem


@contextmanager
def _file(name: str) -> Iterator[Path]:
    """The file, which can be read twice: standard input is kept aside for that."""
    if name != "-":
        yield Path(name)
        return
    with tempfile.NamedTemporaryFile(prefix="consentry-import-") as kept:
        shutil.copyfileobj(sys.stdin.buffer, kept)
        kept.flush()
        yield Path(kept.name)


def _map(path: Path | None) -> SignalMap:
    try:
        return read_signal_map(path)
    except SignalMapError as problem:
        raise CommandError(str(problem), ExitCode.USAGE) from problem


@contextmanager
def _recorder(options: argparse.Namespace) -> Iterator[Recorder]:
    if options.target:
        with sidecar_at(options) as client:
            yield RemoteRecorder(client)
        return
    from consentry.app.settings_loading import SettingsError, load_settings  # noqa: PLC0415

    flags: Mapping[str, Any] = {"policies": {"path": options.policies}} if options.policies else {}
    try:
        policies = load_settings(flags, options.config).policies.path
    except SettingsError as problem:
        raise CommandError("; ".join(problem.problems), ExitCode.USAGE) from problem
    compiled = compile_path(policies)
    if compiled.result.program is None or compiled.has_errors:
        raise CommandError(
            f"the policies in {policies} do not compile: see consentry check", ExitCode.USAGE
        )
    names = KnownNames(compiled.result.program)
    if options.check:
        yield LocalRecorder(None, names)
        return
    place = find_place(options)
    if options.ledger is None:
        make_state_folders(place.ledger.parent.parent)  # consents may come before the first sidecar
    clock = SystemClock()
    ledger = SqliteLedger(place.ledger, clock=clock, ids=ProcessIds(), anchor=place.anchor)
    try:
        clock.start_from(ledger.newest_us())
        yield LocalRecorder(ledger, names)
    finally:
        ledger.close()


class LocalRecorder:
    """Into a ledger that no sidecar owns just now."""

    def __init__(self, ledger: SqliteLedger | None, names: KnownNames) -> None:
        self._ledger: Final = ledger
        self.names: Final = names

    def record(self, events: Sequence[ConsentEvent]) -> tuple[int, dict[int, tuple[str, str]]]:
        """Records all that can be; see `Recorder`."""
        if self._ledger is None:
            return 0, {}
        told = record_all(self._ledger, events)
        return len(told.new), told.refused
