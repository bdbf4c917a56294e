"""Handlers of gRPC servers that ask before they run, synchronous and asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import pytest

from consentry.client import AsyncClient, Client, service
from consentry.client.interceptor import (
    AsyncServerInterceptor,
    ServerInterceptor,
    current_decision,
    requires,
    unchecked,
)
from consentry.client.testing import FakeSidecar
from consentry.v1 import consent_pb2

CRM = service("crm")
EMAIL = requires(
    principal=CRM, action="read", data="customer.subject", data_subject="subject",
    purpose="support", is_masked=True,
)  # fmt: skip
EVENT, WRITE = consent_pb2.ConsentEvent, consent_pb2.ConsentEvent.SerializeToString
DENIED, UNAVAILABLE = grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAVAILABLE


class Customers:
    """A service whose methods give back what they got."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    def _run(self, name: str, request: Any) -> Any:
        self.ran.append(f"{name} {current_decision().reason}")
        return EVENT(subject=request.subject, notice="secret")

    @EMAIL
    def one(self, request: Any, context: Any) -> Any:
        return self._run("one", request)

    @EMAIL
    def many_out(self, request: Any, context: Any) -> Iterator[Any]:
        for _ in range(2):
            yield self._run("many_out", request)

    @EMAIL
    def many_in(self, requests: Any, context: Any) -> Any:
        return [self._run("many_in", request) for request in requests][-1]

    @EMAIL
    def both(self, requests: Any, context: Any) -> Iterator[Any]:
        for request in requests:
            yield self._run("both", request)

    @unchecked("tells the version only")
    def open(self, request: Any, context: Any) -> Any:
        return self._run("open", request)

    def forgotten(self, request: Any, context: Any) -> Any:
        return self._run("forgotten", request)

    @requires(
        principal=CRM, action="read", data="d", data_subject=lambda r, _: r.missing, purpose="p"
    )
    def unclear(self, request: Any, context: Any) -> Any:
        return self._run("unclear", request)


class AsyncCustomers(Customers):
    """The same, for grpc.aio."""

    @EMAIL
    async def one(self, request: Any, context: Any) -> Any:
        return self._run("one", request)

    @EMAIL
    async def many_out(self, request: Any, context: Any) -> AsyncIterator[Any]:  # type: ignore[override]
        for _ in range(2):
            yield self._run("many_out", request)

    @EMAIL
    async def many_in(self, requests: Any, context: Any) -> Any:
        return [self._run("many_in", request) async for request in requests][-1]

    @EMAIL
    async def both(self, requests: Any, context: Any) -> AsyncIterator[Any]:  # type: ignore[override]
        async for request in requests:
            yield self._run("both", request)

    @unchecked("tells the version only")
    async def open(self, request: Any, context: Any) -> Any:
        return self._run("open", request)

    async def forgotten(self, request: Any, context: Any) -> Any:
        return self._run("forgotten", request)


KINDS = {
    "one": grpc.unary_unary_rpc_method_handler,
    "many_out": grpc.unary_stream_rpc_method_handler,
    "many_in": grpc.stream_unary_rpc_method_handler,
    "both": grpc.stream_stream_rpc_method_handler,
    "open": grpc.unary_unary_rpc_method_handler,
    "forgotten": grpc.unary_unary_rpc_method_handler,
    "unclear": grpc.unary_unary_rpc_method_handler,
}


def handlers(customers: Customers) -> Any:
    methods = {
        name: make(getattr(customers, name), EVENT.FromString, WRITE)
        for name, make in KINDS.items()
    }
    return grpc.method_handlers_generic_handler("shop.Customers", methods)


def ask(target: str, name: str, person: str) -> list[Any]:
    """What the method answers; raises what it ends with."""
    kind = {
        "many_out": "unary_stream", "many_in": "stream_unary", "both": "stream_stream",
    }.get(name, "unary_unary")  # fmt: skip
    asked: Any = EVENT(subject=person, notice="n")
    if kind.startswith("stream"):
        asked = iter([asked, asked])
    with grpc.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        method = getattr(channel, kind)(f"/shop.Customers/{name}", WRITE, EVENT.FromString)
        answer = method(asked, timeout=20)
        return list(answer) if kind.endswith("stream") else [answer]


@contextmanager
def sync_server(target: str, customers: Customers) -> Iterator[str]:
    with Client(target, timeout_s=20) as client:
        server = grpc.server(
            ThreadPoolExecutor(1), handlers=[handlers(customers)],
            interceptors=[ServerInterceptor(client)],
        )  # fmt: skip
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            server.stop(0).wait(10)


class World:
    """A sidecar that permits Ada, and a server before which a check stands."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.customers: Customers = Customers() if kind == "sync" else AsyncCustomers()

    def run(self, sidecar: FakeSidecar, *calls: tuple[str, str]) -> list[Any]:
        """What the calls of (method, person) give: answers, or the status of the end."""
        if self.kind == "sync":
            with sync_server(sidecar.target, self.customers) as target:
                return [outcome(target, *call) for call in calls]
        return asyncio.run(self._run_async(sidecar.target, calls))

    async def _run_async(self, target: str, calls: Any) -> list[Any]:
        async with AsyncClient(target, timeout_s=20) as client:
            server = grpc.aio.server(interceptors=[AsyncServerInterceptor(client)])
            server.add_generic_rpc_handlers((handlers(self.customers),))
            port = server.add_insecure_port("127.0.0.1:0")
            await server.start()
            try:
                where = f"127.0.0.1:{port}"
                return [await asyncio.to_thread(outcome, where, *call) for call in calls]
            finally:
                await server.stop(0)


def outcome(target: str, name: str, person: str) -> Any:
    try:
        return [answer.subject for answer in ask(target, name, person)]
    except grpc.RpcError as problem:
        return problem.code()


@pytest.fixture(params=["sync", "async"])
def world(request: pytest.FixtureRequest) -> World:
    return World(request.param)


@pytest.fixture
def sidecar() -> Iterator[FakeSidecar]:
    with FakeSidecar() as fake:
        fake.permit(data_subject="ada")
        yield fake


@pytest.mark.parametrize(
    ("name", "count"), [("one", 1), ("many_out", 2), ("many_in", 1), ("both", 2)]
)
def test_permitted_call_runs_under_its_decision_and_denied_one_does_not(
    world: World, sidecar: FakeSidecar, name: str, count: int
) -> None:
    permitted, denied = world.run(sidecar, (name, "ada"), (name, "eve"))

    assert permitted == ["ada"] * count
    assert denied is DENIED
    assert set(world.customers.ran) == {f"{name} consent_valid"}


def test_answer_is_masked(sidecar: FakeSidecar) -> None:
    customers = Customers()
    with sync_server(sidecar.target, customers) as target:
        (answer,) = ask(target, "one", "ada")

    assert answer == EVENT(subject="ada")


def test_method_that_says_nothing_is_refused_and_one_that_says_so_runs(
    world: World, sidecar: FakeSidecar
) -> None:
    forgotten, opened = world.run(sidecar, ("forgotten", "ada"), ("open", "eve"))

    assert forgotten is DENIED
    assert opened == ["eve"]
    assert world.customers.ran == ["open unavailable"]


def test_decision_of_one_call_is_not_seen_by_the_next_on_its_thread(
    world: World, sidecar: FakeSidecar
) -> None:
    world.run(sidecar, ("one", "ada"), ("many_out", "ada"), ("open", "eve"))

    assert world.customers.ran[-1] == "open unavailable"


def test_request_that_does_not_say_whom_it_means_is_refused(
    world: World, sidecar: FakeSidecar
) -> None:
    assert world.run(sidecar, ("unclear", "ada")) == [grpc.StatusCode.INVALID_ARGUMENT]
    assert sidecar.asked == []


def test_without_an_answer_nothing_runs(world: World, sidecar: FakeSidecar) -> None:
    sidecar.fail(grpc.StatusCode.INTERNAL)

    assert world.run(sidecar, ("one", "ada")) == [UNAVAILABLE]
    assert world.customers.ran == []


def test_a_reason_must_be_given_for_no_check() -> None:
    with pytest.raises(ValueError, match="why"):
        unchecked(" ")
