"""Calls as spans: wraps the methods of a sidecar that traces, and touches no other."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import grpc

from consentry.server.calls import GrpcBehaviour
from consentry.server.streams import GrpcStream

_HEADERS = ("traceparent", "tracestate")


class CallTracer(Protocol):
    """Begins and ends the spans of calls, each on the thread that answers it."""

    def begin(self, service: str, method: str, carrier: Mapping[str, str]) -> None:
        """A call begins; `carrier` has what the caller says of its own span."""
        ...

    def end(self, code: str, number: int) -> None:
        """It ended with this gRPC code."""
        ...


def traced(method: str, behaviour: GrpcBehaviour, tracer: CallTracer) -> GrpcBehaviour:
    """A method with one answer, as a span."""
    _, service, name = method.split("/")

    @functools.wraps(behaviour)
    def with_span(raw: bytes, context: grpc.ServicerContext) -> bytes:
        tracer.begin(service, name, _carrier(context))
        code = grpc.StatusCode.OK
        try:
            return behaviour(raw, context)
        except BaseException:
            code = _code_of(context)
            raise
        finally:
            tracer.end(code.name, code.value[0])

    return with_span


def traced_stream(method: str, behaviour: GrpcStream, tracer: CallTracer) -> GrpcStream:
    """A method that stays open, as a span from its first to its last message."""
    _, service, name = method.split("/")

    @functools.wraps(behaviour)
    def with_span(request: Any, context: grpc.ServicerContext) -> Iterator[bytes]:
        tracer.begin(service, name, _carrier(context))
        code = grpc.StatusCode.CANCELLED
        try:
            yield from behaviour(request, context)
            code = grpc.StatusCode.OK
        except GeneratorExit:
            raise
        except BaseException:
            code = _code_of(context)
            raise
        finally:
            tracer.end(code.name, code.value[0])

    return with_span


def _carrier(context: grpc.ServicerContext) -> dict[str, str]:
    return {
        key: value
        for key, value in context.invocation_metadata() or ()
        if key in _HEADERS and isinstance(value, str)
    }


def _code_of(context: Any) -> grpc.StatusCode:
    code = context.code()
    return code if isinstance(code, grpc.StatusCode) else grpc.StatusCode.UNKNOWN
