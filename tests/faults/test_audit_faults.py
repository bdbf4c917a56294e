"""Decision logs of real sidecars under faults: answered = stored + counted drops, exactly."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import statistics
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from consentry.telemetry.audit.reader import AuditReader
from consentry.v1 import authorization_pb2 as wire
from consentry.v1 import authorization_pb2_grpc, decision_pb2
from tests.support.audit import records_of
from tests.support.fleet import POLICY, PURPOSE
from tests.support.sidecar import RunningSidecar, running_sidecar, wait_for_event

BATCH = 200
ASKED = 60


def question(person: str) -> wire.CheckRequest:
    return wire.CheckRequest(
        principal=decision_pb2.Principal(id="mailer", type="service"),
        action="read",
        data=["email"],
        subject=decision_pb2.DataSubject(id=person),
        purpose=PURPOSE,
    )


class Asker:
    """Asks one sidecar and counts what was answered."""

    def __init__(self, target: str) -> None:
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
        self.channel = grpc.insecure_channel(target, options=options)
        self.stub = authorization_pb2_grpc.AuthorizationServiceStub(self.channel)
        self.ids: list[str] = []
        self.refused: list[grpc.StatusCode] = []

    def batch(self, count: int = BATCH) -> None:
        items = [wire.BatchItem(check=question(f"person-{n}")) for n in range(count)]
        try:
            answer = self.stub.CheckBatch(wire.CheckBatchRequest(items=items), timeout=20)
        except grpc.RpcError as problem:
            self.refused.append(problem.code())
        else:
            self.ids += [result.response.moment.decision_id for result in answer.results]

    def check(self, person: str = "ada") -> None:
        try:
            answer = self.stub.Check(question(person), timeout=20)
        except grpc.RpcError as problem:
            self.refused.append(problem.code())
        else:
            self.ids.append(answer.moment.decision_id)

    def stream(self, count: int) -> None:
        asked = (wire.CheckStreamRequest(check=question(f"person-{n}")) for n in range(count))
        for answer in self.stub.CheckStream(asked, timeout=20):
            self.ids.append(answer.response.moment.decision_id)


@contextmanager
def asking(target: str) -> Iterator[Asker]:
    asker = Asker(target)
    try:
        yield asker
    finally:
        asker.channel.close()


def median_s(asker: Asker) -> float:
    """How long a check takes, in the middle."""
    took_s = []
    for _ in range(ASKED):
        began_s = time.perf_counter()
        asker.check()
        took_s.append(time.perf_counter() - began_s)
    return statistics.median(took_s)


def places(tmp_path: Path, audit: str = "") -> tuple[Path, Path, str]:
    policies, state = tmp_path / "policies", tmp_path / "state"
    policies.mkdir()
    (policies / "shop.policy").write_text(POLICY)
    config = tmp_path / "consentry.toml"
    config.write_text(f"[audit]\n{audit}\n")
    return policies, state, str(config)


def metric(sidecar: RunningSidecar, name: str) -> float:
    with urllib.request.urlopen(f"http://{sidecar.http}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    return sum(
        float(n) for n in re.findall(rf"^consentry_{name}(?:{{.*}})? (.*)$", text, re.MULTILINE)
    )


def until(condition: Callable[[], bool]) -> None:
    pause, end_s = threading.Event(), time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end_s, "it never came"
        pause.wait(0.02)


@contextmanager
def full_disk(sidecar: RunningSidecar, state: Path) -> Iterator[None]:
    """No file of the sidecar's can grow beyond what the decision log has now."""
    size = (state / "audit" / "decisions.jsonl").stat().st_size
    soft, hard = resource.prlimit(sidecar.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(sidecar.pid, resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.prlimit(sidecar.pid, resource.RLIMIT_FSIZE, (soft, hard))


def test_every_answer_has_one_record_however_it_was_asked(tmp_path: Path) -> None:
    policies, state, config = places(tmp_path)
    with (
        running_sidecar(policies, state, "--config", config) as sidecar,
        asking(sidecar.target) as asker,
    ):
        for _ in range(3):
            asker.check()
        asker.batch(20)
        asker.stream(20)

    records = records_of(state)
    assert sorted(r.decision_id for r in records) == sorted(asker.ids)
    assert len(asker.ids) == 43
    assert sum(r.is_hit for r in records) == 22


def test_full_disk_drops_are_counted_exactly_and_slow_nobody(
    tmp_path: Path, figure: Callable[[str, object], None]
) -> None:
    policies, state, config = places(tmp_path, "capacity = 300\nmax_file_bytes = 1000000000")
    with (
        running_sidecar(policies, state, "--config", config) as sidecar,
        asking(sidecar.target) as asker,
    ):
        asker.batch()
        until(lambda: metric(sidecar, "audit_records_total") == BATCH)
        with full_disk(sidecar, state):
            for _ in range(10):
                asker.batch()
            until(lambda: metric(sidecar, "audit_failing") == 1)
            assert metric(sidecar, "audit_dropped_total") > 0
        until(lambda: metric(sidecar, "audit_failing") == 0)
        for _ in range(20):
            asker.check()

    reader = AuditReader(state / "audit")
    stored = len(list(reader.records()))
    dropped = reader.tally.dropped_count
    assert not asker.refused
    assert len(asker.ids) == 11 * BATCH + 20
    assert len(asker.ids) - stored == dropped > 0
    assert reader.tally.damaged_count == 0
    figure(
        "audit: full disk", f"answered {len(asker.ids):,} - stored {stored:,} = dropped {dropped:,}"
    )


def test_pipe_that_nobody_reads_drops_are_counted_exactly_and_slow_nobody(
    tmp_path: Path, figure: Callable[[str, object], None]
) -> None:
    policies, state, config = places(tmp_path, 'sink = "stdout"\ncapacity = 100')
    command = [
        sys.executable, "-m", "consentry.app", "serve", "--config", config, "--health", "none",
        "--policies", str(policies), "--state", str(state), "--listen", "127.0.0.1:0",
        "--http", "127.0.0.1:0", "--allow-ephemeral-ledger",
    ]  # fmt: skip
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env={k: v for k, v in os.environ.items() if not k.startswith("CONSENTRY_")},
    )  # fmt: skip
    try:
        ready = wait_for_event(process, "ready")
        # From here on nobody reads, and a pipe takes 64 KiB.
        sidecar = RunningSidecar(
            process=process, heard=None, target=ready["grpc"], socket="", http=ready["http"],
            health="",
        )  # type: ignore[arg-type]  # fmt: skip  # nobody listens to it
        with asking(sidecar.target) as asker:
            asker.check()
            quiet_s = median_s(asker)
            for _ in range(10):
                asker.batch()
            until(lambda: metric(sidecar, "audit_dropped_total") > 0)
            stuck_s = median_s(asker)
        assert not asker.refused
        assert len(asker.ids) == 10 * BATCH + 1 + 2 * ASKED
        assert stuck_s < 5 * quiet_s
        figure("audit: a check while nobody reads, ratio to before", f"{stuck_s / quiet_s:.2f}")

        def accounted() -> float:
            names = ("audit_records_total", "audit_dropped_total", "audit_queue_depth")
            return sum(metric(sidecar, name) for name in names)

        # The pipe is full once the writer, who has more to write, gets no further.
        until(lambda: len({metric(sidecar, "audit_records_total") for _ in range(10)}) == 1)
        assert accounted() == len(asker.ids)
        stored = metric(sidecar, "audit_records_total")
    finally:
        process.kill()
        said, _ = process.communicate(timeout=30)
    lines = [json.loads(line) for line in said.splitlines()]
    read = sum(line["event"] == "decision" for line in lines)
    assert read == stored < len(asker.ids)
    figure("audit: pipe unread", f"answered {len(asker.ids):,}, stored {read:,}, the rest counted")


def test_strict_mode_answers_nothing_without_a_record(
    tmp_path: Path, figure: Callable[[str, object], None]
) -> None:
    policies, state, config = places(tmp_path, 'mode = "strict"')
    with (
        running_sidecar(policies, state, "--config", config) as sidecar,
        asking(sidecar.target) as asker,
        grpc.insecure_channel(sidecar.health) as channel,
    ):
        health = health_pb2_grpc.HealthStub(channel)

        def serves(service: str) -> bool:
            answer = health.Check(health_pb2.HealthCheckRequest(service=service), timeout=20)
            return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

        asker.batch()
        asker.check()
        with full_disk(sidecar, state):
            for _ in range(5):
                asker.batch()
                asker.check()
            until(lambda: not serves("consentry.v1.AuthorizationService"))
            assert not serves("consentry.audit")
            assert not serves("")
            assert serves("consentry.policy")
            assert readiness(sidecar) == (503, "audit_unavailable")
        assert asker.refused == [grpc.StatusCode.UNAVAILABLE] * 10
        assert metric(sidecar, "audit_withheld_total") == 10
        until(lambda: serves(""))
        assert readiness(sidecar) == (200, "ok")
        asker.stream(5)

    stored = [record.decision_id for record in records_of(state)]
    assert stored == asker.ids
    assert len(stored) == BATCH + 6
    figure(
        "audit: strict, full disk", f"answered {len(asker.ids)} = stored {len(stored)}, refused 10"
    )


def readiness(sidecar: RunningSidecar) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://{sidecar.http}/readyz", timeout=30) as answer:
            return answer.status, answer.read().decode().strip()
    except urllib.error.HTTPError as problem:
        with problem:
            return problem.code, problem.read().decode().strip()


def load(asker: Asker, is_over: threading.Event) -> threading.Thread:
    def run() -> None:
        while not is_over.is_set():
            asker.check(f"person-{len(asker.ids) % 50}")

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@pytest.mark.parametrize("mode", ["strict", "buffered"])
def test_all_that_was_answered_before_leaving_is_recorded(tmp_path: Path, mode: str) -> None:
    policies, state, config = places(tmp_path, f'mode = "{mode}"')
    is_over = threading.Event()
    with (
        running_sidecar(policies, state, "--config", config) as sidecar,
        asking(sidecar.target) as first,
        asking(sidecar.target) as second,
    ):
        threads = [load(asker, is_over) for asker in (first, second)]
        until(lambda: min(len(first.ids), len(second.ids)) > 50)
        sidecar.process.send_signal(signal.SIGTERM)
        sidecar.process.wait(30)
        is_over.set()
        for thread in threads:
            thread.join()

    stored = [record.decision_id for record in records_of(state)]
    assert sorted(stored) == sorted(first.ids + second.ids)


def test_strict_mode_loses_nothing_to_a_kill(
    tmp_path: Path, figure: Callable[[str, object], None]
) -> None:
    policies, state, config = places(tmp_path, 'mode = "strict"')
    is_over = threading.Event()
    with (
        running_sidecar(policies, state, "--config", config) as sidecar,
        asking(sidecar.target) as first,
        asking(sidecar.target) as second,
    ):
        threads = [load(asker, is_over) for asker in (first, second)]
        until(lambda: min(len(first.ids), len(second.ids)) > 50)
        sidecar.process.kill()
        is_over.set()
        for thread in threads:
            thread.join()
        answered = set(first.ids + second.ids)

    stored = {record.decision_id for record in records_of(state)}
    assert answered <= stored
    assert len(stored - answered) <= 2, "no more than what was under way"
    figure("audit: strict, kill -9", f"answered {len(answered)}, of which without a record 0")


@pytest.mark.slow
def test_file_that_another_program_moves_away_loses_nothing(tmp_path: Path) -> None:
    policies, state, config = places(tmp_path)
    with (
        running_sidecar(policies, state, "--config", config) as sidecar,
        asking(sidecar.target) as asker,
    ):
        for turn in range(3):
            asker.batch()
            until(lambda: metric(sidecar, "audit_queue_depth") == 0)
            active = state / "audit" / "decisions.jsonl"
            active.rename(tmp_path / f"moved-{turn}.ndjson")
        asker.check()

    stored = [record.decision_id for record in records_of(state)]
    for turn in range(3):
        moved = AuditReader(tmp_path / f"moved-{turn}.ndjson").records()
        stored += [record.decision_id for record in moved]
    assert sorted(stored) == sorted(asker.ids)
