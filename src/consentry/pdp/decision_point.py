"""The path of a check: bytes in, bytes out.

    request bytes -> answer cache -> else decode, evaluate, encode, keep -> moment -> count, audit

Rules this module keeps:

- The ledger's position is read before the person's view, so that an answer never claims to know
  more than it does, and a caller's `at_least` is met by the view that is used.
- A kept answer is given again only if the snapshot and the view are the very objects it was made
  from and the time lies within its span; it is kept only if both are still current.
- The lease is read before the view and asked when the answer is made: an answer that rests on a
  view older than the bound is thrown away and made again without one, however long the thread or
  the whole process stood still in between.
- A hit and a miss are counted, timed and audited alike.
- Nothing waits, but for the reading of a person the ledger does not hold: at once where it is
  local, for a stated few milliseconds where it is not, and not much longer for all the questions of
  one call together. A hit touches memory only.

Locks: the cache's own, nothing else.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Final

from consentry.consent.resolver import UNAVAILABLE, SubjectView
from consentry.engine.evaluate import evaluate as engine_evaluate
from consentry.engine.link import LinkedProgram
from consentry.model.consent import ConsentView
from consentry.model.decision import Decision, Effect
from consentry.model.ports import Clock, IdSource
from consentry.model.request import Request, RequestError
from consentry.model.values import MICROS_PER_SECOND
from consentry.pdp.audited import EFFECT_NAMES, NOT_AUDITED, audit_fields
from consentry.pdp.cache import MAX_KEY_BYTES, NO_CELL, AnswerCache, Entry, SubjectCell
from consentry.pdp.codec import Codec
from consentry.pdp.errors import (
    CacheMismatchError,
    EvaluationFailedError,
    NotReadyError,
    NotYetThereError,
)
from consentry.pdp.patience import Patience
from consentry.pdp.ports import DecisionLog, Ledger, Policies
from consentry.pdp.snapshot import Snapshot
from consentry.telemetry.audit.record import AuditFields
from consentry.telemetry.cells import OTHER
from consentry.telemetry.metric_names import CACHE_RESULTS
from consentry.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

Trace = Callable[[str, str, AuditFields], str]

# PERF: answers of one hundredth of a second are kept until one time, which is then written once.
_GRAIN_US: Final = MICROS_PER_SECOND // 100

Evaluate = Callable[[LinkedProgram, Request, ConsentView, int], Decision]


class CacheMode(StrEnum):
    """How the answer cache is used; `compare` evaluates every hit again and checks it."""

    ON = "on"
    OFF = "off"
    COMPARE = "compare"


class DecisionPoint:
    """Answers checks. Safe under threads; owns the answer cache and nothing else that changes."""

    def __init__(
        self,
        *,
        policies: Policies,
        ledger: Ledger,
        codec: Codec,
        clock: Clock,
        ids: IdSource,
        metrics: Metrics,
        audit: DecisionLog | None = None,
        cache: AnswerCache | None = None,
        cache_mode: CacheMode = CacheMode.ON,
        max_age_s: float = 30.0,
        evaluate: Evaluate = engine_evaluate,
        trace: Trace | None = None,
    ) -> None:
        """`trace` is told of each decision of a traced call, and gives the trace's id back."""
        self.cache: Final = cache if cache is not None else AnswerCache()
        self._policies = policies
        self._codec = codec
        self._clock = clock
        self._ledger = ledger
        self._metrics = metrics
        # PERF: as plain truths; a member of an enum takes four times as long to look up.
        self._keeps = cache_mode is not CacheMode.OFF
        self._compares = cache_mode is CacheMode.COMPARE
        self._is_plain = cache_mode is CacheMode.ON
        self._max_age_us = int(max_age_s * MICROS_PER_SECOND)
        self._grain_us = _GRAIN_US if max_age_s >= 1 else 1
        self._latest_us = 0
        self._evaluate = evaluate
        self._trace = trace
        self._is_told = audit is not None or trace is not None
        self._append_audit = audit.append if audit is not None else None
        self._commit_audit = audit.commit if audit is not None and audit.is_strict else None
        # PERF: bound once; each is called on every check.
        self._now_us = clock.now_us
        self._monotonic_s = clock.monotonic_s
        self._new_id = ids.new_id
        self._count = {r: metrics.cache_requests.cell(r).add for r in CACHE_RESULTS}
        self._time = {
            r: metrics.decision_seconds.histogram(r).observe_by_name for r in CACHE_RESULTS
        }
        self._time_known = metrics.decision_seconds.histogram("hit").observe_many
        policies.on_change(self._forget)
        metrics.watch_gauge("cache_entries", self.cache.__len__)
        metrics.watch_gauge("cache_bytes", lambda: self.cache.size_bytes)
        metrics.watch_counter("cache_evicted", lambda: self.cache.evicted_count)
        metrics.watch_gauge("ledger_position", ledger.position)
        metrics.watch_gauge("consent_age_seconds", self._age_s)

    def check_bytes(
        self, raw: bytes, *, correlation_id: str = "", at_least: int = 0, caller: str = ""
    ) -> bytes:
        """The answer to one question, both as bytes of the wire; `caller` is for the record.

        Raises:
            AuditUnavailableError: its record could not be made durable, in strict mode.
            RequestError: `raw` asks no question that can be answered.
            NotReadyError: there is no policy set yet.
            NotYetThereError: the ledger is behind `at_least`.
            EvaluationFailedError, CacheMismatchError: a bug; to be read as deny.
        """
        snapshot, position = self._fix(at_least)
        answer = self._answer(raw, correlation_id, snapshot, position, caller)
        if self._commit_audit is not None:
            self._commit_audit()
        return answer

    def check_batch(
        self, items: Sequence[tuple[bytes, str]], *, at_least: int = 0, caller: str = ""
    ) -> list[bytes | Exception]:
        """Answers to many questions, in order, under one policy set and one ledger position.

        Those that are known are timed together, each with the mean.

        An item is a question and its correlation id. An item that cannot be answered, be it the
        caller's fault or ours, yields its error and spoils no other. Raises as `check_bytes` does
        for what concerns all items.
        """
        snapshot, position = self._fix(at_least)
        answers: list[bytes | Exception] = []
        patience = Patience(self._ledger, self._monotonic_s)
        # PERF: what is known and needs no proof is answered here, with one look at the clock
        # for as many as come one after the other.
        find = self.cache.find if self._is_plain and self._ledger.lease is None else _find_nothing
        began_s, now_us, other_s, known_count = self._monotonic_s(), self._now_us(), 0.0, 0
        for raw, correlation_id in items:
            entry = find(raw)
            if entry is not None and entry.holds(snapshot, now_us):
                known_count += 1
                given = self._give(entry, now_us, position, 0, correlation_id, caller, "hit")
                answers.append(given[0])
                continue
            since_s = self._monotonic_s()
            try:
                answers.append(
                    self._answer(raw, correlation_id, snapshot, position, caller, patience)
                )
            except Exception as problem:  # noqa: BLE001  # told to who asked, and logged there
                answers.append(problem)
            other_s += self._monotonic_s() - since_s
            now_us = self._now_us()
        if known_count:
            spent_s = self._monotonic_s() - began_s - other_s
            self._time_known(spent_s / known_count, known_count)
        if self._commit_audit is not None:
            self._commit_audit()
        return answers

    def decide(self, request: Request) -> Decision:
        """The decision as a value, for tools: not cached, not counted, not audited.

        Raises:
            RequestError, NotReadyError, EvaluationFailedError: as `check_bytes`.
        """
        snapshot, position = self._fix(0)
        now_us = self._now_us()
        lease = self._ledger.lease
        view = self._view(request, position, now_us)[1]
        decision = self._decide(snapshot, request, view, now_us)
        if lease is not None and lease.is_over():
            view = self._view(request, position, now_us, is_stale=True)[1]
            return self._decide(snapshot, request, view, now_us)
        return decision

    def _fix(self, at_least: int) -> tuple[Snapshot, int]:
        snapshot = self._policies.current
        if snapshot is None:
            raise NotReadyError("no policy set is loaded")
        position = self._ledger.position()
        if position < at_least:
            raise NotYetThereError(position)
        return snapshot, position

    def _answer(  # noqa: PLR0917 - a hot call: positional is what is cheap
        self,
        raw: bytes,
        correlation_id: str,
        snapshot: Snapshot,
        position: int,
        caller: str,
        patience: Patience | None = None,
    ) -> bytes:
        began_s = self._monotonic_s()
        now_us = self._now_us()
        # INVARIANT: before any view, so that the views used are no older than its proof.
        lease = self._ledger.lease
        entry = self.cache.find(raw) if self._keeps else None
        if entry is not None and entry.holds(snapshot, now_us):
            result = "hit"
            if self._compares:
                self._compare(raw, entry, now_us)
        else:
            result = "miss" if entry is None else "stale"
            entry, is_kept = self._make(raw, snapshot, position, now_us, patience=patience)
            if not is_kept:
                result = "bypass"
        age_us = 0
        if lease is not None:
            if lease.is_over():
                result = "bypass"
                entry, _ = self._make(raw, snapshot, position, now_us, is_stale=True)
            age_us = lease.age_us()
        given, decision_id, trace_id = self._give(
            entry, now_us, position, age_us, correlation_id, caller, result
        )
        self._time[result]((self._monotonic_s() - began_s, decision_id, trace_id, now_us))
        return given

    def _give(  # noqa: PLR0917 - as above
        self,
        entry: Entry,
        now_us: int,
        position: int,
        age_us: int,
        correlation_id: str,
        caller: str,
        result: str,
    ) -> tuple[bytes, str, str]:
        """The entry's answer with a moment of its own, counted and audited; its id and trace."""
        decision_id = self._new_id()
        trace_id = "" if self._trace is None else self._trace(decision_id, result, entry.audit)
        given = self._codec.complete(
            entry.shared, entry.own, decision_id, position, age_us, correlation_id
        )
        entry.count()
        self._count[result]()
        if self._append_audit is not None:
            self._append_audit(
                entry.audit, now_us, decision_id, position, correlation_id, result == "hit",
                caller, trace_id,
            )  # fmt: skip
        return given, decision_id, trace_id

    def _make(
        self,
        raw: bytes,
        snapshot: Snapshot,
        position: int,
        now_us: int,
        *,
        is_stale: bool = False,
        patience: Patience | None = None,
    ) -> tuple[Entry, bool]:
        """A fresh answer as an entry, and whether it was kept; `is_stale`: without consent."""
        decoded = self._codec.decode_check(raw)
        request = decoded.request
        cell, view = self._view(request, position, now_us, is_stale=is_stale, patience=patience)
        decision = self._decide(snapshot, request, view, now_us)
        latest_us = now_us + self._max_age_us
        latest_us -= latest_us % self._grain_us
        # Answers of one hundredth of a second have one object for this time.
        known_us = self._latest_us
        if latest_us == known_us:
            latest_us = known_us
        else:
            self._latest_us = latest_us
        until_us = latest_us
        if not decision.is_cacheable:
            # Made without the consent state: nobody may keep it, the caller included.
            until_us = now_us
        elif decision.valid_until_us is not None and decision.valid_until_us < latest_us:
            until_us = decision.valid_until_us
        shared, own = self._codec.encode_answer(decision, request, snapshot.digest, until_us)
        # PERF: positional, in the order of the members.
        entry = Entry(
            snapshot,
            NO_CELL if cell is None else cell,
            view,
            now_us,
            until_us,
            shared,
            own,
            self._cell_of(snapshot, request, decision),
            audit_fields(snapshot, request, decision, cell, view, raw)
            if self._is_told
            else NOT_AUDITED,
            decision if self._compares else None,
        )
        is_kept = (
            self._keeps
            and decoded.is_cacheable
            and decision.is_cacheable
            and view.is_available
            and cell is not None
            and len(raw) <= MAX_KEY_BYTES
            and until_us > now_us
            and self._is_current(snapshot, cell, view)
            and self.cache.store(raw, entry)
        )
        return entry, is_kept

    def _is_current(self, snapshot: Snapshot, cell: SubjectCell, view: ConsentView) -> bool:
        # The versions were read before the work; what moved since must not be kept.
        return cell.view is view and self._policies.current is snapshot

    def _view(
        self,
        request: Request,
        position: int,
        now_us: int,
        *,
        is_stale: bool = False,
        patience: Patience | None = None,
    ) -> tuple[SubjectCell | None, ConsentView]:
        person = request.data_subject
        if person is None or not person.id:
            return None, SubjectView(events=(), revision=0, position=position, read_at_us=now_us)
        if is_stale:
            return None, UNAVAILABLE
        cell = self._ledger.cell(person.id)
        view = cell.view
        return cell, view if view is not None else (patience or self._ledger).view(person.id)

    def _decide(
        self, snapshot: Snapshot, request: Request, view: ConsentView, now_us: int
    ) -> Decision:
        try:
            return self._evaluate(snapshot.linked, request, view, now_us)
        except RequestError:
            raise
        except Exception as problem:
            self._metrics.evaluation_errors.cell().add()
            log.exception("evaluation_failed", extra={"digest": snapshot.digest})
            raise EvaluationFailedError("evaluating a request failed") from problem

    def _compare(self, raw: bytes, entry: Entry, now_us: int) -> None:
        request = self._codec.decode_check(raw).request
        if self._decide(entry.snapshot, request, entry.view, now_us) == entry.decision:
            return
        self.cache.drop(raw)
        self._metrics.cache_mismatch.cell().add()
        log.error("cache_mismatch", extra={"digest": entry.snapshot.digest})
        raise CacheMismatchError("a kept answer differs from a fresh one")

    def _cell_of(
        self, snapshot: Snapshot, request: Request, decision: Decision
    ) -> Callable[[], int]:
        # Names that the policy set does not know come from the caller and must not become series.
        program = snapshot.program
        return self._metrics.decision_cell(
            EFFECT_NAMES[decision.effect is Effect.PERMIT],
            decision.reason,
            request.purpose if request.purpose in program.purpose_names else OTHER,
            request.action if request.action in program.actions else OTHER,
        ).add

    def _forget(self, _: Snapshot) -> None:
        # Answers from the set before can never be given again; free them, in the loading thread.
        self.cache.drop_older()

    def _age_s(self) -> float:
        lease = self._ledger.lease
        return 0.0 if lease is None else lease.age_us() / MICROS_PER_SECOND


def _find_nothing(_: bytes) -> Entry | None:
    return None
