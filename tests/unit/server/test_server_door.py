"""Admission, pools and the guard, without a network."""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from grpc import _server as grpcio_server

from consentry.server.addresses import parse_host_port
from consentry.server.calls import NO_CALL, Call, build_guard, read_call, typed
from consentry.server.door import Door, Entry, bounded
from consentry.server.page_tokens import PageTokens
from consentry.server.pools import POOL_ATTRIBUTE, CallPool
from consentry.telemetry.metrics import Metrics
from consentry.v1 import policy_pb2

METHOD = "/consentry.v1.AuthorizationService/Check"


class AbortedError(Exception):
    """How the fake context leaves."""


class FakeContext:
    def __init__(self, *, remaining: float = math.inf, metadata: tuple[Any, ...] = ()) -> None:
        self.remaining = remaining
        self.metadata = metadata
        self.status: Any = None

    def time_remaining(self) -> float:
        return self.remaining

    def invocation_metadata(self) -> tuple[Any, ...]:
        return self.metadata

    def abort_with_status(self, status: grpc.Status) -> None:
        self.status = status
        raise AbortedError


@pytest.fixture
def pool() -> Iterator[CallPool]:
    made = CallPool("check", threads=1, limit=2)
    yield made
    made.shutdown(wait=True)


def test_grpcio_takes_the_pool_from_the_attribute_we_set(pool: CallPool) -> None:
    def behaviour(_raw: bytes, _context: object) -> bytes:
        return b""

    entry = bounded(behaviour, pool, pool, Metrics())
    with ThreadPoolExecutor(1) as default:
        chosen = grpcio_server._select_thread_pool_for_behavior(entry.handler.unary_unary, default)

    assert POOL_ATTRIBUTE == "experimental_thread_pool"
    assert chosen is pool


def test_pool_counts_a_call_from_submission_to_its_end(pool: CallPool) -> None:
    go = threading.Event()
    pool.submit(go.wait, 20)
    pool.submit(int)

    assert (pool.count_in_flight(), pool.is_full) == (2, True)

    go.set()
    pool.shutdown(wait=True)
    assert (pool.count_in_flight(), pool.is_full) == (0, False)


def test_pool_gives_a_place_back_once_whatever_happens(
    pool: CallPool, caplog: pytest.LogCaptureFixture
) -> None:
    after = threading.Event()
    pool.submit(lambda: 1 / 0)
    pool.submit(sys.exit)
    pool.submit(after.set)
    assert after.wait(20)

    go, told = threading.Barrier(2), []
    held = pool.submit(lambda: (go.wait(20), go.wait(20)))
    go.wait(20)
    dropped = pool.submit(told.append, "ran")
    dropped.add_done_callback(lambda _: told.append("dropped"))
    pool.shutdown(wait=False, cancel_futures=True)

    assert caplog.messages == ["call_lost", "call_lost"]
    assert told == ["dropped"]
    assert not held.is_ended
    go.wait(20)
    pool.shutdown(wait=True)
    with pytest.raises(RuntimeError):
        pool.submit(int)
    assert pool.count_in_flight() == 0


def test_pool_shut_down_without_cancelling_runs_what_waits() -> None:
    pool = CallPool("check", threads=2, limit=100)
    ran: list[int] = []
    for number in range(50):
        pool.submit(ran.append, number)
    pool.shutdown(wait=True)

    assert sorted(ran) == list(range(50))


def test_end_of_a_call_is_told_once_to_those_who_come_early_and_late(pool: CallPool) -> None:
    go, early, late = threading.Event(), threading.Event(), []
    call = pool.submit(go.wait, 20)
    call.add_done_callback(lambda _: early.set())
    call.add_done_callback(lambda _: 1 / 0)
    assert not early.is_set()

    go.set()
    assert early.wait(20)
    call.add_done_callback(late.append)

    assert late == [call]


def test_calls_run_side_by_side_up_to_the_number_of_threads() -> None:
    pool = CallPool("check", threads=3, limit=10)
    together = threading.Barrier(4)
    for _ in range(3):
        pool.submit(together.wait, 20)

    together.wait(20)
    pool.shutdown(wait=True)


def test_door_refuses_while_its_class_is_full_and_only_then(pool: CallPool) -> None:
    entry = bounded(lambda _raw, _context: b"", pool, pool, Metrics())
    free = Entry(grpc.unary_unary_rpc_method_handler(lambda _raw, _context: b""))
    door = Door({METHOD: entry, "/health": free})
    details = SimpleNamespace(method=METHOD)
    go = threading.Event()
    assert door.service(details) is entry.handler  # type: ignore[arg-type]

    for _ in range(2):
        pool.submit(go.wait, 20)

    assert door.service(details) is entry.refusal  # type: ignore[arg-type]
    assert door.service(SimpleNamespace(method="/health")) is free.handler  # type: ignore[arg-type]
    assert door.service(SimpleNamespace(method="/x")) is None  # type: ignore[arg-type]
    go.set()
    pool.shutdown(wait=True)
    assert door.service(details) is entry.handler  # type: ignore[arg-type]


def test_refusal_does_not_wait_for_a_message(pool: CallPool) -> None:
    entry = bounded(lambda _raw, _context: b"", pool, pool, Metrics())

    assert entry.refusal is not None
    assert entry.refusal.request_streaming


def test_nothing_is_evaluated_when_the_deadline_is_past() -> None:
    asked: list[bytes] = []
    context = FakeContext(remaining=0)

    def behaviour(raw: bytes, _call: Call) -> bytes:
        asked.append(raw)
        return b""

    with pytest.raises(AbortedError):
        build_guard(Metrics())(METHOD, behaviour)(b"", context)  # type: ignore[arg-type]

    assert asked == []
    assert context.status.code is grpc.StatusCode.DEADLINE_EXCEEDED


@pytest.mark.parametrize(
    "problem", [ValueError("canary"), KeyboardInterrupt("canary"), MemoryError("canary")]
)
def test_guard_lets_no_text_of_an_exception_out(problem: BaseException) -> None:
    context = FakeContext()

    def behaviour(_raw: bytes, _call: Call) -> bytes:
        raise problem

    with pytest.raises(AbortedError):
        build_guard(Metrics())(METHOD, behaviour)(b"", context)  # type: ignore[arg-type]

    assert context.status.code is grpc.StatusCode.INTERNAL
    assert "canary" not in repr(context.status)


def test_metadata_of_others_is_ignored() -> None:
    pairs = [("user-agent", "x"), ("x-bin", b"\xff"), ("authorization", "Bearer\n")]

    assert read_call(pairs) is NO_CALL
    assert read_call(None) is NO_CALL
    assert read_call([*pairs, ("correlation-id", "a"), ("consentry-at-least", "5")]) == Call("a", 5)


def test_typed_behaviour_takes_and_gives_bytes() -> None:
    def echo(request: policy_pb2.PolicyFile, _call: Call) -> policy_pb2.PolicyFile:
        return policy_pb2.PolicyFile(name=request.name + "!")

    raw = typed(policy_pb2.PolicyFile, echo)(
        policy_pb2.PolicyFile(name="a").SerializeToString(), NO_CALL
    )

    assert policy_pb2.PolicyFile.FromString(raw).name == "a!"


def test_page_token_of_another_key_is_not_ours() -> None:
    token = PageTokens(b"a").make("ada", 5)

    assert PageTokens(b"a").find_position("ada", token) == 5
    assert PageTokens(b"b").find_position("ada", token) is None


@pytest.mark.parametrize(
    ("text", "is_loopback"),
    [("127.0.0.1:1", True), ("127.9.9.9:1", True), ("localhost:1", True), ("[::1]:1", True),
     ("10.0.0.1:1", False), ("[::]:1", False), ("example.org:1", False)],
)  # fmt: skip
def test_loopback_is_told_from_the_rest(text: str, is_loopback: bool) -> None:
    address = parse_host_port(text, insecure_off_loopback=True)

    assert address.is_loopback is is_loopback
    assert str(address) == text
