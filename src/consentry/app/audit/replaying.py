"""`consentry audit replay`: decides again what the log says was decided, and compares.

A replay takes the policy set from the archive by its digest, the person's events from the ledger up
to the position that the answer saw, and the question from the record, or from a file whose digest
must be the record's. Where one of them is not to be had it says so: it never guesses.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from google.protobuf.json_format import Parse, ParseDict, ParseError

from consentry.app.audit.finding import (
    Place,
    add_filters,
    add_place,
    find_place,
    find_records,
    tell_what_is_missing,
)
from consentry.app.audit.querying import line_of
from consentry.app.exit_codes import ExitCode
from consentry.app.ledger.place import CommandError
from consentry.app.output import counted, err, out
from consentry.app.question_input import QuestionError
from consentry.app.state_input import compile_archived, read_person
from consentry.consent.errors import LedgerError
from consentry.consent.resolver import UNAVAILABLE, SubjectView
from consentry.engine.evaluate import evaluate
from consentry.engine.link import LinkedProgram, link
from consentry.model.consent import ConsentView
from consentry.model.decision import Decision, Effect
from consentry.model.request import Request, RequestError
from consentry.server.decode import decode_request
from consentry.telemetry.audit.reader import AuditReader, AuditRecord
from consentry.v1 import authorization_pb2 as wire

REPLAY_HELP: Final = "decide again what the log says was decided, and compare"

NO_QUESTION: Final = "the record holds a digest of the question only; give the question"
OTHER_QUESTION: Final = "the question given is not the one that was decided"
NO_DIGEST: Final = "the record holds nothing of the question"
NO_KEY: Final = "the key of the record is gone, so that nobody can say whose it was"
NO_PERSON: Final = "the record does not hold the person's id; say --subject"
OTHER_PERSON: Final = "the record is about another person"
NO_POLICIES: Final = "the policy set is not in the archive, or no longer compiles"
NO_LEDGER: Final = "the ledger is kept elsewhere"
NO_EVENTS: Final = "the ledger no longer holds the events that the answer saw, as after an erasure"


class NotReplayedError(Exception):
    """A decision cannot be made again; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a replay came to. `decision` None: it was not possible, for the reason `why`."""

    record: AuditRecord
    decision: Decision | None = None
    granted: tuple[str, ...] | None = None
    why: str = ""

    @property
    def differences(self) -> dict[str, tuple[object, object]]:
        """What the log says against what comes out now, where they differ."""
        if self.decision is None:
            return {}
        logged, now = self.record, self.decision
        pairs: dict[str, tuple[object, object]] = {
            "effect": (logged.effect, now.effect.value),
            "reason": (logged.reason, now.reason),
        }
        if "rule" in logged.told:
            pairs["rule"] = (logged.rule, now.findings[0].rule)
        if "granted" in logged.told:
            pairs["granted"] = (logged.granted, self.granted)
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}

    @property
    def word(self) -> str:
        """`same`, `different` or `not_replayed`."""
        if self.decision is None:
            return "not_replayed"
        return "different" if self.differences else "same"


def add_replay(parser: argparse.ArgumentParser) -> None:
    """The flags of `replay`."""
    add_place(parser)
    add_filters(parser)
    parser.add_argument(
        "--question",
        type=Path,
        metavar="FILE",
        help="the question of the one record, a CheckRequest as JSON",
    )
    parser.add_argument("--json", action="store_true", help="report as JSON, one line a record")


def replay(options: argparse.Namespace) -> ExitCode:
    """0 where all came out the same, 1 where one did not, 5 where one could not be replayed."""
    place = find_place(options)
    reader = place.reader()
    replayer = Replayer(place, reader, options.subject, options.question)
    counts: dict[str, int] = dict.fromkeys(("same", "different", "not_replayed"), 0)
    for record in find_records(options, reader):
        if options.question is not None and any(counts.values()):
            raise CommandError("--question is of one record: say --decision-id", ExitCode.USAGE)
        outcome = replayer.replay(record)
        counts[outcome.word] += 1
        _tell(options, outcome)
    err().line(
        f"{counted(sum(counts.values()), 'record')}: {counts['same']:,} the same,"
        f" {counts['different']:,} different, {counts['not_replayed']:,} not replayed"
    )
    tell_what_is_missing(reader)
    if counts["different"]:
        return ExitCode.FINDINGS
    return ExitCode.UNDECIDED if counts["not_replayed"] else ExitCode.OK


def _tell(options: argparse.Namespace, outcome: Outcome) -> None:
    differences = outcome.differences
    if options.json:
        told: dict[str, object] = {
            "decision_id": outcome.record.decision_id, "outcome": outcome.word,
        }  # fmt: skip
        if outcome.why:
            told["why"] = outcome.why
        for name, (logged, now) in differences.items():
            told[name] = {"logged": logged, "now": now}
        out().line(json.dumps(told))
        return
    out().line(f"{outcome.word:<12}  {line_of(outcome.record)}")
    if outcome.why:
        out().line(f"    {outcome.why}")
    for name, (logged, now) in differences.items():
        out().line(f"    {name}: logged {logged}, now {now}")


class Replayer:
    """Decides records of one log again; keeps the policy sets that it compiled."""

    def __init__(
        self, place: Place, reader: AuditReader, person: str | None, question: Path | None
    ) -> None:
        """`person` (an id) and `question` are what the caller knows beyond the log.

        Raises:
            CommandError: the question cannot be read.
        """
        self._state: Final = place.settings.state.path
        self._has_ledger: Final = place.settings.ledger.kind == "sqlite"
        self._given_person: Final = person
        self._is_about: Final[Callable[[AuditRecord], bool] | None] = (
            reader.is_about(person) if person else None
        )
        self._keys: Final = {key.name: key for key in reader.keys.living()}
        self._question: Final = None if question is None else _read_question(question)
        self._sets: Final[dict[str, LinkedProgram]] = {}

    def replay(self, record: AuditRecord) -> Outcome:
        """The record's decision made again, or why that is not possible."""
        try:
            request = self._request(record)
            linked = self._linked(record.digest)
            decision = evaluate(linked, request, self._view(record, request), record.time_us)
        except NotReplayedError as problem:
            return Outcome(record=record, why=str(problem))
        except RequestError:
            # It was answered, so it was sound as it came: facts were left out of what is kept.
            left_out = ", ".join(record.left_out) or "nothing that the log names"
            return Outcome(record=record, why=f"the question is not whole; left out: {left_out}")
        return Outcome(record=record, decision=decision, granted=_granted(request, decision))

    def _request(self, record: AuditRecord) -> Request:
        if self._question is not None:
            return decode_request(self._proven(record, self._question))
        if record.facts is None:
            raise NotReplayedError(NO_QUESTION if record.question else NO_DIGEST)
        if record.left_out:
            raise NotReplayedError(f"facts were left out: {', '.join(record.left_out)}")
        message = ParseDict(dict(record.facts), wire.CheckRequest())
        if person := self._person(record):
            message.subject.id = person
        return decode_request(message)

    def _proven(self, record: AuditRecord, message: wire.CheckRequest) -> wire.CheckRequest:
        if not record.question:
            raise NotReplayedError(NO_DIGEST)
        key = self._keys.get(record.key)
        if key is None:
            raise NotReplayedError(NO_KEY)
        if key.digest(message.SerializeToString(deterministic=True)) != record.question:
            raise NotReplayedError(OTHER_QUESTION)
        return message

    def _person(self, record: AuditRecord) -> str:
        if record.data_subject_id:
            return record.data_subject_id
        if not record.data_subject:
            return ""  # the question named nobody, or the log does not say whom
        if self._given_person is None or self._is_about is None:
            raise NotReplayedError(NO_PERSON)
        if record.key not in self._keys:
            raise NotReplayedError(NO_KEY)
        if not self._is_about(record):
            raise NotReplayedError(OTHER_PERSON)
        return self._given_person

    def _linked(self, digest: str) -> LinkedProgram:
        if digest not in self._sets:
            try:
                program = compile_archived(self._state, digest).result.program
            except QuestionError:
                program = None
            if program is None or program.digest != digest:
                raise NotReplayedError(NO_POLICIES)
            self._sets[digest] = link(program)
        return self._sets[digest]

    def _view(self, record: AuditRecord, request: Request) -> ConsentView:
        if not record.is_consent_known:
            return UNAVAILABLE
        person = request.data_subject
        if person is None or not person.id:
            return SubjectView((), revision=0, position=0, read_at_us=record.time_us)
        if not self._has_ledger:
            raise NotReplayedError(NO_LEDGER)
        # An event that came between the two readings of a check is in its view already.
        position = max(record.position, record.revision)
        try:
            view = read_person(self._state, person.id, position, record.time_us)
        except (QuestionError, LedgerError) as problem:
            raise NotReplayedError(str(problem)) from problem
        if view.revision < record.revision:
            raise NotReplayedError(NO_EVENTS)
        return view


def _granted(request: Request, decision: Decision) -> tuple[str, ...] | None:
    given = tuple(leaf.data for leaf in decision.leaves if leaf.effect is Effect.PERMIT)
    is_part = request.partial and len(given) < len(decision.leaves)
    return given if is_part and decision.effect is Effect.PERMIT else None


def _read_question(path: Path) -> wire.CheckRequest:
    try:
        return Parse(path.read_text(encoding="utf-8"), wire.CheckRequest())
    except (OSError, UnicodeDecodeError, ParseError) as problem:
        raise CommandError(
            f"{path}: not a CheckRequest as JSON: {problem}", ExitCode.USAGE
        ) from problem
