"""How long it takes until something works: the command, the sidecar, a policy set."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from consentry.compiler.compile import compile_policies
from consentry.engine.link import link
from consentry.pdp.sources import read_packs
from tests.bench import people
from tests.bench.engine import many_files
from tests.bench.peer_series import Say
from tests.bench.report import Fact

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = {
    "consentry --version": ("--version",),
    "consentry check policies": ("check", "policies"),
}


def measure_commands(*, rounds: int, say: Say) -> dict[str, Fact]:
    """Wall and CPU time of a command from its start to its end."""
    found = {}
    for name, words in COMMANDS.items():
        walls, cpus = [], []
        for number in range(rounds):
            say(f"{name}: {number + 1}/{rounds}")
            before, began_s = _children_s(), time.perf_counter()
            command = [sys.executable, "-m", "consentry.app", *words]
            subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
            walls.append(time.perf_counter() - began_s)
            cpus.append(_children_s() - before)
        found[name] = Fact(value=statistics.median(walls), unit="s")
        found[f"{name}, CPU"] = Fact(value=statistics.median(cpus), unit="s")
    return found


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure_serving(*, rule_count: int, events: int, rounds: int, say: Say) -> dict[str, Fact]:
    """From the start of the command to SERVING, on a ledger that has events."""
    walls = []
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder, "state")
        _, events = people.fill(state, events, say, least=events)
        for number in range(rounds):
            say(f"start {number + 1}/{rounds}")
            began_s = time.perf_counter()
            with people.sidecar_on(state, rule_count) as sidecar:
                _wait_until_serving(sidecar.health)
                walls.append(time.perf_counter() - began_s)
    title = f"start to SERVING, {rule_count:,} rules, {events:,} events"
    return {title: Fact(value=statistics.median(walls), unit="s", goal="<= 2")}


def _wait_until_serving(address: str) -> None:
    with grpc.insecure_channel(address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        serving = health_pb2.HealthCheckResponse.SERVING
        for answer in stub.Watch(health_pb2.HealthCheckRequest(), timeout=60):
            if answer.status == serving:
                return


def measure_compiling(*, rule_counts: tuple[int, ...], say: Say) -> dict[str, Fact]:
    """CPU time to parse and compile a set, and to make a program ready to decide."""
    found, packs = {}, read_packs()
    for rules in rule_counts:
        say(f"compiling {rules:,} rules")
        sources = many_files(rules)
        began_s = time.process_time()
        result = compile_policies(sources, packs)
        compiled_s = time.process_time()
        if result.program is None:
            raise ValueError(f"the generated set of {rules} rules does not compile")
        link(result.program)
        linked_s = time.process_time()
        found[f"parse and compile {rules:,} rules"] = Fact(
            value=(compiled_s - began_s) * 1000, unit="ms of CPU"
        )
        found[f"link {rules:,} rules"] = Fact(
            value=(linked_s - compiled_s) * 1000, unit="ms of CPU"
        )
    return found
