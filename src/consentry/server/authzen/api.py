"""AuthZEN's methods, on bytes: what they answer, without a word about HTTP's own rules.

Source: Authorization API 1.0, final; the sections are named where a rule comes from one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Final

from consentry.pdp.errors import NotReadyError
from consentry.server.admission import admitted
from consentry.server.authzen.decisions import tell_decision, tell_item_fault, tell_unknown
from consentry.server.authzen.entities import Asked, EntityError, read_asked
from consentry.server.authzen.search import Pages, SearchKind, scope_of
from consentry.server.callers import NotPermittedError, RefusedCause
from consentry.server.http_calls import HttpAnswer, HttpCall, HttpFault, fault_of
from consentry.server.json_answers import JSON_TYPE
from consentry.server.json_body import BadJsonError, JsonObject, parse_object
from consentry.server.ports import Decider, Policies
from consentry.v1 import authorization_pb2 as wire

EXECUTE_ALL: Final = "execute_all"
DENY_ON_FIRST_DENY: Final = "deny_on_first_deny"
PERMIT_ON_FIRST_PERMIT: Final = "permit_on_first_permit"
_SEMANTICS: Final = (EXECUTE_ALL, DENY_ON_FIRST_DENY, PERMIT_ON_FIRST_PERMIT)
_DEFAULTS: Final = ("subject", "action", "resource", "context")


class AuthzenApi:
    """Answers evaluations and searches; any thread may use it."""

    def __init__(self, decider: Decider, policies: Policies, max_items: int) -> None:
        self._decider: Final = decider
        self._policies: Final = policies
        self._max_items: Final = max_items
        self._pages: Final = Pages()

    def evaluation(self, call: HttpCall) -> HttpAnswer:
        """One decision ("Access Evaluation API")."""
        return _json(self._evaluate(_request(call), call))

    def evaluations(self, call: HttpCall) -> HttpAnswer:
        """Several, or one where there are no several ("Access Evaluations API")."""
        request = _request(call)
        items = request.get("evaluations")
        if items is not None and not isinstance(items, list):
            raise _bad("evaluations: must be a list")
        semantic = _semantic(request)
        if not items:
            return _json(self._evaluate(request, call))
        if len(items) > self._max_items:
            raise _bad(f"evaluations: are more than {self._max_items}")
        defaults = {name: request[name] for name in _DEFAULTS if name in request}
        # A default is replaced as a whole: nothing is merged inside of it.
        told = self._each((_with_defaults(defaults, item) for item in items), call, semantic)
        return _json({"evaluations": told})

    def search(self, kind: SearchKind, call: HttpCall) -> HttpAnswer:
        """What is permitted, of one kind ("Search APIs")."""
        request = _request(call)
        active = self._policies.current
        if active is None:
            raise NotReadyError("no policy set is loaded")
        try:
            asked = read_asked(request, kind.searched)
            scope = scope_of(kind, request, active.digest, call.caller.name)
            page = self._pages.read(request, scope)
        except EntityError as problem:
            raise _bad(str(problem)) from None
        results: list[dict[str, Any]] = []
        start = page.start
        candidates = () if asked.unknown else kind.candidates(active.program, asked)
        while start < len(candidates) and len(results) < page.limit:
            # No more at a time than there is room for: what is asked about is what is told.
            some = candidates[start : start + page.limit - len(results)]
            start += len(some)
            permitted = self._permitted(kind, asked, some, call)
            results += [kind.result(asked, candidate) for candidate in permitted]
        token = self._pages.write(scope, start) if start < len(candidates) else ""
        return _json({"page": {"next_token": token, "count": len(results)}, "results": results})

    def _permitted(
        self, kind: SearchKind, asked: Asked, candidates: tuple[str, ...], call: HttpCall
    ) -> list[str]:
        questions: list[tuple[str, bytes]] = []
        for candidate in candidates:
            raw = kind.question(asked, candidate).SerializeToString()
            try:
                questions.append((candidate, admitted(raw, call.caller)))
            except NotPermittedError as problem:
                if kind.searched.is_subject and problem.cause is RefusedCause.PRINCIPAL:
                    continue  # who may ask for itself alone finds itself alone
                raise
        answers = self._decider.check_batch(
            [(raw, call.correlation_id) for _, raw in questions],
            at_least=asked.at_least,
            caller=call.caller.identity.name,
        )
        found = []
        for (candidate, _), answer in zip(questions, answers, strict=True):
            if isinstance(answer, Exception):
                raise answer
            if tell_decision(wire.CheckResponse.FromString(answer))["decision"]:
                found.append(candidate)
        return found

    def _evaluate(self, request: JsonObject, call: HttpCall) -> dict[str, Any]:
        try:
            asked = read_asked(request)
        except EntityError as problem:
            raise _bad(str(problem)) from None
        if asked.unknown:
            return tell_unknown(asked.unknown)
        raw = self._decider.check_bytes(
            admitted(asked.question.SerializeToString(), call.caller),
            correlation_id=call.correlation_id,
            at_least=asked.at_least,
            caller=call.caller.identity.name,
        )
        return tell_decision(wire.CheckResponse.FromString(raw))

    def _each(
        self, requests: Iterator[JsonObject | None], call: HttpCall, semantic: str
    ) -> list[dict[str, Any]]:
        told = []
        for request in requests:
            decision = self._evaluate_item(request, call)
            told.append(decision)
            # The list ends with whatever ended it; what follows is not asked.
            if semantic == DENY_ON_FIRST_DENY and not decision["decision"]:
                break
            if semantic == PERMIT_ON_FIRST_PERMIT and decision["decision"]:
                break
        return told

    def _evaluate_item(self, request: JsonObject | None, call: HttpCall) -> dict[str, Any]:
        if request is None:
            return tell_item_fault(HTTPStatus.BAD_REQUEST, "must be an object")
        try:
            return self._evaluate(request, call)
        except NotReadyError:
            raise  # concerns all of them
        except Exception as problem:  # noqa: BLE001  # told there, logged if it is a bug
            if isinstance(problem, NotPermittedError):
                call.note_refusal(problem)
            fault = fault_of(problem, "evaluations")
            return tell_item_fault(fault.status, fault.message)


def _with_defaults(defaults: JsonObject, item: object) -> JsonObject | None:
    return {**defaults, **item} if isinstance(item, dict) else None


def _semantic(request: JsonObject) -> str:
    options = request.get("options")
    if options is None:
        return EXECUTE_ALL
    if not isinstance(options, dict):
        raise _bad("options: must be an object")
    semantic = options.get("evaluations_semantic", EXECUTE_ALL)
    if semantic not in _SEMANTICS:
        raise _bad("options.evaluations_semantic: is not one that is defined")
    return str(semantic)


def _request(call: HttpCall) -> JsonObject:
    media_type = call.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != JSON_TYPE:
        raise _bad("the content type must be application/json")
    try:
        return parse_object(call.body)
    except BadJsonError as problem:
        raise _bad(str(problem)) from None


def _bad(message: str) -> HttpFault:
    return HttpFault(HTTPStatus.BAD_REQUEST, message)


def _json(told: dict[str, Any]) -> HttpAnswer:
    return HttpAnswer(body=json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode())
