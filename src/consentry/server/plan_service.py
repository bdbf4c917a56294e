"""Plan: one question about everybody, as a filter, with those whom the ledger speaks of.

Going through a ledger takes as long as some thousand checks and shares their interpreter. So one
plan is made at a time, and after each part of the people it rests as long as that part took.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Final

from google.protobuf.message import DecodeError

from consentry.engine.link import LinkedProgram
from consentry.model.ports import Clock
from consentry.model.request import Request
from consentry.pdp.errors import NotReadyError, NotYetThereError
from consentry.plan.formulas import Formulas, read_formulas
from consentry.plan.members import Classes
from consentry.plan.planner import Planner
from consentry.plan.sql import Dialect, SqlError, Table, where
from consentry.plan.survey import PeopleLedger, survey
from consentry.server.admission import admit_question
from consentry.server.callers import Right
from consentry.server.decode import decode_request
from consentry.server.errors import LeavingError, SqlRefusedError, TooManyCallsError
from consentry.server.explain_service import ActiveSet
from consentry.server.faults import Faults, malformed
from consentry.server.health import AUTHORIZATION_SERVICE
from consentry.server.plan_codec import decode_target, encode_members, encode_plan
from consentry.server.streams import OpenStream, StreamBehaviour
from consentry.server.text_checks import REQUIRED
from consentry.v1 import authorization_pb2 as wire

NOT_ALLOWED: Final = "not_allowed"


class PlanMethods:
    """Behaviour of the method; any thread may run it."""

    def __init__(self, *, policies: ActiveSet, ledger: PeopleLedger, clock: Clock) -> None:
        self._policies: Final = policies
        self._ledger: Final = ledger
        self._clock: Final = clock
        self._room: Final = threading.BoundedSemaphore(1)
        self._read: tuple[LinkedProgram, Formulas] | None = None

    def streams(self) -> dict[str, StreamBehaviour]:
        """By full method name."""
        return {f"/{AUTHORIZATION_SERVICE}/Plan": self.plan}

    def plan(self, raw: bytes, stream: OpenStream) -> Iterator[bytes]:
        """Members as they are found, then the plan.

        Raises:
            RequestError: no question is asked, or it is malformed, or about one person.
            NotPermittedError: the caller may not plan this.
            NotReadyError, NotYetThereError: what it is to be answered from is not there.
            PlanRefusedError, SqlRefusedError: a condition that matters cannot be expressed.
            LedgerUnavailableError: the ledger does not tell of everybody now.
            TooManyCallsError: another plan is being made.
            LeavingError: the sidecar leaves.
        """
        question, target = _decode(raw, stream)
        has_left = threading.Event()
        stream.owe_nothing(has_left.set)
        if not self._room.acquire(blocking=False):
            raise TooManyCallsError("plan")
        try:
            yield from self._plan(question, target, stream, has_left)
        finally:
            self._room.release()

    def _plan(
        self,
        question: Request,
        target: tuple[Table, Dialect] | None,
        stream: OpenStream,
        has_left: threading.Event,
    ) -> Iterator[bytes]:
        linked, formulas = self._asked()
        now_us, position = self._clock.now_us(), self._ledger.position()
        if position < stream.call.at_least:
            raise NotYetThereError(position)
        planner = Planner(linked, formulas, question, now_us)
        classes = Classes(planner)
        if not planner.unknowns:
            began_s = time.monotonic()
            for members in survey(classes, self._ledger, position, now_us):
                part = encode_members(members)
                spent_s = time.monotonic() - began_s
                yield part
                if has_left.wait(spent_s):
                    if stream.is_leaving:
                        raise LeavingError
                    return
                began_s = time.monotonic()
        try:
            sql = None if target is None else where(classes.filters, *target)
        except SqlError as problem:
            raise SqlRefusedError(str(problem)) from None
        yield encode_plan(
            filters=classes.filters,
            sql=sql,
            duties=planner.duties,
            reasons=planner.unknowns,
            digest=linked.program.digest,
            position=position,
            at_us=now_us,
            valid_until_us=planner.valid_until_us,
        )

    def _asked(self) -> tuple[LinkedProgram, Formulas]:
        active = self._policies.current
        if active is None:
            raise NotReadyError("no policy set is loaded")
        linked, read = active.linked, self._read
        if read is None or read[0] is not linked:
            read = self._read = (linked, read_formulas(linked.program))
        return read


def _decode(raw: bytes, stream: OpenStream) -> tuple[Request, tuple[Table, Dialect] | None]:
    try:
        message = wire.PlanRequest.FromString(raw)
    except DecodeError:
        raise malformed() from None
    faults = Faults()
    if not message.HasField("question"):
        faults.add("question", REQUIRED)
    if message.question.HasField("subject"):
        faults.add("question.subject", NOT_ALLOWED)
    if message.question.partial:
        faults.add("question.partial", NOT_ALLOWED)
    target = decode_target(message.sql, faults) if message.HasField("sql") else None
    faults.raise_if_any()
    admit_question(message.question, stream.call.caller, Right.PLAN)
    return decode_request(message.question), target
