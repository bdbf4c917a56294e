"""Checks before the handlers of a gRPC server run.

    class Customers(customers_pb2_grpc.CustomersServicer):
        @requires(principal=CRM, action="read", data="customer.contact.email",
                  data_subject="customer_id", purpose="support")
        def GetEmail(self, request, context): ...

    server = grpc.server(pool, interceptors=[ServerInterceptor(Client(...))])

A method that says neither `requires` nor `unchecked` is refused: what nobody thought of must not
run. Health and reflection are let through.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, Final

import grpc
import grpc.aio

from consentry.client.aio import AsyncClient
from consentry.client.apply import apply
from consentry.client.client import Client
from consentry.client.decision import Decision
from consentry.client.requirement import (
    NoRequirementError,
    Requirement,
    current_decision,
    find_requirement,
    requires,
    running_under,
    unchecked,
)

__all__ = ["AsyncServerInterceptor", "ServerInterceptor", "current_decision", "requires",
           "unchecked"]  # fmt: skip

OPEN_TO_ALL: Final = ("/grpc.health.v1.", "/grpc.reflection.")
_KINDS: Final = {
    (False, False): ("unary_unary", grpc.unary_unary_rpc_method_handler),
    (False, True): ("unary_stream", grpc.unary_stream_rpc_method_handler),
    (True, False): ("stream_unary", grpc.stream_unary_rpc_method_handler),
    (True, True): ("stream_stream", grpc.stream_stream_rpc_method_handler),
}


def _refusal(decision: Decision) -> tuple[grpc.StatusCode, str]:
    if decision.is_answered:
        return grpc.StatusCode.PERMISSION_DENIED, f"denied: {decision.reason}"
    return grpc.StatusCode.UNAVAILABLE, "no decision could be had"


def _masked(requirement: Requirement, decision: Decision, answer: Any) -> Any:
    return apply(decision, answer) if requirement.is_masked else answer


def _rebuilt(handler: Any, wrap: Callable[[Any, Any], Any]) -> Any:
    """The handler of a method with its behaviour wrapped; one that needs nothing stays as it is."""
    name, make = _KINDS[bool(handler.request_streaming), bool(handler.response_streaming)]
    behaviour = getattr(handler, name)
    try:
        requirement = find_requirement(behaviour)
    except NoRequirementError:
        requirement = None
        wrapped = wrap(behaviour, None)
    else:
        if requirement is None:
            return handler
        wrapped = wrap(behaviour, requirement)
    return make(wrapped, handler.request_deserializer, handler.response_serializer)


_NOTHING_SAID: Final = (
    grpc.StatusCode.PERMISSION_DENIED,
    "denied: this method does not say what it needs",
)
_NOBODY: Final = (grpc.StatusCode.INVALID_ARGUMENT, "the request does not say whose data it means")


def _question(requirement: Requirement, request: Any, context: Any) -> Any:
    """The parts of the question, None where the request does not tell them."""
    try:
        return requirement.question(request, context, getattr)
    except Exception:  # noqa: BLE001  # whatever it is, there is no question and so no permission
        return None


class ServerInterceptor(grpc.ServerInterceptor):
    """For a synchronous server. A request stream is judged by its first message."""

    def __init__(self, client: Client, *, open_to_all: tuple[str, ...] = OPEN_TO_ALL) -> None:
        """Methods whose full name begins with one of `open_to_all` run without a question."""
        self._client = client
        self._open_to_all = open_to_all

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Any],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """The handler with the check before it."""
        handler = continuation(handler_call_details)
        if handler is None or handler_call_details.method.startswith(self._open_to_all):
            return handler
        many_in, many_out = handler.request_streaming, handler.response_streaming

        def wrap(behaviour: Any, requirement: Requirement | None) -> Any:
            def one(request: Any, context: grpc.ServicerContext) -> Any:
                request, decision = self._admit(request, context, requirement, many_in=many_in)
                assert requirement is not None  # `_admit` aborts without
                with running_under(decision):
                    answer = behaviour(request, context)
                return _masked(requirement, decision, answer)

            def many(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
                request, decision = self._admit(request, context, requirement, many_in=many_in)
                assert requirement is not None  # `_admit` aborts without
                answers = iter(behaviour(request, context))
                while True:
                    # For each step, since the thread does other things in between.
                    with running_under(decision):
                        answer = next(answers, None)
                    if answer is None:
                        return
                    yield _masked(requirement, decision, answer)

            return many if many_out else one

        return _rebuilt(handler, wrap)

    def _admit(
        self,
        request: Any,
        context: grpc.ServicerContext,
        requirement: Requirement | None,
        *,
        many_in: bool,
    ) -> tuple[Any, Decision]:
        """The request to go on with and its permission; else the call is aborted."""
        if requirement is None:
            context.abort(*_NOTHING_SAID)
        first = request
        if many_in:
            first = next(request, None)
            request = _chained(first, request)
        asked = _question(requirement, first, context)
        if asked is None:
            context.abort(*_NOBODY)
        decision = self._client.check(**asked)
        if not decision:
            context.abort(*_refusal(decision))
        return request, decision


def _chained(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    if first is not None:
        yield first
        yield from rest


class AsyncServerInterceptor(grpc.aio.ServerInterceptor):
    """For a server of grpc.aio, whose handlers are coroutines or asynchronous generators."""

    def __init__(self, client: AsyncClient, *, open_to_all: tuple[str, ...] = OPEN_TO_ALL) -> None:
        """See `ServerInterceptor`."""
        self._client = client
        self._open_to_all = open_to_all

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """The handler with the check before it."""
        handler = await continuation(handler_call_details)
        if handler is None or handler_call_details.method.startswith(self._open_to_all):
            return handler
        many_in, many_out = handler.request_streaming, handler.response_streaming

        def wrap(behaviour: Any, requirement: Requirement | None) -> Any:
            async def one(request: Any, context: Any) -> Any:
                request, decision = await self._admit(
                    request, context, requirement, many_in=many_in
                )
                assert requirement is not None  # `_admit` aborts without
                with running_under(decision):
                    answer = await behaviour(request, context)
                return _masked(requirement, decision, answer)

            async def many(request: Any, context: Any) -> AsyncIterator[Any]:
                request, decision = await self._admit(
                    request, context, requirement, many_in=many_in
                )
                assert requirement is not None  # `_admit` aborts without
                answers = aiter(behaviour(request, context))
                while True:
                    with running_under(decision):
                        answer = await anext(answers, None)
                    if answer is None:
                        return
                    yield _masked(requirement, decision, answer)

            return many if many_out else one

        return _rebuilt(handler, wrap)

    async def _admit(
        self, request: Any, context: Any, requirement: Requirement | None, *, many_in: bool
    ) -> tuple[Any, Decision]:
        """See `ServerInterceptor._admit`."""
        if requirement is None:
            await context.abort(*_NOTHING_SAID)
        assert requirement is not None  # abort always raises
        first = request
        if many_in:
            first = await anext(request, None)
            request = _chained_async(first, request)
        asked = _question(requirement, first, context)
        if asked is None:
            await context.abort(*_NOBODY)
        decision = await self._client.check(**asked)
        if not decision:
            await context.abort(*_refusal(decision))
        return request, decision


async def _chained_async(first: Any, rest: AsyncIterator[Any]) -> AsyncIterator[Any]:
    if first is not None:
        yield first
        async for message in rest:
            yield message
