"""One guard around every method: decoding, deadline, errors, counting; nothing else reaches grpcio.

A behaviour is `(request, call) -> answer`: it raises what it likes, and never sees grpcio. Methods
take and give bytes here; grpcio itself would answer malformed bytes with INTERNAL, unseen by us.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import status_pb2

from consentry.model.request import RequestError
from consentry.server.callers import ANYBODY, Caller, NotPermittedError
from consentry.server.errors import DeadlineError, grpc_status, status_of
from consentry.server.faults import malformed, violation
from consentry.server.text_checks import find_text_fault
from consentry.telemetry.metrics import Metrics

CORRELATION_ID: Final = "correlation-id"
REQUEST_ID: Final = "x-request-id"
AT_LEAST: Final = "consentry-at-least"
_MAX_CORRELATION_ID: Final = 128
_MAX_POSITION: Final = 2**63 - 1

CODE_NAMES: Final = {code.value[0]: code.name for code in grpc.StatusCode}


@dataclass(frozen=True, slots=True)
class Call:
    """What a caller said beside the request.

    `correlation_id` is its name for the call, `at_least` the ledger position that the answer must
    include, `remaining_s` how long it waits for it (told with a position only). `caller` is who was
    proven to call.
    """

    correlation_id: str = ""
    at_least: int = 0
    remaining_s: float = math.inf
    caller: Caller = ANYBODY


NO_CALL: Final = Call()

RawBehaviour: TypeAlias = Callable[[bytes, Call], bytes]
GrpcBehaviour: TypeAlias = Callable[[bytes, grpc.ServicerContext], bytes]
Enter: TypeAlias = Callable[[object, grpc.ServicerContext], Caller]
"""(metadata, context) -> who calls one method; raises where they are unknown or may not."""

_Question = TypeVar("_Question", bound=Message)


class Guard(Protocol):
    """Wraps a behaviour for one method."""

    def __call__(
        self, method: str, behaviour: RawBehaviour, enter: Enter | None = None
    ) -> GrpcBehaviour:
        """The behaviour as grpcio may call it: it answers or aborts, and raises nothing else."""
        ...


def typed(
    question: type[_Question], behaviour: Callable[[_Question, Call], Message]
) -> RawBehaviour:
    """A behaviour on messages as one on bytes; malformed bytes are a request error."""

    @functools.wraps(behaviour)
    def on_bytes(raw: bytes, call: Call) -> bytes:
        try:
            message = question.FromString(raw)
        except DecodeError:
            raise malformed() from None
        return behaviour(message, call).SerializeToString()

    return on_bytes


def read_call(metadata: object, remaining_s: float | None = None, caller: Caller = ANYBODY) -> Call:
    """What the call's metadata say to us; everything else in them is ignored.

    Raises:
        RequestError: a value of ours is malformed.
    """
    correlation_id, at_least = "", 0
    for key, value in metadata or ():  # type: ignore[attr-defined]
        if key == CORRELATION_ID:
            correlation_id = check_correlation_id(value, CORRELATION_ID)
        elif key == AT_LEAST:
            if not (value.isascii() and value.isdigit()) or len(value) > 19:
                raise RequestError(violation(AT_LEAST, "bad_position"))
            at_least = int(value)
            if at_least > _MAX_POSITION:
                raise RequestError(violation(AT_LEAST, "bad_position"))
    if not correlation_id and not at_least and caller is ANYBODY:
        return NO_CALL
    return Call(correlation_id, at_least, math.inf if remaining_s is None else remaining_s, caller)


def check_correlation_id(value: str, field: str) -> str:
    """`value` itself.

    Raises:
        RequestError: it is too long or holds something that must not stand in a log line.
    """
    if value and (code := find_text_fault(value, _MAX_CORRELATION_ID)) is not None:
        raise RequestError(violation(field, code))
    return value


def request_name(headers: Mapping[str, str]) -> str:
    """The name that an HTTP request has for itself, so that its log and the decision log can be
    laid together; empty where it has none, or one that must not stand in a log line.
    """
    name = headers.get(REQUEST_ID, "")
    return "" if find_text_fault(name, _MAX_CORRELATION_ID) else name


def build_guard(
    metrics: Metrics, note_refusal: Callable[[NotPermittedError], None] = lambda _: None
) -> Guard:
    """The guard that counts in `metrics`; `note_refusal` is told what a behaviour refuses."""

    def guard(method: str, behaviour: RawBehaviour, enter: Enter | None = None) -> GrpcBehaviour:
        _, service, name = method.split("/")
        labels = ("unary", service, name)
        started = metrics.grpc_started.cell(*labels)
        handled_ok = metrics.grpc_handled.cell(*labels, "OK")
        seconds = metrics.grpc_handling_seconds.histogram(*labels)

        def inside(raw: bytes, call: Call) -> bytes:
            try:
                return behaviour(raw, call)
            except NotPermittedError as problem:
                note_refusal(problem)
                raise

        @functools.wraps(behaviour)
        def guarded(raw: bytes, context: grpc.ServicerContext) -> bytes:
            begin = time.perf_counter()
            started.add()
            status: status_pb2.Status
            try:
                # Without a deadline this is infinite or None. Nothing is evaluated for a caller
                # who is no longer listening.
                remaining_s = context.time_remaining()
                if remaining_s == 0:
                    raise DeadlineError  # noqa: TRY301  # one way out for all errors
                metadata = context.invocation_metadata()
                caller = ANYBODY if enter is None else enter(metadata, context)
                call = read_call(metadata, remaining_s, caller)
                answer = behaviour(raw, call) if enter is None else inside(raw, call)
            except BaseException as problem:  # noqa: BLE001  # else grpcio sends its text out
                status = status_of(problem, method)
            else:
                handled_ok.add()
                seconds.observe(time.perf_counter() - begin)
                return answer
            metrics.grpc_handled.cell(*labels, CODE_NAMES[status.code]).add()
            seconds.observe(time.perf_counter() - begin)
            context.abort_with_status(grpc_status(status))
            raise AssertionError  # pragma: no cover  # abort always raises

        return guarded

    return guard
