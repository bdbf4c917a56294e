"""At the doors: who calls, whether they may call a method, and what is told of a refusal."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Final

import grpc

from consentry.model.ports import Clock
from consentry.server.callers import (
    Caller,
    Callers,
    NotAuthenticatedError,
    NotPermittedError,
    RefusedCause,
)
from consentry.server.calls import Enter
from consentry.server.rights import ADMINISTRATIVE, METHOD_RIGHTS, OPEN_METHODS
from consentry.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

_TELL_AGAIN_S: Final = 60.0


class Gate:
    """Before every method of a sidecar that knows identities. Any thread may use it.

    What it keeps of refusals is one moment for each identity, method and cause: closed sets.
    """

    def __init__(self, callers: Callers, metrics: Metrics, clock: Clock) -> None:
        self.callers: Final = callers
        self._refused: Final = metrics.callers_refused
        # At 0 from the start, so that a first increase is seen.
        for cause in () if callers.is_open else RefusedCause:
            self._refused.cell(cause.value)
        self._monotonic_s: Final = clock.monotonic_s
        self._told_s: dict[tuple[str, str, str], float] = {}

    def entering(self, method: str, identity: str = "") -> Enter | None:
        """How a call enters `method`; `identity` is the one that the door belongs to, if any.

        None where everybody may: nothing is then done for a call.
        """
        if self.callers.is_open or method in OPEN_METHODS:
            return None
        right = METHOD_RIGHTS.get(method)
        fixed = self.callers.of_socket(identity) if identity else None
        of_call = self.callers.of_call

        def enter(metadata: object, context: grpc.ServicerContext) -> Caller:
            try:
                caller = fixed or of_call(metadata, context)
            except NotAuthenticatedError as problem:
                self.note(problem.cause, "", method)
                raise
            if right is None or not caller.identity.has(right):
                self.note(RefusedCause.RIGHT, caller.name, method)
                raise NotPermittedError(RefusedCause.RIGHT, caller.name)
            if right in ADMINISTRATIVE:
                log.warning("administered", extra={"identity": caller.name, "method": method})
            return caller

        return enter

    def while_proven(self, answers: Iterator[bytes], caller: Caller) -> Iterator[bytes]:
        """The answers of a call that stays open, for as long as what its caller proved holds.

        Raises:
            NotAuthenticatedError: it does not any more.
        """
        for answer in answers:
            self.callers.check_time(caller)
            yield answer

    def note_refusal(self, problem: NotPermittedError) -> None:
        """Counts what a method refused to a caller that it was open to."""
        self.note(problem.cause, problem.identity, "")

    def note(self, cause: RefusedCause, identity: str, method: str) -> None:
        """Counts one refusal, and tells of it if that was not done a moment ago."""
        self._refused.cell(cause.value).add()
        now_s, key = self._monotonic_s(), (identity, method, cause.value)
        told_s = self._told_s.get(key)
        if told_s is not None and now_s - told_s < _TELL_AGAIN_S:
            return
        self._told_s[key] = now_s
        extra = {"identity": identity, "method": method, "cause": cause.value}
        log.warning("caller_refused", extra=extra)
