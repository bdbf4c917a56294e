"""Explain: one answer with the whole of how it came about, now or as of a past moment.

Explaining takes as long as a few thousand checks and shares their interpreter, so that only few
explanations are made at once; one too many is refused.
"""

from __future__ import annotations

import threading
from typing import Final, Protocol

from consentry.author.explain import explain
from consentry.author.explanation import Explanation
from consentry.consent.resolver import SubjectView
from consentry.engine.link import LinkedProgram
from consentry.model.consent import ConsentView
from consentry.model.ports import Clock
from consentry.model.request import Request
from consentry.pdp.errors import NotReadyError, NotYetThereError
from consentry.server.admission import admit_question
from consentry.server.callers import Right
from consentry.server.calls import Call, RawBehaviour, typed
from consentry.server.decode import decode_request
from consentry.server.errors import TooManyCallsError
from consentry.server.explain_codec import encode_explanation
from consentry.server.faults import Faults
from consentry.server.health import AUTHORIZATION_SERVICE
from consentry.server.ports import ConsentLedger
from consentry.server.text_checks import REQUIRED
from consentry.server.wire_values import decode_time
from consentry.v1 import authorization_pb2 as wire

MAX_AT_ONCE: Final = 2


class Asked(Protocol):
    """A policy set that can be asked."""

    @property
    def linked(self) -> LinkedProgram:
        """The program, ready to be evaluated."""
        ...


class ActiveSet(Protocol):
    """Where the active policy set stands."""

    @property
    def current(self) -> Asked | None:
        """The set that decides now; None before the first load."""
        ...


class PastSets(Protocol):
    """Policy sets that were active once."""

    def get(self, digest: str) -> LinkedProgram:
        """The set with this digest; raises `UnknownPolicySetError`."""
        ...


class ExplainMethods:
    """Behaviours of the service; any thread may run them."""

    def __init__(
        self, *, policies: ActiveSet, past: PastSets, ledger: ConsentLedger, clock: Clock
    ) -> None:
        self._policies: Final = policies
        self._past: Final = past
        self._ledger: Final = ledger
        self._clock: Final = clock
        self._room: Final = threading.BoundedSemaphore(MAX_AT_ONCE)

    def behaviours(self) -> dict[str, RawBehaviour]:
        """By full method name."""
        return {f"/{AUTHORIZATION_SERVICE}/Explain": typed(wire.ExplainRequest, self.explain)}

    def explain(self, request: wire.ExplainRequest, call: Call) -> wire.ExplainResponse:
        """The explanation of one answer; raises as `told`."""
        return encode_explanation(self.told(request, call))

    def told(self, request: wire.ExplainRequest, call: Call) -> Explanation:
        """The explanation of one answer, as a value.

        Raises:
            RequestError: no question is asked, or what is said beside it is malformed.
            NotReadyError, NotYetThereError, UnknownPolicySetError: what it is to be answered from
                is not there.
            TooManyCallsError: other explanations are being made.
        """
        faults = Faults()
        if not request.HasField("check"):
            faults.add("check", REQUIRED)
        if request.ledger_position < 0:
            faults.add("ledger_position", "bad_position")
        now_us = self._clock.now_us()
        if request.HasField("at"):
            now_us = decode_time(request.at, "at", faults)
        faults.raise_if_any()
        admit_question(request.check, call.caller, Right.EXPLAIN)
        question = decode_request(request.check)
        if not self._room.acquire(blocking=False):
            raise TooManyCallsError("explain")
        try:
            return explain(
                self._linked(request.policy_digest),
                question,
                self._view(question, request, call.at_least, now_us),
                now_us,
                with_flips=not request.without_changes,
            )
        finally:
            self._room.release()

    def _linked(self, digest: str) -> LinkedProgram:
        active = self._policies.current
        if digest and (active is None or active.linked.program.digest != digest):
            return self._past.get(digest)
        if active is None:
            raise NotReadyError("no policy set is loaded")
        return active.linked

    def _view(
        self, question: Request, request: wire.ExplainRequest, at_least: int, now_us: int
    ) -> ConsentView:
        """The person's events up to the wanted position, as they were seen at that moment."""
        wanted = request.ledger_position
        position = self._ledger.position()
        if position < max(wanted, at_least):
            raise NotYetThereError(position)
        person = question.data_subject
        if person is None:
            return SubjectView((), revision=0, position=position, read_at_us=now_us)
        view = self._ledger.view(person.id)
        if not isinstance(view, SubjectView) or not (wanted or request.HasField("at")):
            return view
        seen = [event for event in view.events if not wanted or event.position <= wanted]
        return SubjectView(
            seen,
            revision=seen[-1].position if seen else 0,
            position=wanted or position,
            read_at_us=now_us,
        )
