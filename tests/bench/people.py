"""Many data subjects in the ledger: its size, and what the first question about one costs."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from consentry.app.state_folder import LEDGER_FILE, LEDGER_FOLDER
from consentry.app.system import ProcessIds, SystemClock
from consentry.consent.append import keys_of, plan_append
from consentry.consent.sqlite_rows import head_in, insert_rows, ledger_id_in
from consentry.consent.sqlite_schema import open_writer
from consentry.model.consent import ConsentEvent, EventKind, Proof, Scope
from tests.bench.equal_work import Question, consentry_files, consentry_request
from tests.bench.measure import has_time, memory_bytes, paired_rounds, pin, thread_cpu_ns
from tests.bench.peer_series import NO_CACHE, Say
from tests.bench.report import Fact
from tests.bench.unary import must_permit
from tests.bench.wire import Caller
from tests.support.sidecar import RunningSidecar, running_sidecar

QUESTION = Question(100)
COMMIT = 10_000
LEAST = 20_000
RESERVE_S = 35.0
"""Left for what comes after the ledger was filled."""


def person(number: int) -> str:
    """The id of one of them."""
    return f"person-{number:08d}"


def agreed(number: int) -> ConsentEvent:
    """What one of them did."""
    return ConsentEvent(
        kind=EventKind.GIVEN,
        data_subject_id=person(number),
        scope=Scope(purpose=QUESTION.purpose),
        happened_at_us=0,
        proof=Proof(method="form"),
        idempotency_key=f"bench-{number}",
    )


def fill(state: Path, people: int, say: Say, *, least: int = 1) -> tuple[Path, int]:
    """A ledger below `state` in which so many people agreed to what is asked; its file.

    And how many there are: fewer where the time that was given does not suffice, but `least`.

    The rows are those that `SqliteLedger.record` would write, planned and written by the same code,
    and verify; only the disk is not waited for at each commit, which is what takes long.
    """
    folder = state / LEDGER_FOLDER
    folder.mkdir(parents=True)
    path = folder / LEDGER_FILE
    writer, ids, now_us = open_writer(path), ProcessIds(), SystemClock().now_us()
    writer.pragma("synchronous", "OFF")
    ledger_id = ledger_id_in(writer)
    head = head_in(writer, ledger_id)
    while head.position < people and (head.position < least or has_time(RESERVE_S)):
        events = [
            agreed(number) for number in range(head.position, min(people, head.position + COMMIT))
        ]
        keys = keys_of(events, ledger_id)
        append = plan_append(events, keys, {}, head=head, now_us=now_us, ids=ids)
        with writer:
            insert_rows(writer, append.rows)
        head = append.head
        say(f"people in the ledger: {head.position:,}")
    writer.close()
    return path, head.position


@contextmanager
def sidecar_on(state: Path, rule_count: int) -> Iterator[RunningSidecar]:
    """A sidecar on that ledger, without an answer cache."""
    with tempfile.TemporaryDirectory() as folder:
        policies, config = Path(folder, "policies"), Path(folder, "consentry.toml")
        policies.mkdir()
        for name, text in consentry_files(rule_count).items():
            (policies / name).write_text(text)
        config.write_text(NO_CACHE)
        with running_sidecar(policies, state, "--no-watch", "--config", str(config)) as sidecar:
            yield sidecar


def asked(number: int) -> bytes:
    """The question about one person."""
    request = consentry_request(QUESTION, number)
    request.subject.id = person(number)
    return request.SerializeToString()


def verified_s(file: Path) -> float:
    """How long `consentry ledger verify` takes to walk the whole chain.

    Raises:
        subprocess.CalledProcessError: the ledger does not hold; nothing is measured on it then.
    """
    command = [sys.executable, "-m", "consentry.app", "ledger", "verify", "--ledger", str(file)]
    began_s = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began_s


def busiest_thread(pid: int, seconds: float = 0.3) -> int:
    """The thread that works although nobody asks: a sidecar verifies its ledger once it is up."""
    before = thread_cpu_ns(pid)
    time.sleep(seconds)
    after = thread_cpu_ns(pid)
    return max(after, key=lambda task: after[task] - before.get(task, 0))


def measure(*, people: int, calls: int, rounds: int, say: Say) -> dict[str, Fact]:
    """Size on disk and in memory for each person, and server CPU of cold and of held reads."""
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder, "state")
        file, people = fill(state, people, say, least=min(people, LEAST))
        size = file.stat().st_size
        say("verifying the ledger")
        walked_s = verified_s(file)
        with sidecar_on(state, QUESTION.rule_count) as sidecar:
            caller = Caller(sidecar.target, sidecar.pid)
            pin(sidecar.pid, 0)
            pin(0, 1)
            must_permit(caller.call("Check", asked(people - 1)))
            verifier = busiest_thread(sidecar.pid)
            # Each round asks about people whom nobody asked about before.
            step = max(1, people // (calls * (rounds + 1)))
            fresh = iter(range(0, people - 1, step))
            held = [asked(people - 1)] * calls

            def ask(bodies: list[bytes]) -> float:
                before_ns = thread_cpu_ns(sidecar.pid).get(verifier, 0)
                us = caller.server_us_per_call(bodies, in_flight=16)
                spent_ns = thread_cpu_ns(sidecar.pid).get(verifier, before_ns) - before_ns
                return us - spent_ns / 1000 / len(bodies)

            before = memory_bytes(sidecar.pid)
            sides = {
                "cold": lambda: ask([asked(next(fresh)) for _ in range(calls)]),
                "held": lambda: ask(held),
            }
            series = paired_rounds(sides, rounds=rounds, progress=say)
            after = memory_bytes(sidecar.pid)
            caller.close()
        read = calls * (len(series.rounds["cold"]) + 1)
    return {
        "people in the ledger": Fact(value=people, unit="people", goal=">= 1,000,000"),
        "whole chain verified by the command": Fact(value=walked_s, unit="s"),
        "one person on disk": Fact(value=size / people, unit="bytes"),
        "sidecar, nobody read": Fact(value=before / 2**20, unit="MiB"),
        f"sidecar, {read:,} read": Fact(value=after / 2**20, unit="MiB"),
        "one person in memory": Fact(value=(after - before) / read, unit="bytes"),
        "check, person not held": Fact(value=series.median("cold"), unit="us of server CPU"),
        "check, person held": Fact(value=series.median("held"), unit="us of server CPU"),
        "not held / held": Fact(value=series.ratio("cold", "held")[1], unit="ratio"),
    }
