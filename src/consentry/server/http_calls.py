"""Calls over HTTP that ask or record: bounded, known callers only, and never on the event loop.

They enter the same pools as calls over gRPC and are refused at once where those are full.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final, Protocol, TypeVar

from google.rpc import code_pb2, status_pb2
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from consentry.server.callers import (
    ANYBODY,
    Caller,
    NotAuthenticatedError,
    NotPermittedError,
    Right,
)
from consentry.server.calls import REQUEST_ID, request_name
from consentry.server.errors import TooManyCallsError, status_of
from consentry.server.gate import Gate
from consentry.server.json_answers import JSON_TYPE
from consentry.server.methods import Pools
from consentry.server.pools import CallPool
from consentry.telemetry.metrics import Metrics

ORIGIN: Final = "origin"

_Result = TypeVar("_Result")

_STATUSES: Final = {
    code_pb2.INVALID_ARGUMENT: HTTPStatus.BAD_REQUEST,
    code_pb2.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    code_pb2.PERMISSION_DENIED: HTTPStatus.FORBIDDEN,
    code_pb2.NOT_FOUND: HTTPStatus.NOT_FOUND,
    code_pb2.ALREADY_EXISTS: HTTPStatus.CONFLICT,
    code_pb2.FAILED_PRECONDITION: HTTPStatus.CONFLICT,
    code_pb2.RESOURCE_EXHAUSTED: HTTPStatus.TOO_MANY_REQUESTS,
    code_pb2.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    code_pb2.DATA_LOSS: HTTPStatus.SERVICE_UNAVAILABLE,
}
_HEADERS: Final = {
    HTTPStatus.UNAUTHORIZED: {"www-authenticate": "Bearer"},
    HTTPStatus.TOO_MANY_REQUESTS: {"retry-after": "1"},
    HTTPStatus.SERVICE_UNAVAILABLE: {"retry-after": "1"},
}


class HttpFault(Exception):  # noqa: N818 (nothing of ours went wrong)
    """What the caller is told in place of an answer; the message repeats no input."""

    def __init__(
        self, status: HTTPStatus, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status: Final = status
        self.message: Final = message
        self.headers: Final = dict(_HEADERS.get(status, {})) | dict(headers or {})


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpCall:
    """One call: its body, who makes it, and its name for the call (empty where it cannot stand in a
    log). `note_refusal` is told of what its caller may not ask, where that does not end the call.
    """

    body: bytes
    headers: Mapping[str, str]
    query: Mapping[str, str]
    caller: Caller
    correlation_id: str = ""
    note_refusal: Callable[[NotPermittedError], None] = lambda _: None


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """What goes back."""

    body: bytes
    status: HTTPStatus = HTTPStatus.OK
    media_type: str = JSON_TYPE
    headers: Mapping[str, str] = field(default_factory=dict)


HttpBehaviour = Callable[[HttpCall], HttpAnswer]


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpMethod:
    """One path that is called: `name` for metrics, what it asks for of the caller (None: its own
    proof, such as a signature), what it does in a thread of its class, and how a fault is told.
    """

    path: str
    name: str
    behaviour: HttpBehaviour
    tell_fault: Callable[[HttpFault], HttpAnswer]
    right: Right | None
    max_body_bytes: int
    may_wait: bool = False


class HttpService(Protocol):
    """Some paths of the HTTP port that are called."""

    def methods(self) -> tuple[HttpMethod, ...]:
        """All of them."""
        ...

    def routes(self) -> tuple[Route, ...]:
        """Pages beside them that ask nobody who they are."""
        ...


class HttpCalls:
    """Makes routes of methods. Used by the event loop of the HTTP port."""

    def __init__(self, pools: Pools, gate: Gate, metrics: Metrics) -> None:
        self._pools: Final = pools
        self._gate: Final = gate
        self._metrics: Final = metrics

    def route(self, method: HttpMethod) -> Route:
        """The route of a method; POST only."""

        async def serve(request: Request) -> Response:
            try:
                answer = await self._answer(method, request)
            except ClientDisconnect:
                return Response(status_code=HTTPStatus.BAD_REQUEST)  # nobody reads it
            except Exception as problem:  # noqa: BLE001  # told, and logged if it is a bug
                answer = method.tell_fault(fault_of(problem, method.path))
            self._metrics.http_calls.cell(method.name, str(answer.status.value)).add()
            headers = {"cache-control": "no-store", **answer.headers}
            if REQUEST_ID in request.headers:
                headers[REQUEST_ID] = request.headers[REQUEST_ID]
            return Response(
                answer.body, answer.status, headers=headers, media_type=answer.media_type
            )

        return Route(method.path, serve, methods=["POST"])

    async def _answer(self, method: HttpMethod, request: Request) -> HttpAnswer:
        caller = self._enter(method, request)
        body = await read_body(request, method.max_body_bytes)
        call = HttpCall(
            body=body,
            headers=request.headers,
            query=request.query_params,
            caller=caller,
            correlation_id=request_name(request.headers),
            note_refusal=self._gate.note_refusal,
        )
        pool = self._pools.wait if method.may_wait else self._pools.check
        try:
            return await run_in(pool, lambda: method.behaviour(call))
        except NotPermittedError as problem:
            self._gate.note_refusal(problem)
            raise
        except TooManyCallsError:
            self._metrics.refused.cell(pool.name).add()
            raise

    def _enter(self, method: HttpMethod, request: Request) -> Caller:
        if ORIGIN in request.headers:
            # Browsers say where a page is from. Where everybody on this machine may call, a page
            # that somebody looks at there must not: whatever name it made lead here.
            raise HttpFault(HTTPStatus.FORBIDDEN, "pages in a browser may not call this")
        if method.right is None:
            return ANYBODY
        try:
            # Several headers of this name prove nothing: none of them is the one.
            sent = request.headers.getlist("authorization")
            caller = self._gate.callers.of_headers(sent[0] if len(sent) == 1 else None)
        except NotAuthenticatedError as problem:
            self._gate.note(problem.cause, "", method.path)
            raise
        try:
            caller.require(method.right)
        except NotPermittedError as problem:
            self._gate.note(problem.cause, caller.name, method.path)
            raise
        return caller


async def read_body(request: Request, max_bytes: int) -> bytes:
    """The whole body.

    Raises:
        HttpFault: it is larger than `max_bytes`.
    """
    too_large = HttpFault(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is larger than {max_bytes} bytes"
    )
    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and len(length) < 19 and int(length) > max_bytes:
        raise too_large
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > max_bytes:
            raise too_large
        parts.append(part)
    return b"".join(parts)


def run_in(pool: CallPool, run: Callable[[], _Result]) -> Awaitable[_Result]:
    """The result of `run`, made by a thread of `pool`; the loop goes on meanwhile.

    Raises:
        TooManyCallsError: the pool is full.
    """
    if pool.is_full:
        raise TooManyCallsError(pool.name)
    loop = asyncio.get_running_loop()
    done: asyncio.Future[_Result] = loop.create_future()

    def tell(settle: Callable[[], None]) -> None:
        def unless_settled() -> None:
            if not done.done():
                settle()

        with suppress(RuntimeError):  # the loop is gone, and with it who asked
            loop.call_soon_threadsafe(unless_settled)

    def work() -> None:
        try:
            result = run()
        except Exception as problem:  # noqa: BLE001  # raised again where it is awaited
            caught = problem
            tell(lambda: done.set_exception(caught))
        else:
            tell(lambda: done.set_result(result))

    try:
        call = pool.submit(work)
    except RuntimeError:
        raise TooManyCallsError(pool.name) from None
    # A pool that is closed drops what waits: then nobody else tells.
    leaving = HttpFault(HTTPStatus.SERVICE_UNAVAILABLE, "the sidecar leaves")
    call.add_done_callback(lambda _: tell(lambda: done.set_exception(leaving)))
    return done


def fault_of(problem: Exception, method: str) -> HttpFault:
    """What the caller is told of an error; a bug is logged and told by its id only."""
    if isinstance(problem, HttpFault):
        return problem
    status = status_of(problem, method)
    return HttpFault(status_code(status), status.message)


def status_code(status: status_pb2.Status) -> HTTPStatus:
    """The HTTP status that says the same."""
    return _STATUSES.get(status.code, HTTPStatus.INTERNAL_SERVER_ERROR)
