"""What asking costs a request that goes through a real Envoy: ours, and a bare echo.

One Envoy, a listener for each side; the answers themselves are made by Envoy, so that only the
question differs. One request in flight over one kept connection; sides take turns.
"""

from __future__ import annotations

import contextlib
import http.client
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import yaml

from consentry.client import Client, event
from tests.bench.measure import process_cpu_ns
from tests.bench.report import Fact
from tests.support.envoy import ENVOY
from tests.support.ports import free_port
from tests.support.sidecar import running_sidecar

ROOT: Final = Path(__file__).resolve().parents[2]
SIDES: Final = ("no question", "echo", "consentry, kept answer", "consentry, new answer")
MAIL: Final = {"x-country": "DE"}
_TYPES: Final = "type.googleapis.com/envoy.extensions"
_WAIT_S: Final = 30.0


def measure(*, rounds: int, requests: int, say: Callable[[str], None]) -> dict[str, Fact]:
    """Latency of each side and what it adds, in microseconds: p50 and p99 of all rounds."""
    times: dict[str, list[float]] = {side: [] for side in SIDES}
    spent_ns = dict.fromkeys(SIDES, 0)
    with _sides() as (ports, pids):
        ask = {side: _Asking(port, side) for side, port in ports.items()}
        for asking in ask.values():
            asking.requests(requests)  # until everything is warm
        for number in range(rounds):
            say(f"round {number + 1} of {rounds}")
            turn = list(ask.items())
            for side, asking in turn if number % 2 else reversed(turn):
                before_ns = process_cpu_ns(pids[side]) if side in pids else 0
                times[side] += asking.requests(requests)
                if side in pids:
                    spent_ns[side] += process_cpu_ns(pids[side]) - before_ns
        for asking in ask.values():
            asking.close()
    base = {q: _quantile(times["no question"], q) for q in (50, 99)}
    facts: dict[str, Fact] = {}
    for side in SIDES:
        for q in (50, 99):
            whole = _quantile(times[side], q)
            facts[f"p{q} with {side}"] = Fact(value=whole, unit="us")
            if side != "no question":
                facts[f"p{q} added by {side}"] = Fact(value=whole - base[q], unit="us")
    for side in pids:
        cpu_us = spent_ns[side] / len(times[side]) / 1_000
        facts[f"server CPU a question, {side}"] = Fact(value=cpu_us, unit="us")
    for q in (50, 99):
        ours, echo = (facts[f"p{q} added by {s}"].value for s in (SIDES[2], SIDES[1]))
        facts[f"p{q} ours over echo"] = Fact(value=ours / echo, unit="times")
    return facts


def _quantile(times: list[float], q: int) -> float:
    return statistics.quantiles(times, n=100)[q - 1] * 1e6


class _Asking:
    """One kept connection to one side."""

    def __init__(self, port: int, side: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_WAIT_S)
        self._is_new = side == SIDES[3]
        self._count = 0

    def requests(self, count: int) -> list[float]:
        """Seconds of each of so many requests, all let through."""
        times = []
        for _ in range(count):
            self._count += 1
            # Another person each time: nothing is kept of an answer then.
            path = f"/mail/new-{self._count}" if self._is_new else "/mail/ada"
            began = time.perf_counter()
            self._connection.request("POST", path, b"", MAIL)
            response = self._connection.getresponse()
            response.read()
            times.append(time.perf_counter() - began)
            wanted = 403 if self._is_new else 200
            assert response.status == wanted, response.status
        return times

    def close(self) -> None:
        self._connection.close()


@contextmanager
def _sides() -> Iterator[tuple[dict[str, int], dict[str, int]]]:
    """Ports of all sides, and processes of those that answer questions."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        settings = ROOT / "deploy" / "envoy" / "consentry.toml"
        sidecar = stack.enter_context(
            running_sidecar(ROOT / "policies", folder / "s", "--config", str(settings))
        )
        with Client(sidecar.target) as client:
            given = event(
                "given", "ada", purpose="marketing.email", notice="2026-03", proof_method="form"
            )
            client.record_consent(given)
        ours = int(sidecar.target.rpartition(":")[2])
        echo, echo_pid = stack.enter_context(_running_echo())
        asked = {SIDES[0]: None, SIDES[1]: echo, SIDES[2]: ours, SIDES[3]: ours}
        ports = {side: free_port() for side in SIDES}
        config = folder / "envoy.yaml"
        config.write_text(yaml.safe_dump(_config(ports, asked)))
        stack.enter_context(_running_envoy(config, list(ports.values())))
        pids = {SIDES[1]: echo_pid, SIDES[2]: sidecar.pid, SIDES[3]: sidecar.pid}
        yield ports, pids


@contextmanager
def _running_echo() -> Iterator[tuple[int, int]]:
    command = [sys.executable, "-m", "tests.bench.ext_authz_echo"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline()), process.pid
        finally:
            process.kill()


@contextmanager
def _running_envoy(config: Path, ports: list[int]) -> Iterator[None]:
    flags = ["--concurrency", "1", "--use-dynamic-base-id", "--log-level", "error"]
    process = subprocess.Popen(
        [str(ENVOY), "-c", str(config), *flags],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        end = time.monotonic() + _WAIT_S
        for port in ports:
            while not _answers(port):
                assert process.poll() is None, "Envoy left"
                assert time.monotonic() < end, "Envoy does not answer"
                time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.wait(_WAIT_S)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    with contextlib.closing(connection), contextlib.suppress(OSError):
        connection.request("GET", "/")
        return connection.getresponse().status > 0
    return False


def _config(ports: dict[str, int], asked: dict[str, int | None]) -> dict[str, Any]:
    clusters = {port: f"authz-{port}" for port in asked.values() if port is not None}
    return {
        "static_resources": {
            "listeners": [_listener(side, port, asked[side]) for side, port in ports.items()],
            "clusters": [_cluster(name, port) for port, name in clusters.items()],
        }
    }


def _listener(side: str, port: int, authz: int | None) -> dict[str, Any]:
    filters: list[dict[str, Any]] = []
    extensions = {
        "consentry-route": "newsletter",
        "purpose": "marketing.email",
        "channel": "email",
        "service": "campaign-mailer",
    }
    route: dict[str, Any] = {"match": {"prefix": "/"}, "direct_response": {"status": 200}}
    if authz is not None:
        kind = f"{_TYPES}.filters.http.ext_authz.v3"
        grpc_service = {"envoy_grpc": {"cluster_name": f"authz-{authz}"}, "timeout": "5s"}
        typed = {
            "@type": f"{kind}.ExtAuthz",
            "transport_api_version": "V3",
            "grpc_service": grpc_service,
        }
        filters.append({"name": "envoy.filters.http.ext_authz", "typed_config": typed})
        route["typed_per_filter_config"] = {
            "envoy.filters.http.ext_authz": {
                "@type": f"{kind}.ExtAuthzPerRoute",
                "check_settings": {"context_extensions": extensions},
            }
        }
    router = {"@type": f"{_TYPES}.filters.http.router.v3.Router"}
    filters.append({"name": "envoy.filters.http.router", "typed_config": router})
    manager = {
        "@type": f"{_TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "side",
        "http_filters": filters,
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
    }
    network = {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}
    return {
        "name": side,
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [{"filters": [network]}],
    }


def _cluster(name: str, port: int) -> dict[str, Any]:
    options = f"{_TYPES}.upstreams.http.v3.HttpProtocolOptions"
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    return {
        "name": name,
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": options,
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        },
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
    }
