"""envoy.service.auth.v3.Authorization: one method, which a proxy asks for every request.

The question goes to the decision point as any other: its cache, its counters and its log.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from google.protobuf.message import DecodeError
from google.rpc import code_pb2

from consentry.envoy.v3 import external_auth_pb2 as wire
from consentry.server.admission import admitted
from consentry.server.callers import NotPermittedError
from consentry.server.calls import Call, RawBehaviour, request_name
from consentry.server.errors import status_of
from consentry.server.ext_authz.answers import answer_decision, answer_refusal
from consentry.server.ext_authz.asked import AskedRequest, ClaimsPlace, read_asked
from consentry.server.ext_authz.mapping import PATH_AMBIGUOUS, RouteMapping, Unmapped
from consentry.server.ext_authz.questions import encode_question
from consentry.server.ext_authz.refusals import Refusal
from consentry.server.ports import Decider
from consentry.telemetry.metrics import Metrics
from consentry.v1 import authorization_pb2 as answers
from consentry.v1 import decision_pb2 as shapes

EXT_AUTHZ_SERVICE: Final = "envoy.service.auth.v3.Authorization"
CHECK_METHOD: Final = f"/{EXT_AUTHZ_SERVICE}/Check"
QUESTION_REFUSED: Final = "question_refused"
UNAVAILABLE: Final = "unavailable"
INTERNAL: Final = "internal"

_PERMIT: Final = "permit"
_UNMAPPED: Final = "unmapped"
_OUTCOMES: Final[dict[int, str]] = {
    HTTPStatus.BAD_REQUEST: "invalid",
    HTTPStatus.FORBIDDEN: "deny",
    HTTPStatus.INTERNAL_SERVER_ERROR: "unavailable",
    HTTPStatus.SERVICE_UNAVAILABLE: "unavailable",
}
OUTCOMES: Final = frozenset({_PERMIT, _UNMAPPED, *_OUTCOMES.values()})
"""Labels of the requests that are counted."""
_NO_HEADERS: Final[Mapping[str, str]] = {}
_CALLERS_FAULT: Final = frozenset({code_pb2.INVALID_ARGUMENT, code_pb2.RESOURCE_EXHAUSTED})


class ExtAuthzMethods:
    """Behaviours of the service; any thread may run them."""

    def __init__(
        self, decider: Decider, mapping: RouteMapping, place: ClaimsPlace, metrics: Metrics
    ) -> None:
        self._decider: Final = decider
        self._mapping: Final = mapping
        self._place: Final = place
        self._metrics: Final = metrics
        # A closed set, at 0 from the start, so that a first increase is seen.
        self._count: Final = {name: metrics.proxy_requests.cell(name).add for name in OUTCOMES}

    def behaviours(self) -> dict[str, RawBehaviour]:
        """By full method name."""
        return {CHECK_METHOD: self.check_bytes}

    def check_bytes(self, raw: bytes, call: Call) -> bytes:
        """As `check`; bytes that are no request are refused as well."""
        try:
            message = wire.CheckRequest.FromString(raw)
        except DecodeError:
            refused = self._refuse(Refusal(HTTPStatus.BAD_REQUEST, QUESTION_REFUSED), _NO_HEADERS)
            return refused.SerializeToString()
        return self.check(message, call).SerializeToString()

    def check(self, message: wire.CheckRequest, call: Call) -> wire.CheckResponse:
        """Whether the request may go on; whatever breaks on the way to an answer is a denial, for
        a proxy might take an error for a yes.
        """
        headers = _NO_HEADERS
        try:
            asked = read_asked(message, self._place)
            headers = asked.headers
            question = self._mapping.find(asked)
            if isinstance(question, Unmapped):
                return self._refuse(_refusal_of_unmapped(question), headers)
            return self._answer(encode_question(question), asked, call)
        except NotPermittedError as problem:
            # The proxy itself may not ask this.
            self._metrics.callers_refused.cell(problem.cause.value).add()
            return self._refuse(Refusal(HTTPStatus.SERVICE_UNAVAILABLE, UNAVAILABLE), headers)
        except Exception as problem:  # noqa: BLE001  # logged if it is a bug; the proxy gets an answer
            return self._refuse(_refusal_of(problem), headers)

    def _answer(self, question: bytes, asked: AskedRequest, call: Call) -> wire.CheckResponse:
        raw = self._decider.check_bytes(
            admitted(question, call.caller),
            correlation_id=request_name(asked.headers),
            caller=call.caller.identity.name,
        )
        answer = answers.CheckResponse.FromString(raw)
        response = answer_decision(answer, asked.headers)
        is_permit = answer.effect == shapes.EFFECT_PERMIT
        self._count[_PERMIT if is_permit else _OUTCOMES[response.denied_response.status.code]]()
        return response

    def _refuse(self, refusal: Refusal, client_headers: Mapping[str, str]) -> wire.CheckResponse:
        is_unmapped = refusal.status is HTTPStatus.FORBIDDEN
        self._count[_UNMAPPED if is_unmapped else _OUTCOMES[refusal.status]]()
        return answer_refusal(refusal, client_headers)


def _refusal_of_unmapped(unmapped: Unmapped) -> Refusal:
    is_ambiguous = unmapped.reason == PATH_AMBIGUOUS
    status = HTTPStatus.BAD_REQUEST if is_ambiguous else HTTPStatus.FORBIDDEN
    return Refusal(status, unmapped.reason)


def _refusal_of(problem: Exception) -> Refusal:
    code = status_of(problem, CHECK_METHOD).code
    if code in _CALLERS_FAULT:
        return Refusal(HTTPStatus.BAD_REQUEST, QUESTION_REFUSED)
    if code == code_pb2.INTERNAL:
        return Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, INTERNAL)
    return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, UNAVAILABLE)
