"""Questions asked ahead over one call, and answers in their order."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import grpc

from consentry.client.calls import Asked, read_stream_answer, stream_bytes
from consentry.client.decision import Decision, denied
from consentry.client.errors import ConsentryError
from consentry.client.metrics import ClientMetrics
from consentry.client.transport import Retry

BROKEN: Final = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED})
"""How a sidecar that leaves ends a stream: another one may be opened."""


class _Stream:
    """One CheckStream under way, which is cancelled where an answer takes too long to come."""

    def __init__(self, method: Callable[..., Any], timeout_s: float) -> None:
        self._asked: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._timeout_s = timeout_s
        self._call: Any = method(iter(self._asked.get, None))
        # The end of the wait for the next answer; None while none is waited for.
        self._end_s: float | None = None
        self.is_late = False
        self._is_over = threading.Event()
        threading.Thread(target=self._guard, name="consentry-stream", daemon=True).start()

    def ask(self, raw: bytes) -> None:
        self._asked.put(raw)

    def answer(self) -> bytes:
        self._end_s = time.monotonic() + self._timeout_s
        try:
            answer: bytes = next(self._call)
            return answer
        finally:
            self._end_s = None

    def end(self) -> None:
        self._is_over.set()
        self._asked.put(None)
        self._call.cancel()

    def _guard(self) -> None:
        # A call of many messages has no deadline for each: this thread looks at the clock for it.
        while not self._is_over.wait(self._timeout_s / 4):
            end_s = self._end_s
            if end_s is not None and time.monotonic() > end_s:
                self.is_late = True
                self._call.cancel()
                return


class Streaming:
    """One `Client.stream`: opens calls as needed, and denies once that does not help."""

    def __init__(
        self,
        method: Callable[..., Any],
        *,
        window: int,
        timeout_s: float,
        raises: bool,
        retry: Retry,
        metrics: ClientMetrics,
    ) -> None:
        if window < 1:
            raise ValueError("window: at least 1")
        self._method = method
        self._window = window
        self._timeout_s = timeout_s
        self._raises = raises
        self._retry = retry
        self._metrics = metrics
        self._unanswered: deque[tuple[bytes, str]] = deque()

    def run(self, questions: Iterable[Asked]) -> Iterator[Decision]:
        """The answers."""
        source = iter(questions)
        stream: _Stream | None = None
        failure: ConsentryError | None = None
        began_s, code = time.monotonic(), "OK"
        try:
            while True:
                self._read_ahead(source, stream)
                if not self._unanswered:
                    return
                if failure is None:
                    stream, raw, failure = self._next(stream)
                if failure is not None:
                    code = failure.code.name if failure.code is not None else "INTERNAL"
                    if self._raises:
                        raise failure
                    _, name = self._unanswered.popleft()
                    yield denied(str(failure), name)
                else:
                    self._unanswered.popleft()
                    yield read_stream_answer(raw)
        finally:
            if stream is not None:
                stream.end()
            self._metrics.called("CheckStream", code, time.monotonic() - began_s)

    def _read_ahead(self, source: Iterator[Asked], stream: _Stream | None) -> None:
        while len(self._unanswered) < self._window:
            asked = next(source, None)
            if asked is None:
                return
            raw = stream_bytes(asked)
            self._unanswered.append((raw, getattr(asked, "correlation_id", "")))
            if stream is not None:
                stream.ask(raw)

    def _next(self, stream: _Stream | None) -> tuple[_Stream | None, bytes, ConsentryError | None]:
        """The next answer, over another stream if need be."""
        attempt = 0
        while True:
            attempt += 1
            try:
                if stream is None:
                    stream = self._open()
                return stream, stream.answer(), None
            except StopIteration:
                code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE
                text = "the stream ended"
            except grpc.RpcError as problem:
                is_late = stream is not None and stream.is_late
                code = grpc.StatusCode.DEADLINE_EXCEEDED if is_late else problem.code()
                text = problem.details() or ""
            except ValueError as problem:  # grpcio's word for a closed channel
                return None, b"", ConsentryError(str(problem))
            if stream is not None:
                stream.end()
                stream = None
            known = grpc.StatusCode.UNAVAILABLE if code in BROKEN else code
            wait_s = self._retry.wait_s(attempt, known)
            if wait_s is None:
                return None, b"", ConsentryError(f"{code.name}: {text}", code)
            self._metrics.retried("CheckStream")
            time.sleep(wait_s)

    def _open(self) -> _Stream:
        stream = _Stream(self._method, self._timeout_s)
        for raw, _ in self._unanswered:
            stream.ask(raw)
        return stream
