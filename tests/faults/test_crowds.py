"""Crowds of connections: more than descriptors, idle by the thousand, silent at every door."""

from __future__ import annotations

import socket
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.support.raw_http2 import RawConnection
from tests.support.sidecar import RunningSidecar, running_sidecar

POLICIES = Path(__file__).resolve().parents[2] / "policies"
SERVING = health_pb2.HealthCheckResponse.SERVING
Figure = Callable[[str, object], None]


def resident_bytes(pid: int) -> int:
    """Memory that a process holds."""
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


def ask_health(address: str) -> tuple[int, float]:
    """What a prober is told on a new connection, and after how many seconds."""
    begin_s = time.perf_counter()
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(address, options=options) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=10)
    return int(answer.status), time.perf_counter() - begin_s


@contextmanager
def sockets(addresses: list[str], count: int) -> Iterator[None]:
    """`count` silent connections to each address, or as many as are taken."""
    with ExitStack() as stack:
        for address in addresses:
            host, _, port = address.rpartition(":")
            for _ in range(count):
                made = socket.create_connection((host, int(port)), timeout=20)
                stack.callback(made.close)
        yield


def test_health_answers_while_every_door_has_more_sockets_than_descriptors(
    tmp_path: Path, figure: Figure
) -> None:
    with running_sidecar(
        POLICIES, tmp_path, "--no-watch", under=("prlimit", "--nofile=400")
    ) as sidecar:
        with sockets([sidecar.target, sidecar.http, sidecar.target], 250):
            told = [ask_health(sidecar.health) for _ in range(20)]
            is_alive = sidecar.process.poll() is None
        after = ask_health(sidecar.target)

    took_ms = [1000 * seconds for _, seconds in told]
    figure("crowds: health on a new connection, p50, ms", f"{statistics.median(took_ms):.1f}")
    assert is_alive
    assert {status for status, _ in told} == {SERVING}
    assert after[0] == SERVING


def test_too_few_descriptors_are_told_at_the_start(tmp_path: Path) -> None:
    with (
        pytest.raises(RuntimeError, match=r"left with 2(.|\n)*64 file descriptors"),
        running_sidecar(POLICIES, tmp_path, under=("prlimit", "--nofile=64")),
    ):
        pass


def idle_cost(sidecar: RunningSidecar, count: int) -> tuple[float, float]:
    """Bytes that each of `count` idle HTTP/2 connections costs, and a health answer in seconds."""
    with ExitStack() as stack:
        for _ in range(50):  # what the first ones cost once and for all
            stack.callback(RawConnection(sidecar.target).close)
        before = resident_bytes(sidecar.pid)
        for _ in range(count):
            connection = RawConnection(sidecar.target)
            stack.callback(connection.close)
            connection.read()
        status, took_s = ask_health(sidecar.health)
        assert status == SERVING
        return (resident_bytes(sidecar.pid) - before) / count, took_s


@pytest.mark.parametrize(
    "count", [300, pytest.param(4_000, marks=pytest.mark.slow)]
)  # fmt: skip
def test_idle_connections_cost_little_and_health_answers(
    count: int, tmp_path: Path, figure: Figure
) -> None:
    with running_sidecar(POLICIES, tmp_path, "--no-watch") as sidecar:
        cost, took_s = idle_cost(sidecar, count)

    figure(
        f"crowds: memory for each of {count} idle connections, KB (goal <= 25)",
        f"{cost / 1000:.1f}",
    )
    figure(f"crowds: health beside {count} idle connections, ms", f"{1000 * took_s:.1f}")
    # Of few connections each bears its part of what a process grows by once and for all.
    assert cost <= (25_000 if count >= 4_000 else 35_000)
