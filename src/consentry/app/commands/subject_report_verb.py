"""`consentry subject-report`: for one person, who asked for what, and what the person decided."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Final

from consentry.app.audit.finding import moment
from consentry.app.exit_codes import EXIT_CODES_HELP, ExitCode
from consentry.app.ledger.place import told_errors
from consentry.app.ledger.remote import add_target
from consentry.app.output import counted, err
from consentry.app.publishing import read_publishable, warn_missing
from consentry.app.subject_reports import build_report, read_settings
from consentry.consent.signing import KeyFileError, SigningUnavailableError
from consentry.publish.subject_report import render_report
from consentry.publish.subject_report_json import report_json
from consentry.publish.wording import languages
from consentry.telemetry.audit.keys import AuditKeyError

_EXAMPLES: Final = """\
examples:
  consentry subject-report --subject customer-1042 --out report.html
  consentry subject-report --subject customer-1042 --language th --format json
  consentry subject-report --subject customer-1042 --since 2026-05-01 --principal partner-sync

It answers a request for access, and after a breach the question who saw whose data. The ledger and
the decision log are read where they stand; a running sidecar is not in the way. What they cannot
tell stands in the report. A person is found by hashing the id with every key that still lives.

"""


def build_parser() -> argparse.ArgumentParser:
    """The parser of this verb."""
    parser = argparse.ArgumentParser(
        prog="consentry subject-report",
        description=(
            "Tell one person in plain words who asked for their data, for which purpose, on which "
            "ground, and what was answered; and everything the person decided, with receipts."
        ),
        epilog=_EXAMPLES + EXIT_CODES_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--subject", required=True, metavar="ID", help="the data subject's id")
    add("--config", type=Path, metavar="FILE", help="settings in TOML (or CONSENTRY_CONFIG)")
    add("--state", metavar="DIR", help="state folder of the sidecar (default: var/consentry)")
    add("--policies", metavar="PATH", help="today's policies (default: those of the settings)")
    add("--log", type=Path, metavar="FILE", help="records that were collected elsewhere")
    add_target(parser)
    only = parser.add_argument_group("which answers; the person's own acts are always told")
    when = "a date, a UTC time, or how long ago (90s, 15m, 2h, 7d)"
    only.add_argument("--since", type=moment, metavar="TIME", help=when)
    only.add_argument("--until", type=moment, metavar="TIME", help="before that time")
    only.add_argument("--principal", metavar="ID", help="answers to this principal alone")
    add("--format", choices=("html", "json"), default="html", help="default: html")
    add("--language", choices=languages(), default="en", help="of the report (default: en)")
    add("--out", metavar="FILE", help="write here, for you alone, not to standard output")
    return parser


def run(options: argparse.Namespace) -> int:
    """0 whatever is found."""
    with told_errors("subject-report") as status:
        settings = read_settings(options)
        current = read_publishable(options.policies or str(settings.policies.path))
        if current is None:
            return ExitCode.USAGE
        try:
            report = build_report(options, settings, current.program)
        except (AuditKeyError, KeyFileError, SigningUnavailableError) as problem:
            err().line(f"consentry subject-report: {problem}")
            return ExitCode.LEDGER
        wording = current.publisher.wording(options.language, current.texts(options.language))
        if options.format == "json":
            told = report_json(report, current.program, wording)
            text = json.dumps(told, indent=2, ensure_ascii=False) + "\n"
        else:
            text = render_report(report, current.program, wording)
        _write(text, options.out)
        warn_missing(wording.missing, options.language)
        answers, acts = counted(len(report.asked), "answer"), counted(len(report.events), "act")
        err().line(f"{answers}, {acts}")
    return status[0]


def _write(text: str, file: str | None) -> None:
    if file is None:
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    # It is all about one person: nobody else on this machine may read it.
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.fchmod(descriptor, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as target:
        target.write(text)
