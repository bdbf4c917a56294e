"""Calls that stay open: the guard around them, and how they end when the sidecar leaves.

A stream runs on one thread of the stream pool from its first to its last message. grpcio takes one
message at a time from a caller and gives one at a time, so a caller who does not read stops that
thread and no other, and what a caller sends ahead waits in its own connection's window.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol, TypeAlias

import grpc

from consentry.server.callers import ANYBODY, Caller
from consentry.server.calls import CODE_NAMES, Call, Enter, read_call
from consentry.server.errors import DeadlineError, grpc_status, status_of
from consentry.telemetry.metrics import Metrics

BIDI_STREAM: Final = "bidi_stream"
SERVER_STREAM: Final = "server_stream"
HANDLER_MAKERS: Final = {
    BIDI_STREAM: grpc.stream_stream_rpc_method_handler,
    SERVER_STREAM: grpc.unary_stream_rpc_method_handler,
}

# A stream that has owed nothing for so long is in a pause of its caller.
_QUIET_S: Final = 0.05
# After this much of the grace, a stream need not pause to be ended between two messages.
_PATIENCE_S: Final = 1.0
_LOOK_S: Final = 0.02


class OpenStream:
    """One stream under way.

    Its own thread reads and writes; `leave` may come from any thread.
    """

    __slots__ = (
        "_context", "_on_leave", "call", "idle_since_s", "is_leaving", "sending_since_s",
    )  # fmt: skip

    def __init__(self, context: grpc.ServicerContext, call: Call) -> None:
        self.call: Final = call
        self.idle_since_s: float | None = None
        """Since when it waits for its caller and owes no answer; None while it does."""
        self.sending_since_s: float | None = None
        """Since when an answer is on its way to a caller who must make room for it first."""
        self.is_leaving = False
        self._context: Final = context
        self._on_leave: Callable[[], None] | None = None

    def owe_nothing(self, on_leave: Callable[[], None]) -> None:
        """Say that this stream may end at any time; it is told by `on_leave`, from any thread.

        `on_leave` is also called when the caller goes away.
        """
        self._on_leave = on_leave
        if not self._context.add_callback(on_leave) or self.is_leaving:
            on_leave()

    def wait(self) -> None:
        """Say that it waits for its caller, and owes nothing until `idle_since_s` is None again."""
        self.idle_since_s = time.monotonic()

    def cut_slow_reader(self, limit_s: float) -> bool:
        """End the stream if its caller has made no room for an answer in `limit_s`; whether so."""
        since_s = self.sending_since_s
        if since_s is None or time.monotonic() - since_s < limit_s:
            return False
        self._context.cancel()
        return True

    def leave(self, quiet_s: float) -> None:
        """End the stream if it owes no answer, and has not for `quiet_s`."""
        self.is_leaving = True
        if self._on_leave is not None:
            self._on_leave()
            return
        since_s = self.idle_since_s
        if since_s is not None and time.monotonic() - since_s >= quiet_s:
            # What may arrive in this moment is told CANCELLED to its caller, who asks elsewhere.
            self._context.cancel()


class OpenStreams:
    """All streams of a sidecar. `_lock` guards the set; nothing else is done while it is held."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._streams: set[OpenStream] = set()
        self._is_leaving = False

    def add(self, stream: OpenStream) -> None:
        """Count a stream in; one that comes while the sidecar leaves knows it."""
        with self._lock:
            self._streams.add(stream)
            stream.is_leaving = self._is_leaving

    def discard(self, stream: OpenStream) -> None:
        """Count it out."""
        with self._lock:
            self._streams.discard(stream)

    def cut_slow_readers(self, limit_s: float) -> int:
        """End each stream whose caller has made no room for an answer in `limit_s`; how many."""
        with self._lock:
            streams = tuple(self._streams)
        return sum(stream.cut_slow_reader(limit_s) for stream in streams)

    def __len__(self) -> int:
        return len(self._streams)

    def end(self, is_over: threading.Event, limit_s: float) -> None:
        """End streams as soon as they owe no answer, until `is_over` or `limit_s` have passed.

        A caller in the middle of a row of questions is waited for: at first until it pauses, later
        until the moment between an answer and the next question.
        """
        began_s = time.monotonic()
        with self._lock:
            self._is_leaving = True
        while True:
            spent_s = time.monotonic() - began_s
            with self._lock:
                streams = tuple(self._streams)
            for stream in streams:
                stream.leave(_QUIET_S if spent_s < _PATIENCE_S else 0.0)
            if spent_s >= limit_s or is_over.wait(_LOOK_S):
                return


StreamBehaviour: TypeAlias = Callable[[Any, OpenStream], Iterator[bytes]]
"""(the request's bytes, or an iterator over them; the stream) -> answers, as bytes."""


class StreamService(Protocol):
    """Some methods that stay open."""

    def streams(self) -> dict[str, StreamBehaviour]:
        """By full method name."""
        ...


GrpcStream: TypeAlias = Callable[[Any, grpc.ServicerContext], Iterator[bytes]]
WhileProven: TypeAlias = Callable[[Iterator[bytes], Caller], Iterator[bytes]]


class StreamGuard(Protocol):
    """Wraps the behaviour of one method that stays open."""

    def __call__(
        self, kind: str, method: str, behaviour: StreamBehaviour, enter: Enter | None = None
    ) -> GrpcStream:
        """The behaviour as grpcio may call it."""
        ...


def build_stream_guard(
    metrics: Metrics, streams: OpenStreams, while_proven: WhileProven
) -> StreamGuard:
    """The guard of calls that stay open: as `calls.build_guard`, and it counts them in `streams`.

    A behaviour that raises ends the stream with the error's status; one whose caller is gone ends
    quietly. `while_proven` passes on what a stream answers for as long as what its caller proved
    holds.
    """

    def guard(
        kind: str, method: str, behaviour: StreamBehaviour, enter: Enter | None = None
    ) -> GrpcStream:
        _, service, name = method.split("/")
        labels = (kind, service, name)
        started = metrics.grpc_started.cell(*labels)
        seconds = metrics.grpc_handling_seconds.histogram(*labels)

        @functools.wraps(behaviour)
        def guarded(request: Any, context: grpc.ServicerContext) -> Iterator[bytes]:
            begin = time.perf_counter()
            started.add()
            code, stream = "CANCELLED", None
            try:
                if context.time_remaining() == 0:
                    raise DeadlineError  # noqa: TRY301  # one way out for all errors
                metadata = context.invocation_metadata()
                caller = ANYBODY if enter is None else enter(metadata, context)
                stream = OpenStream(context, read_call(metadata, caller=caller))
                streams.add(stream)
                answers = behaviour(request, stream)
                if caller.until_us is not None:
                    answers = while_proven(answers, caller)
                for answer in answers:
                    stream.sending_since_s = time.monotonic()
                    yield answer
                    stream.sending_since_s = None
                code = "OK"
            except GeneratorExit:  # grpcio lets go of us: the caller is gone
                raise
            except BaseException as problem:  # noqa: BLE001  # else grpcio sends its text out
                if context.is_active():
                    status = status_of(problem, method)
                    code = CODE_NAMES[status.code]
                    context.abort_with_status(grpc_status(status))
            finally:
                if stream is not None:
                    streams.discard(stream)
                metrics.grpc_handled.cell(*labels, code).add()
                seconds.observe(time.perf_counter() - begin)

        return guarded

    return guard
