"""Records the rows of one call: every row is looked at before the first one is recorded."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from consentry.consent.exchange.files import Outcome, ReadEvent, Refusal
from consentry.consent.exchange.recording import look, record_all
from consentry.consent.known_names import KnownNames
from consentry.consent.validate import MAX_BATCH
from consentry.model.ports import Clock
from consentry.pdp.errors import NotReadyError
from consentry.server.callers import Purposes, covers
from consentry.server.http_calls import HttpAnswer, HttpFault
from consentry.server.json_answers import PROBLEM_TYPE, problem_details
from consentry.server.ports import ConsentLedger, Policies
from consentry.telemetry.metrics import Metrics

MAX_TOLD: Final = 1_000
PURPOSE_NOT_PERMITTED: Final = "purpose_not_permitted"


@dataclass
class Report:
    """What became of the rows of one call; `good` are events that can be recorded."""

    good: int = 0
    unproven: int = 0
    recorded: int = 0
    position: int = 0
    refusals: list[Refusal] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """For the caller: rows by number, fields and codes; no values."""
        told = sorted(self.refusals, key=lambda refusal: refusal.line)[:MAX_TOLD]
        return {
            "events": self.good,
            "recorded": self.recorded,
            "unproven": self.unproven,
            "ledger_position": self.position,
            "refused_count": len(self.refusals),
            "refused": [{"row": r.line, "field": r.field, "code": r.code} for r in told],
        }


class Recorder:
    """Into the sidecar's ledger; any thread may use it."""

    def __init__(
        self, ledger: ConsentLedger, policies: Policies, clock: Clock, metrics: Metrics
    ) -> None:
        self._ledger: Final = ledger
        self._policies: Final = policies
        self._clock: Final = clock
        self._metrics: Final = metrics
        self._names: KnownNames | None = None

    def record(
        self,
        rows: Iterable[Outcome],
        purposes: Purposes,
        *,
        only_looks: bool = False,
        skips_refused: bool = False,
    ) -> Report:
        """What became of the rows; `purposes` are those that may be recorded, None: all.

        None is recorded where one is refused, unless `skips_refused`. What is there already counts
        as recorded before, so that the same rows may come again.

        Raises:
            NotReadyError: there is no policy set to look names up in.
            LedgerError: the ledger cannot be written.
        """
        active = self._policies.current
        if active is None:
            raise NotReadyError("no policy set is loaded")
        names = self._names
        if names is None or names.program is not active.program:
            names = self._names = KnownNames(active.program)
        now_us = self._clock.now_us()
        report, good = Report(), []
        for row in rows:
            outcome = _permitted(look(row, names, now_us), purposes)
            if isinstance(outcome, Refusal):
                report.refusals.append(outcome)
            else:
                good.append(outcome)
                report.unproven += not outcome.event.proof.method
        report.good = len(good)
        if not only_looks and (skips_refused or not report.refusals):
            self._record(good, report)
        return report

    def _record(self, good: list[ReadEvent], report: Report) -> None:
        for start in range(0, len(good), MAX_BATCH):
            batch = good[start : start + MAX_BATCH]
            told = record_all(self._ledger, [read.event for read in batch])
            for event in told.new:
                self._metrics.consent_events.cell(event.kind.value).add()
            report.recorded += len(told.new)
            report.position = max(report.position, told.position)
            report.good -= len(told.refused)
            for index, (name, code) in told.refused.items():
                report.refusals.append(Refusal(batch[index].line, name, code))


def _permitted(outcome: Outcome, purposes: Purposes) -> Outcome:
    """Refuses what reaches further than the purposes that may be recorded."""
    if isinstance(outcome, Refusal) or covers(purposes, outcome.event.scope.purpose):
        return outcome
    return Refusal(outcome.line, "purpose", PURPOSE_NOT_PERMITTED)


def tell_report(report: Report) -> HttpAnswer:
    """200 where nothing was refused, 422 where something was."""
    status = HTTPStatus.UNPROCESSABLE_ENTITY if report.refusals else HTTPStatus.OK
    return HttpAnswer(body=json.dumps(report.as_json()).encode(), status=status)


def tell_problem(fault: HttpFault) -> HttpAnswer:
    """An error as problem details (RFC 9457)."""
    return HttpAnswer(
        body=json.dumps(problem_details(fault.status, fault.message)).encode(),
        status=fault.status,
        media_type=PROBLEM_TYPE,
        headers=fault.headers,
    )
