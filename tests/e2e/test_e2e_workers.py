"""`consentry serve --workers 2`: no stale permit, deaths and orphans, sums, reloads, the end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from consentry.client import CacheOptions, Client, Subject, event, service
from consentry.client.questions import QuestionFields
from consentry.telemetry.audit.reader import AuditReader
from consentry.v1 import policy_pb2
from tests.support.audit import records_of
from tests.support.fleet import POLICY, PURPOSE
from tests.support.history import Answer, History, Recording
from tests.support.sidecar import wait_for_event

MAILER = service("mailer")


def asked(person: str) -> QuestionFields:
    return {
        "principal": MAILER, "action": "read", "data": ["email"], "subject": Subject(id=person),
        "purpose": PURPOSE,
    }  # fmt: skip


@dataclass
class Fleet:
    """A parent with two workers, each of which can be asked alone."""

    process: subprocess.Popen[str]
    socket: str
    target: str
    http: str
    policies: Path

    def worker(self, number: int) -> str:
        return f"unix:{self.socket}.{number}"

    def worker_pids(self) -> list[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [
            int(pid)
            for pid in children.split()
            if "workers.worker" in Path(f"/proc/{pid}/cmdline").read_text()
        ]

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://{self.http}{path}", timeout=30) as answer:
            return str(answer.read().decode())

    def count(self, pattern: str) -> float:
        return sum(
            float(n) for n in re.findall(rf"^{pattern} (.*)$", self.get("/metrics"), re.MULTILINE)
        )


def command(folder: Path, *flags: str) -> list[str]:
    return [
        sys.executable, "-m", "consentry.app", "serve", "--workers", "2",
        "--policies", str(folder / "policies"), "--state", str(folder / "state"),
        "--listen", f"unix:{folder}/c.sock", "--health", "none", "--http", "127.0.0.1:0",
        "--drain-delay-s", "0", "--allow-ephemeral-ledger", *flags,
    ]  # fmt: skip


@contextmanager
def serving(folder: Path, *flags: str) -> Iterator[Fleet]:
    policies = folder / "policies"
    policies.mkdir(exist_ok=True)
    (policies / "shop.policy").write_text(POLICY)
    flags = flags or ("--listen", "127.0.0.1:0")
    process = subprocess.Popen(
        command(folder, *flags), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={k: v for k, v in os.environ.items() if not k.startswith("CONSENTRY_")},
    )  # fmt: skip
    assert process.stdout is not None
    # Nobody reads the log any more once it is ready: what comes must not fill the pipe.
    reading = threading.Thread(target=process.stdout.read, daemon=True)
    try:
        ready = wait_for_event(process, "ready")
        reading.start()
        target = next(a for a in ready["grpc"].split() if not a.startswith("unix:"))
        yield Fleet(process, f"{folder}/c.sock", target, ready["http"], policies)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if reading.ident is not None:
            reading.join(30)
        process.stdout.close()


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    with tempfile.TemporaryDirectory(prefix="consentry-") as folder, serving(Path(folder)) as made:
        yield made


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="consentry-") as name:
        yield Path(name)


def until(condition: Callable[[], bool], limit_s: float = 30.0) -> None:
    pause, end_s = threading.Event(), time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end_s, "it never came"
        pause.wait(0.02)


class Teller:
    """Asks one worker and notes everything; to callers all workers are one sidecar."""

    def __init__(self, client: Client, history: History) -> None:
        self.client, self.history = client, history

    def record(self, person: str, *, is_given: bool) -> None:
        began_s = time.monotonic()
        kind = "given" if is_given else "withdrawn"
        position = self.client.record_consent(
            event(kind, person, purpose=PURPOSE, notice="n", proof_method="web form")
        )
        self.history.add(Recording(person, 0, is_given, began_s, time.monotonic(), position))

    def ask(self, person: str) -> bool:
        asked_s = time.monotonic()
        decision = self.client.check(**asked(person))
        assert decision.is_answered, decision.error
        self.history.add(
            Answer(
                person, 0, decision.is_permitted, decision.reason, decision.ledger_position,
                asked_s, time.monotonic(),
            )
        )  # fmt: skip
        return decision.is_permitted


def withdraw_here_and_ask_there(fleet: Fleet, rounds: int) -> History:
    """Each round gives and withdraws on one worker and asks the other at once; others ask on."""
    history, is_over = History(), threading.Event()
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(fleet.worker(n), timeout_s=20)) for n in (0, 1, 0, 1)]
        tellers = [Teller(client, history) for client in clients]

        def go_on(teller: Teller) -> None:
            while not is_over.is_set():
                teller.ask("ada")

        with ThreadPoolExecutor(2) as threads:
            others = [threads.submit(go_on, teller) for teller in tellers[2:]]
            try:
                for number in range(rounds):
                    here, there = tellers[number % 2], tellers[1 - number % 2]
                    here.record("ada", is_given=True)
                    assert there.ask("ada")
                    here.record("ada", is_given=False)
                    assert not there.ask("ada")
            finally:
                is_over.set()
            for other in others:
                other.result(30)
    return history


def test_withdrawal_on_one_worker_counts_on_the_other_at_once(
    fleet: Fleet, figure: Callable[[str, object], None]
) -> None:
    history = withdraw_here_and_ask_there(fleet, 100)

    stale = history.check(0.0)
    figure("workers: answers checked", len(history.answers))
    figure("workers: stale answers after a withdrawal on another worker", len(stale))
    assert stale == []
    assert fleet.count(r'consentry_consent_events_total\{kind="withdrawn"\}') == 100


@pytest.mark.slow
def test_withdrawals_count_at_once_in_a_long_run(
    folder: Path, figure: Callable[[str, object], None]
) -> None:
    with serving(folder) as fleet:
        history = withdraw_here_and_ask_there(fleet, 2_000)

    stale = history.check(0.0)
    figure("workers, long run: answers checked", len(history.answers))
    figure("workers, long run: stale answers", len(stale))
    assert stale == []


def test_cache_of_a_caller_of_one_worker_hears_of_what_the_other_recorded(fleet: Fleet) -> None:
    with (
        Client(fleet.worker(0), timeout_s=20, cache=CacheOptions()) as reader,
        Client(fleet.worker(1), timeout_s=20) as writer,
    ):
        given = event("given", "eve", purpose=PURPOSE, notice="n", proof_method="web form")
        writer.record_consent(given)
        until(lambda: reader.check(**asked("eve")).is_from_cache)
        writer.record_consent(event("withdrawn", "eve", purpose=PURPOSE))
        until(lambda: not reader.permits(**asked("eve")), limit_s=2.0)


def test_counts_are_summed_and_outlive_a_worker_that_is_killed(fleet: Fleet) -> None:
    served = r"consentry_decisions_total\{.*\}"
    with Client(fleet.worker(0), timeout_s=20) as one, Client(fleet.worker(1), timeout_s=20) as two:
        start = fleet.count(served)
        for client in (one, two, two):
            client.check(**asked("joe"))
        before = fleet.count(served)
        killed = fleet.worker_pids()[0]
        os.kill(killed, signal.SIGKILL)
        until(lambda: killed not in fleet.worker_pids() and len(fleet.worker_pids()) == 2)
        until(lambda: fleet.get("/readyz") == "ok\n" and one.check(**asked("joe")).is_answered)
        after = fleet.count(served)

    assert before - start == 3
    assert after >= before


def test_callers_of_the_one_path_and_the_one_port_reach_both_workers(fleet: Fleet) -> None:
    makers = {f"unix:{fleet.socket}": set[str](), fleet.target: set[str]()}
    for target, seen in makers.items():

        def ask_anew(target: str = target, seen: set[str] = seen) -> bool:
            with Client(target, timeout_s=20) as client:
                decision = client.check(**asked("joe"))
                seen.add(decision.decision_id.rpartition("-")[0])
            return len(seen) == 2

        until(ask_anew)

    assert makers[f"unix:{fleet.socket}"] == makers[fleet.target]


def test_public_statement_is_served_for_all(fleet: Fleet) -> None:
    assert "Our letters" in fleet.get("/transparency.md")


def test_reload_on_one_worker_reaches_all(fleet: Fleet) -> None:
    text = POLICY.replace("Our letters", "Our weekly letters")
    with ExitStack() as stack:
        clients = [
            stack.enter_context(Client(fleet.worker(n), timeout_s=20, write_timeout_s=60))
            for n in (0, 1)
        ]
        before = {client.check(**asked("joe")).policy_digest for client in clients}
        (fleet.policies / "shop.policy").write_text(text)
        reload = clients[0]._channel.unary_unary("/consentry.v1.PolicyService/ReloadPolicies")
        told = policy_pb2.ReloadPoliciesResponse.FromString(reload(b"", timeout=60))
        after = {client.check(**asked("joe")).policy_digest for client in clients}

    assert len(before) == len(after) == 1
    assert after == {told.digest}
    assert before != after


def test_port_and_path_of_living_workers_are_refused(fleet: Fleet, folder: Path) -> None:
    (folder / "policies").mkdir()
    path = ("--listen", f"unix:{fleet.socket}")
    for taken in (("--listen", fleet.target), path):
        done = subprocess.run(
            command(folder, *taken), capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 3, done.stdout + done.stderr


def test_workers_leave_with_a_parent_that_is_killed_and_another_takes_over(folder: Path) -> None:
    with serving(folder) as first:
        with Client(first.worker(0), timeout_s=20) as client:
            client.record_consent(
                event("given", "ada", purpose=PURPOSE, notice="n", proof_method="web form")
            )
        workers = first.worker_pids()
        first.process.kill()
        first.process.wait()
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), limit_s=10.0)
    with serving(folder) as second, Client(f"unix:{second.socket}", timeout_s=20) as client:
        assert client.permits(**asked("ada"))


def test_second_parent_waits_for_no_living_one(fleet: Fleet, folder: Path) -> None:
    flags = ["--state", str(fleet.policies.parent / "state"), "--listen", "127.0.0.1:0"]
    (folder / "policies").mkdir()
    done = subprocess.run(
        command(folder, *flags), capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 4, done.stdout + done.stderr


def test_leaving_fails_no_call_and_leaves_nothing_behind(folder: Path) -> None:
    with serving(folder) as fleet, ExitStack() as stack:
        clients = [stack.enter_context(Client(fleet.worker(n), timeout_s=20)) for n in (0, 1)]
        answered = [client.check(**asked("ada")).is_answered for client in clients]
        workers = fleet.worker_pids()
        fleet.process.send_signal(signal.SIGTERM)
        code = fleet.process.wait(60)

    assert code == 0
    assert answered == [True, True]
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
    assert not list(folder.glob("c.sock*[!k]")), "sockets and links are removed; locks stay"
    assert len(records_of(folder / "state")) == 2


@pytest.mark.parametrize("mode", ["buffered", "strict"])
def test_every_answer_of_every_worker_has_one_record(folder: Path, mode: str) -> None:
    config = folder / "consentry.toml"
    config.write_text(f'[audit]\nmode = "{mode}"\nmax_file_bytes = 8_000\n')
    flags = ("--listen", "127.0.0.1:0", "--config", str(config))
    with serving(folder, *flags) as fleet, ExitStack() as stack:
        clients = [stack.enter_context(Client(fleet.worker(n), timeout_s=20)) for n in (0, 1)]
        given = [clients[number % 2].check(**asked(f"person-{number % 7}")) for number in range(60)]
        until(lambda: fleet.count("consentry_audit_records_total") == 60)
        assert fleet.count("consentry_decisions_total{.*}") == 60
        assert fleet.count("consentry_audit_failing") == 0

    reader = AuditReader(folder / "state" / "audit")
    records = list(reader.records())
    assert sorted(r.decision_id for r in records) == sorted(d.decision_id for d in given)
    assert records == sorted(records, key=lambda record: record.time_us)
    is_about = reader.is_about("person-3")
    assert sum(map(is_about, records)) == sum(n % 7 == 3 for n in range(60))


def test_workers_follow_a_ledger_of_others_themselves(folder: Path) -> None:
    """Nobody answers at the node's address: each worker denies what it cannot know."""
    flags = ("--listen", "127.0.0.1:0", "--ledger", "upstream=127.0.0.1:1")
    with serving(folder, *flags) as fleet:
        reasons = []
        for number in (0, 1):
            with Client(fleet.worker(number), timeout_s=20) as client:
                reasons.append(client.check(**asked("ada")).reason)

    assert reasons == ["consent_state_unavailable"] * 2


def test_ledger_node_with_workers_is_refused(folder: Path) -> None:
    done = subprocess.run(
        command(folder, "--serves-feed"), capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 2
    assert "one process" in done.stderr
