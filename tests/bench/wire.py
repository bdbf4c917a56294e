"""Raw calls over a real socket, with a window of calls in flight."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence

import grpc

from tests.bench.measure import process_cpu_ns

METHOD = "/consentry.v1.AuthorizationService/"


class Caller:
    """One channel to one server process; measures what the calls cost that process."""

    def __init__(self, target: str, pid: int) -> None:
        self._channel = grpc.insecure_channel(target)
        self._pid = pid
        grpc.channel_ready_future(self._channel).result(timeout=20)

    def call(self, method: str, body: bytes) -> bytes:
        """One call; its answer's bytes."""
        answer: bytes = self._channel.unary_unary(METHOD + method)(body, timeout=20)
        return answer

    def server_us_per_call(
        self, bodies: Sequence[bytes], *, method: str = "Check", in_flight: int = 16
    ) -> float:
        """Server CPU microseconds per call over all `bodies`, `in_flight` at a time."""
        start = self._channel.unary_unary(METHOD + method).future
        before = process_cpu_ns(self._pid)
        window: deque[grpc.Future] = deque()
        for body in bodies:
            if len(window) == in_flight:
                window.popleft().result()
            window.append(start(body, timeout=30))
        for pending in window:
            pending.result()
        return (process_cpu_ns(self._pid) - before) / 1000 / len(bodies)

    def server_us_per_message(self, bodies: Sequence[bytes], *, in_flight: int = 16) -> float:
        """Server CPU microseconds per message of one CheckStream, `in_flight` ahead of answers."""
        room = threading.Semaphore(in_flight)

        def questions() -> Iterator[bytes]:
            for body in bodies:
                room.acquire()
                yield body

        before = process_cpu_ns(self._pid)
        answered = 0
        for _ in self._channel.stream_stream(METHOD + "CheckStream")(questions(), timeout=120):
            answered += 1
            room.release()
        if answered != len(bodies):
            raise ValueError(f"{answered} answers to {len(bodies)} questions")
        return (process_cpu_ns(self._pid) - before) / 1000 / len(bodies)

    def close(self) -> None:
        """Closes the channel."""
        self._channel.close()


def fresh_numbers() -> Iterator[int]:
    """Numbers that never repeat in one run."""
    number = 0
    while True:
        number += 1
        yield number
