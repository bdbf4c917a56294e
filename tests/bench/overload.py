"""What a sidecar does at its capacity and at three times that: answers, refusals, health.

The load is h2load's; beside it a few patient callers ask on channels of their own, each call from
its intended start, and one asks the health door. What the sidecar answered is counted by itself
and told apart by status from outside, by the callers.
"""

from __future__ import annotations

import re
import statistics
import subprocess
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import grpc
from grpc_health.v1 import health_pb2

from tests.bench.h2 import GRPC_HEADERS, LoadError, framed
from tests.bench.measure import pin
from tests.bench.report import Fact
from tests.bench.requests import newsletter_check
from tests.bench.unary import record_consent
from tests.support.sidecar import RunningSidecar, running_sidecar

ROOT = Path(__file__).resolve().parents[2]
CHECK: Final = "/consentry.v1.AuthorizationService/Check"
HEALTH: Final = "/grpc.health.v1.Health/Check"
TIMES_CAPACITY: Final = 3
_DONE: Final = re.compile(r"requests: (\d+) total, (\d+) started, (\d+) done")
_OK: Final = re.compile(
    r'^grpc_server_handled_total\{[^}]*grpc_code="OK"[^}]*grpc_method="Check"[^}]*\} (\S+)',
    re.MULTILINE,
)


@dataclass
class Seen:
    """What the callers beside the load saw, in seconds."""

    answered_s: list[float] = field(default_factory=list)
    refused_s: list[float] = field(default_factory=list)
    health_s: list[float] = field(default_factory=list)
    others: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overload:
    """Answers a second at capacity and beyond it, one entry a round; what callers saw beyond it."""

    peak_per_s: tuple[float, ...]
    offered_per_s: tuple[float, ...]
    goodput_per_s: tuple[float, ...]
    seen: Seen

    @property
    def share_kept(self) -> float:
        """Answers a second beyond capacity over those at capacity: the median over the rounds."""
        pairs = zip(self.goodput_per_s, self.peak_per_s, strict=True)
        return statistics.median(beyond / peak for beyond, peak in pairs)


def percentile(values: list[float], percent: int) -> float:
    """The value that `percent` of them do not exceed; 0 without any."""
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)] if values else 0.0


def answered_ok(http: str) -> float:
    """Checks that the sidecar says it answered."""
    with urllib.request.urlopen(f"http://{http}/metrics", timeout=30) as answer:
        found = _OK.search(answer.read().decode())
    return float(found.group(1)) if found else 0.0


def generate(
    target: str, seconds: float, *, connections: int, calls_per_s: float | None = None
) -> int:
    """Runs the generator for so long: as fast as answers come, or at a rate. Calls it made.

    At a rate it yields to the callers beside it, which measure times.
    """
    with tempfile.NamedTemporaryFile() as body:
        Path(body.name).write_bytes(framed(newsletter_check()))
        command = ["h2load", "-d", body.name, "-c", str(connections), "-t", "1"]
        command += [part for header in GRPC_HEADERS for part in ("-H", header)]
        if calls_per_s is None:
            command += ["-m", str(256 // connections), "-D", str(max(1, round(seconds)))]
        else:
            command += ["-m", "128", "--rps", str(max(1, round(calls_per_s / connections)))]
            command += ["-n", str(round(calls_per_s * seconds))]
            command[:0] = ["nice", "-n", "10"]
        command.append(f"http://{target}{CHECK}")
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=seconds * 20 + 60
        )
    found = _DONE.search(done.stdout)
    if found is None:
        raise LoadError(f"h2load said:\n{done.stdout}{done.stderr}")
    return int(found.group(3))


@contextmanager
def asking(sidecar: RunningSidecar, seen: Seen, callers: int) -> Iterator[None]:
    """Callers that ask 20 times a second each, and one that asks for health, until the end."""
    is_over = threading.Event()

    def ask(target: str, method: str, body: bytes, note: Callable[[str, float], None]) -> None:
        options = [("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(target, options=options) as channel:
            call = channel.unary_unary(method)
            due_s = time.monotonic()
            while not is_over.wait(max(0.0, due_s - time.monotonic())):
                started_s = time.monotonic()
                try:
                    call(body, timeout=10)
                    code = "OK"
                except grpc.RpcError as problem:
                    code = problem.code().name
                note(code, time.monotonic() - started_s)
                due_s = max(due_s + 0.05, time.monotonic())

    def note_check(code: str, took_s: float) -> None:
        if code == "OK":
            seen.answered_s.append(took_s)
        elif code == "RESOURCE_EXHAUSTED":
            seen.refused_s.append(took_s)
        else:
            seen.others[code] = seen.others.get(code, 0) + 1

    def note_health(code: str, took_s: float) -> None:
        if code == "OK":
            seen.health_s.append(took_s)
        else:
            seen.others[f"health {code}"] = seen.others.get(f"health {code}", 0) + 1

    asked = [(sidecar.target, CHECK, newsletter_check(), note_check)] * callers
    probe = health_pb2.HealthCheckRequest().SerializeToString()
    asked.append((sidecar.health, HEALTH, probe, note_health))
    threads = [threading.Thread(target=ask, args=each, daemon=True) for each in asked]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


def measure(
    *, rounds: int, seconds: float, connections: int, say: Callable[[str], None]
) -> Overload:
    """A sidecar at its capacity and at three times of that, in turn, `seconds` each."""
    peaks, offers, goodputs = list[float](), list[float](), list[float]()
    seen = Seen()
    with (
        tempfile.TemporaryDirectory() as state,
        running_sidecar(ROOT / "policies", Path(state), "--no-watch") as sidecar,
    ):
        record_consent(sidecar.target)
        pin(sidecar.pid, 0)
        pin(0, 1)
        generate(sidecar.target, 1, connections=connections)
        for round_ in range(rounds):
            say(f"{connections} connections, round {round_ + 1} of {rounds}")
            peak, _ = goodput_of(sidecar, seconds, connections, None)
            with asking(sidecar, seen, callers=4):
                beyond, offered = goodput_of(sidecar, seconds, connections, peak * TIMES_CAPACITY)
            peaks.append(peak)
            offers.append(offered)
            goodputs.append(beyond)
    return Overload(
        peak_per_s=tuple(peaks),
        offered_per_s=tuple(offers),
        goodput_per_s=tuple(goodputs),
        seen=seen,
    )


def goodput_of(
    sidecar: RunningSidecar, seconds: float, connections: int, calls_per_s: float | None
) -> tuple[float, float]:
    """Answers and calls a second under the generator."""
    before, began_s = answered_ok(sidecar.http), time.monotonic()
    made = generate(sidecar.target, seconds, connections=connections, calls_per_s=calls_per_s)
    took_s = time.monotonic() - began_s
    return (answered_ok(sidecar.http) - before) / took_s, made / took_s


def told(result: Overload) -> dict[str, Fact]:
    """The figures, with their goals."""
    seen = result.seen
    found = {
        "capacity": Fact(value=statistics.median(result.peak_per_s), unit="answers/s"),
        "taken in beyond it": Fact(value=statistics.median(result.offered_per_s), unit="calls/s"),
        "share of capacity still answered": Fact(value=result.share_kept, unit="", goal=">= 0.80"),
        "callers beside it: answered": Fact(value=len(seen.answered_s), unit="calls"),
        "callers beside it: refused": Fact(value=len(seen.refused_s), unit="calls"),
        "callers beside it: failed otherwise": Fact(value=sum(seen.others.values()), unit="calls"),
    }
    times = (
        ("an answer", seen.answered_s, ""),
        ("to refuse", seen.refused_s, "<= 50"),
        ("health", seen.health_s, "<= 100"),
    )
    for name, values, goal in times:
        for percent in (50, 99):
            found[f"{name}, p{percent}"] = Fact(
                value=1000 * percentile(values, percent),
                unit="ms" if values else "ms (there was none)",
                goal=goal if percent == 99 else "",
            )
    return found
