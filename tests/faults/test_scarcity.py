"""Too little of something, or too much at once: memory, threads, time of the processor, one person.

What a machine does not give (a memory cgroup of its own) is named where it is left out.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from consentry.v1 import authorization_pb2, consent_pb2, consent_pb2_grpc, decision_pb2
from tests.bench.requests import newsletter_check
from tests.bench.unary import record_consent
from tests.support.sidecar import RunningSidecar, running_sidecar

pytestmark = pytest.mark.slow

POLICIES = Path(__file__).resolve().parents[2] / "policies"
CHECK = "/consentry.v1.AuthorizationService/Check"
CGROUPS = (Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup"))
LIMITS = {"memory": "memory.limit_in_bytes", "cgroup": "memory.max"}
Figure = Callable[[str, object], None]


def ask(sidecar: RunningSidecar, body: bytes | None = None) -> authorization_pb2.CheckResponse:
    with grpc.insecure_channel(sidecar.target) as channel:
        raw = channel.unary_unary(CHECK)(body or newsletter_check(), timeout=60)
    return authorization_pb2.CheckResponse.FromString(raw)


def about(name: str) -> bytes:
    message = authorization_pb2.CheckRequest.FromString(newsletter_check())
    message.subject.id = name
    return message.SerializeToString()


@contextlib.contextmanager
def memory_limit(limit_bytes: int) -> Iterator[Path]:
    """A memory cgroup; a test is left out, with the reason printed, where none can be made."""
    for parent in CGROUPS:
        folder, limit = parent / f"consentry-{os.getpid()}", parent.name
        try:
            folder.mkdir()
        except OSError:
            continue
        try:
            (folder / LIMITS[limit]).write_text(str(limit_bytes))
        except OSError:
            folder.rmdir()
            continue
        try:
            yield folder
        finally:
            folder.rmdir()
        return
    pytest.skip("no memory cgroup can be made here (needs root and a writable cgroup tree)")


def test_sidecar_in_little_memory_serves_or_starts_again_with_all_it_acknowledged(
    tmp_path: Path, figure: Figure
) -> None:
    """256 MiB, and 20,000 people nobody asked about before."""
    with memory_limit(256 * 1024 * 1024) as group:
        with running_sidecar(POLICIES, tmp_path, "--no-watch") as sidecar:
            (group / "cgroup.procs").write_text(str(sidecar.pid))
            record_consent(sidecar.target)
            with contextlib.suppress(grpc.RpcError):
                for batch in range(20):
                    ask_about_many(sidecar, batch)
            is_alive = sidecar.process.poll() is None
        with running_sidecar(POLICIES, tmp_path, "--no-watch") as again:
            effect = ask(again).effect
    figure("scarcity: in 256 MiB the sidecar", "lived" if is_alive else "was ended, and came back")
    assert effect == decision_pb2.EFFECT_PERMIT


def ask_about_many(sidecar: RunningSidecar, batch: int) -> None:
    request = authorization_pb2.CheckBatchRequest()
    for number in range(1_000):
        item = request.items.add()
        item.check.MergeFromString(about(f"somebody-{batch}-{number}"))
    with grpc.insecure_channel(sidecar.target) as channel:
        method = "/consentry.v1.AuthorizationService/CheckBatch"
        channel.unary_unary(method)(request.SerializeToString(), timeout=60)


def test_sidecar_that_gets_no_more_threads_answers_with_those_it_has(tmp_path: Path) -> None:
    """Its address space ends soon after the start: no thread's stack fits any more."""
    with running_sidecar(POLICIES, tmp_path, "--no-watch") as sidecar:
        record_consent(sidecar.target)
        assert ask(sidecar).effect == decision_pb2.EFFECT_PERMIT
        pages = int(Path(f"/proc/{sidecar.pid}/statm").read_text().split()[0])
        room = pages * os.sysconf("SC_PAGE_SIZE") + 4 * 1024 * 1024
        subprocess.run(["prlimit", f"--pid={sidecar.pid}", f"--as={room}"], check=True)
        effects = [ask(sidecar).effect for _ in range(20)]

    assert set(effects) == {decision_pb2.EFFECT_PERMIT}


def test_sidecar_that_is_starved_of_time_answers_in_time_or_not_at_all(tmp_path: Path) -> None:
    """Four busy processes of higher priority on its one core."""
    busy = [sys.executable, "-c", "while True: pass"]
    with running_sidecar(POLICIES, tmp_path, "--no-watch") as sidecar:
        record_consent(sidecar.target)
        core = min(os.sched_getaffinity(0))
        for task in Path(f"/proc/{sidecar.pid}/task").iterdir():
            os.sched_setaffinity(int(task.name), {core})
        os.setpriority(os.PRIO_PROCESS, sidecar.pid, 10)
        hogs = [subprocess.Popen(["taskset", "-c", str(core), *busy]) for _ in range(4)]
        try:
            codes = [outcome(sidecar) for _ in range(20)]
        finally:
            for hog in hogs:
                hog.kill()
                hog.wait()
        after = ask(sidecar)

    assert set(codes) <= {"PERMIT", "DEADLINE_EXCEEDED"}
    assert after.effect == decision_pb2.EFFECT_PERMIT


def outcome(sidecar: RunningSidecar) -> str:
    with grpc.insecure_channel(sidecar.target) as channel:
        try:
            raw = channel.unary_unary(CHECK)(newsletter_check(), timeout=1)
        except grpc.RpcError as problem:
            return str(problem.code().name)
    answer = authorization_pb2.CheckResponse.FromString(raw)
    return "PERMIT" if answer.effect == decision_pb2.EFFECT_PERMIT else answer.reason


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
def test_second_signal_ends_a_drain_that_would_take_long(first: int, tmp_path: Path) -> None:
    with running_sidecar(POLICIES, tmp_path, "--no-watch", "--drain-delay-s", "600") as sidecar:
        sidecar.process.send_signal(first)
        sidecar.heard.wait_for("draining")
        sidecar.process.send_signal(signal.SIGTERM)
        assert sidecar.process.wait(timeout=60) == 0


@pytest.mark.parametrize("starts", [200])
def test_storm_of_starts_leaves_nothing_behind(starts: int, tmp_path: Path, figure: Figure) -> None:
    """Half of them killed: each next one starts, and never permits before it may."""
    for number in range(starts):
        with running_sidecar(POLICIES, tmp_path, "--no-watch") as sidecar:
            if number == 0:
                record_consent(sidecar.target)
            assert ask(sidecar).effect == decision_pb2.EFFECT_PERMIT
            if number % 2:
                sidecar.process.kill()
                sidecar.process.wait()
    figure("scarcity: starts on one state folder, half of them killed", starts)


def test_sixty_four_withdrawals_of_one_person_at_once_are_all_recorded(tmp_path: Path) -> None:
    kind = consent_pb2.EVENT_KIND_WITHDRAWN
    with (
        running_sidecar(POLICIES, tmp_path, "--no-watch") as sidecar,
        grpc.insecure_channel(sidecar.target) as channel,
        ThreadPoolExecutor(64) as writers,
    ):
        record_consent(sidecar.target)
        stub = consent_pb2_grpc.ConsentServiceStub(channel)
        start = threading.Barrier(64)

        def withdraw(number: int) -> int:
            event = consent_pb2.ConsentEvent(
                kind=kind, subject="bench-customer-1", idempotency_key=f"at-once-{number}",
                scope=consent_pb2.ConsentScope(purpose="marketing"),
            )  # fmt: skip
            start.wait(30)
            request = consent_pb2.RecordConsentRequest(events=[event])
            return int(stub.RecordConsent(request, timeout=60).recorded[0].position)

        positions = list(writers.map(withdraw, range(64)))
        answer = ask(sidecar)

    assert sorted(positions) == list(range(2, 66))
    assert answer.reason == "consent_withdrawn"
    assert answer.moment.ledger_position >= 65


def test_five_hundred_callers_of_one_question_all_get_its_answer(tmp_path: Path) -> None:
    """A question nobody has asked yet, by all at once: no convoy, no wrong answer."""
    with (
        running_sidecar(POLICIES, tmp_path, "--no-watch") as sidecar,
        grpc.insecure_channel(sidecar.target) as channel,
    ):
        record_consent(sidecar.target)
        grpc.channel_ready_future(channel).result(timeout=30)
        ask_one = channel.unary_unary(CHECK)
        for round_ in range(4):
            body = newsletter_check(1_000 + round_)
            calls = [ask_one.future(body, timeout=60) for _ in range(100)]
            answers = [authorization_pb2.CheckResponse.FromString(c.result()) for c in calls]
            assert {a.effect for a in answers} == {decision_pb2.EFFECT_PERMIT}


def test_scan_of_strangers_does_not_take_the_known_question_out_for_long(tmp_path: Path) -> None:
    config = tmp_path / "consentry.toml"
    config.write_text("[cache]\nmax_entries = 100\n")
    with running_sidecar(
        POLICIES, tmp_path / "state", "--no-watch", "--config", str(config)
    ) as sidecar:
        record_consent(sidecar.target)
        for number in range(400):
            assert ask_kept(sidecar, about(f"scan-{number}")).reason == "consent_missing"
            if number % 20 == 0:
                assert ask_kept(sidecar, newsletter_check()).effect == decision_pb2.EFFECT_PERMIT


def ask_kept(sidecar: RunningSidecar, body: bytes) -> authorization_pb2.CheckResponse:
    channel = _CHANNELS.setdefault(sidecar.target, grpc.insecure_channel(sidecar.target))
    return authorization_pb2.CheckResponse.FromString(channel.unary_unary(CHECK)(body, timeout=60))


_CHANNELS: dict[str, grpc.Channel] = {}
