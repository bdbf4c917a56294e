"""The HTTP port over real sockets."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from http.client import HTTPConnection

import pytest
from server_world import CANARY, World, serving

from consentry.telemetry.metrics import Metrics


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with serving(http_idle_s=1.0, http_connection_limit=16) as running:
        yield running


def get(
    world: World, path: str, method: str = "GET", **headers: str
) -> tuple[int, str, dict[str, str]]:
    assert world.bound.http is not None
    connection = HTTPConnection(world.bound.http, timeout=20)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), {k.lower(): v for k, v in answer.getheaders()}
    finally:
        connection.close()


def raw(world: World, text: bytes) -> bytes:
    """All that the server says to `text` before it closes."""
    assert world.bound.http is not None
    host, _, port = world.bound.http.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(text)
        said = b""
        while part := connection.recv(65_536):
            said += part
        return said


def test_metrics_come_as_text_or_as_openmetrics(world: World) -> None:
    status, text, headers = get(world, "/metrics")
    _, other, other_headers = get(
        world, "/metrics", Accept="application/openmetrics-text; version=1.0.0"
    )

    assert status == 200
    assert headers["content-type"].startswith("text/plain")
    assert "grpc_server_started_total" in text
    assert other_headers["content-type"].startswith("application/openmetrics-text")
    assert other.endswith("# EOF\n")


def test_liveness_and_version_always_answer(world: World) -> None:
    assert get(world, "/livez")[:2] == (200, "ok\n")
    assert json.loads(get(world, "/version")[1]) == {"version": "1.2.3"}


def test_readiness_says_why_not() -> None:
    with serving() as world:
        ready = get(world, "/readyz")[:2]
        world.is_ledger_usable = False
        no_ledger = get(world, "/readyz")[:2]
        world.policies.current = None
        no_policies = get(world, "/readyz")[:2]

    assert ready == (200, "ok\n")
    assert no_ledger == (503, "ledger_unavailable\n")
    assert no_policies == (503, "no_policies\n")


def test_readiness_says_that_answers_cannot_be_recorded() -> None:
    with serving() as world:
        world.can_record = False

        assert get(world, "/readyz")[:2] == (503, "audit_unavailable\n")


def test_readiness_leaves_the_ledger_aside_when_told_so() -> None:
    with serving(readiness_follows_ledger=False) as world:
        world.is_ledger_usable = False

        assert get(world, "/readyz")[0] == 200


@pytest.mark.parametrize(
    "path", ["/", "/metrics/", "/metrics/../admin", "//metrics", "/%2e%2e/", "/healthz", "/docs"]
)
def test_other_paths_are_not_found(path: str, world: World) -> None:
    assert get(world, path)[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_other_methods_are_not_allowed(method: str, world: World) -> None:
    assert get(world, "/metrics", method)[0] == 405


class FailingMetrics(Metrics):
    def expose(self, accept: str = "") -> tuple[bytes, str]:
        raise ValueError(CANARY)


def test_error_text_of_a_failing_scrape_stays_inside() -> None:
    with serving(World(metrics=FailingMetrics())) as world:
        status, text, _ = get(world, "/metrics")

    assert status == 500
    assert CANARY not in text


def test_what_is_not_http_is_refused(world: World) -> None:
    assert b" 400 " in raw(world, b"GARBAGE\r\n\r\n").partition(b"\r\n")[0]


def test_header_over_the_limit_is_refused(world: World) -> None:
    said = raw(world, b"GET /livez HTTP/1.1\r\nhost: x\r\nx-long: " + b"a" * 20_000)

    assert said.startswith(b"HTTP/1.1 4")


def test_silent_connection_is_closed(world: World) -> None:
    assert raw(world, b"GET /livez HTT") == b""


def test_every_answer_closes_its_connection(world: World) -> None:
    said = raw(world, b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n")

    assert said.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in said
