"""Gathers what a subject report tells: events, answers, receipts, and what is missing."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from consentry.app.audit.finding import find_place
from consentry.app.exit_codes import ExitCode
from consentry.app.ledger.place import CommandError
from consentry.app.ledger.remote import sidecar_at
from consentry.app.output import ProgressBar
from consentry.app.question_input import QuestionError
from consentry.app.receipts import house_facts
from consentry.app.settings import Settings
from consentry.app.settings_loading import SettingsError, load_settings
from consentry.app.state_folder import LEDGER_FILE, LEDGER_FOLDER
from consentry.app.state_input import compile_archived, read_person
from consentry.app.system import SystemClock
from consentry.consent.receipts import ReceiptIssuer
from consentry.consent.records import RecordFacts, group_events, is_of_consent
from consentry.consent.signing import KeyFolder
from consentry.consent.sqlite_file import reading
from consentry.consent.sqlite_rows import ledger_id_in
from consentry.model.consent import ConsentEvent
from consentry.model.program import Program
from consentry.publish.record_facts import record_facts
from consentry.publish.subject_report import Asked, Gaps, Limits, SubjectReport, grounds
from consentry.server.consent_codec import decode_recorded
from consentry.telemetry.audit.reader import AuditRecord


def read_settings(options: argparse.Namespace) -> Settings:
    """The settings of the sidecar that the flags mean.

    Raises:
        CommandError: they are wrong.
    """
    flags = {"state": {"path": options.state}} if options.state else {}
    try:
        return load_settings(flags, options.config)
    except SettingsError as problem:
        raise CommandError("; ".join(problem.problems), ExitCode.USAGE) from problem


def build_report(
    options: argparse.Namespace, settings: Settings, program: Program
) -> SubjectReport:
    """The report; draws a bar while it reads the log.

    Raises:
        CommandError: something that is needed is not there, or no answer came.
        LedgerError, OSError, AuditKeyError, KeyFileError, SigningUnavailableError: something cannot
            be read.
    """
    limits = Limits(
        since_us=options.since, until_us=options.until, principal=options.principal or ""
    )
    now_us = time.time_ns() // 1_000
    events, receipts = _ledger(options, settings, record_facts(program, house_facts(settings)))
    asked, gaps = _asked(options, limits, has_receipts=receipts is not None)
    return SubjectReport(
        data_subject_id=options.subject,
        made_at_us=now_us,
        limits=limits,
        asked=grounds(asked, events, _find_program(settings, program)),
        events=tuple(events),
        receipts=receipts or {},
        gaps=gaps,
    )


def _ledger(
    options: argparse.Namespace, settings: Settings, facts: RecordFacts
) -> tuple[Sequence[ConsentEvent], dict[str, str] | None]:
    """The person's events, and receipts of those of consent; None where no key is there."""
    if options.target:
        with sidecar_at(options) as client:
            events = [decode_recorded(said) for said in client.list_events(options.subject)]
            of_consent = [event.event_id for event in events if is_of_consent(event)]
            texts = {name: client.find_receipt(options.subject, name) for name in of_consent}
            told = {name: text for name, text in texts.items() if text is not None}
            return events, told if told or not of_consent else None
    if settings.ledger.kind != "sqlite" and not options.state:
        raise CommandError(
            f"the settings keep the ledger elsewhere ({settings.ledger.kind}); say --target",
            ExitCode.USAGE,
        )
    try:
        view = read_person(settings.state.path, options.subject, None, time.time_ns() // 1_000)
    except QuestionError as problem:
        raise CommandError(str(problem), ExitCode.LEDGER) from problem
    return view.events, _sign(settings, view.events, facts)


def _sign(
    settings: Settings, events: Sequence[ConsentEvent], facts: RecordFacts
) -> dict[str, str] | None:
    with reading(settings.state.path / LEDGER_FOLDER / LEDGER_FILE) as connection:
        ledger_id = ledger_id_in(connection)
    signer = KeyFolder(settings.receipt_keys).find_signer()
    if signer is None:
        return None
    issuer = ReceiptIssuer(lambda: ledger_id, lambda: signer, SystemClock())
    receipts = {}
    for life in group_events(events):
        for number, event in enumerate(life, start=1):
            issued = issuer.issue(life[:number], facts)
            if issued is not None:
                receipts[event.event_id] = issued[0]
    return receipts


def _asked(
    options: argparse.Namespace, limits: Limits, *, has_receipts: bool
) -> tuple[list[Asked], Gaps]:
    try:
        reader = find_place(options).reader()
    except CommandError:
        if options.log is not None:  # a report that is empty by a slip would say that nobody asked
            raise
        return [], Gaps(has_log=False, has_receipts=has_receipts)
    is_about = reader.is_about(options.subject)
    living = frozenset(key.name for key in reader.keys.living())
    asked: list[Asked] = []
    oldest_us: int | None = None
    unreadable = 0
    bar = ProgressBar("searching")
    for record in reader.records(bar):
        if oldest_us is None or record.time_us < oldest_us:
            oldest_us = record.time_us
        if is_about(record):
            if limits.wants(record.time_us, record.principal_id):
                asked.append(_told(record))
        elif record.data_subject and record.key not in living:
            unreadable += 1
    bar.close()
    tally = reader.tally
    return asked, Gaps(
        oldest_us=oldest_us,
        dropped=tally.dropped_count,
        sampled_out=tally.sampled_out_count,
        damaged=tally.damaged_count,
        unreadable=unreadable,
        has_receipts=has_receipts,
    )


def _told(record: AuditRecord) -> Asked:
    return Asked(
        at_us=record.time_us,
        decision_id=record.decision_id,
        principal=record.principal_id,
        caller=record.caller,
        action=record.action,
        data=record.data,
        granted=record.granted,
        purpose=record.purpose,
        effect=record.effect,
        reason=record.reason,
        rule=record.rule,
        digest=record.digest,
        revision=record.revision,
    )


def _find_program(settings: Settings, today: Program) -> Callable[[str], Program | None]:
    """Policy sets by digest, from the archive where it is not today's; None where it is gone."""
    known: dict[str, Program | None] = {today.digest: today}

    def find(digest: str) -> Program | None:
        if digest not in known:
            known[digest] = _archived(settings.state.path, digest)
        return known[digest]

    return find


def _archived(state: Path, digest: str) -> Program | None:
    try:
        return compile_archived(state, digest).result.program
    except QuestionError:
        return None
