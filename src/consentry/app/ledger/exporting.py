"""`consentry ledger export`: events as rows, or records of consent as the standard has them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TextIO

from consentry.app.exit_codes import ExitCode
from consentry.app.ledger.place import CommandError, add_place, find_place
from consentry.app.output import ProgressBar, counted, err
from consentry.app.policy_files import compile_path
from consentry.app.receipts import house_facts
from consentry.app.settings_loading import SettingsError, load_settings
from consentry.consent.exchange.writing import write_events, write_records
from consentry.consent.records import RecordFacts
from consentry.publish.record_facts import record_facts

EXPORT_HELP: Final = "write events as NDJSON or CSV, or consent records (ISO/IEC TS 27560)"
_FORMATS: Final = ("ndjson", "csv", "iso27560")


def add_export(parser: argparse.ArgumentParser) -> None:
    """The flags of `export`."""
    add_place(parser)
    add = parser.add_argument
    add("file", metavar="FILE", help="where to write; - for standard output")
    add("--format", choices=_FORMATS, help="default: by the file's name, else ndjson")
    add("--subject", metavar="ID", help="one person's only")
    add("--policies", metavar="DIR", help="for records: what purposes mean (default: policies)")


def export_events(options: argparse.Namespace) -> ExitCode:
    """0 where everything could be told."""
    form = options.format or ("csv" if options.file.endswith(".csv") else "ndjson")
    facts = _facts(options) if form == "iso27560" else None
    ledger, person = find_place(options).ledger, options.subject or ""
    bar = ProgressBar("exporting")
    with _writing(options.file) as file:
        if facts is not None:
            written = write_records(ledger, file, person, facts, bar)
        else:
            written = write_events(ledger, file, person, bar, is_csv=form == "csv")
    bar.close()
    err().line(f"exported: {counted(written.count, 'record' if facts else 'event')}")
    if written.unstated:
        err().line(f"{written.unstated:,} of them have mandatory fields that nobody stated")
    for position, why in written.refused:
        err().line(f"position {position}: {why}")
    return ExitCode.FINDINGS if written.refused else ExitCode.OK


@contextmanager
def _writing(name: str) -> Iterator[TextIO]:
    if name == "-":
        yield sys.stdout
        return
    with Path(name).open("x", encoding="utf-8", newline="") as file:
        Path(name).chmod(0o600)
        yield file


def _facts(options: argparse.Namespace) -> RecordFacts:
    flags = {"policies": {"path": options.policies}} if options.policies else {}
    try:
        settings = load_settings(flags, options.config)
    except SettingsError as problem:
        raise CommandError("; ".join(problem.problems), ExitCode.USAGE) from problem
    program = compile_path(settings.policies.path).result.program
    if program is None:
        raise CommandError(
            f"the policies in {settings.policies.path} do not compile: see consentry check",
            ExitCode.USAGE,
        )
    return record_facts(program, house_facts(settings))
