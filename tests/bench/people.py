"""Many data subjects in the ledger: its size, and what the first question about one costs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from consentry.app.state_folder import LEDGER_FILE, LEDGER_FOLDER
from consentry.app.system import ProcessIds, SystemClock
from consentry.consent.sqlite import SqliteLedger
from consentry.model.consent import ConsentEvent, EventKind, Proof, Scope
from tests.bench.equal_work import Question, consentry_files, consentry_request
from tests.bench.measure import has_time, memory_bytes, paired_rounds, pin
from tests.bench.peer_series import NO_CACHE, Say
from tests.bench.report import Fact
from tests.bench.unary import must_permit
from tests.bench.wire import Caller
from tests.support.sidecar import RunningSidecar, running_sidecar

QUESTION = Question(100)
COMMIT = 1_000
RESERVE_S = 15.0
"""Left for what comes after the ledger was filled."""


def person(number: int) -> str:
    """The id of one of them."""
    return f"person-{number:08d}"


def fill(state: Path, people: int, say: Say, *, least: int = 1) -> tuple[Path, int]:
    """A ledger below `state` in which so many people agreed to what is asked; its file.

    And how many there are: fewer where the time that was given does not suffice, but `least`.
    """
    folder = state / LEDGER_FOLDER
    folder.mkdir(parents=True)
    path = folder / LEDGER_FILE
    ledger = SqliteLedger(path, clock=SystemClock(), ids=ProcessIds(), reserve_bytes=0)
    there = 0
    for start in range(0, people, COMMIT):
        if there >= least and not has_time(RESERVE_S):
            break
        numbers = range(start, min(people, start + COMMIT))
        ledger.record(
            [
                ConsentEvent(
                    kind=EventKind.GIVEN,
                    data_subject_id=person(number),
                    scope=Scope(purpose=QUESTION.purpose),
                    happened_at_us=0,
                    proof=Proof(method="form"),
                    idempotency_key=f"bench-{number}",
                )
                for number in numbers
            ]
        )
        there = numbers[-1] + 1
        say(f"people in the ledger: {there:,}")
    ledger.close()
    return path, there


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


def measure(*, people: int, calls: int, rounds: int, say: Say) -> dict[str, Fact]:
    """Size on disk and in memory for each person, and server CPU of cold and of held reads."""
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder, "state")
        file, people = fill(state, people, say, least=calls * (rounds + 1) + 1)
        size = file.stat().st_size
        with sidecar_on(state, QUESTION.rule_count) as sidecar:
            caller = Caller(sidecar.target, sidecar.pid)
            pin(sidecar.pid, 0)
            pin(0, 1)
            must_permit(caller.call("Check", asked(people - 1)))
            # Each round asks about people whom nobody asked about before.
            step = max(1, people // (calls * (rounds + 1)))
            fresh = iter(range(0, people - 1, step))
            held = [asked(people - 1)] * calls

            def cold() -> float:
                bodies = [asked(next(fresh)) for _ in range(calls)]
                return caller.server_us_per_call(bodies, in_flight=16)

            before = memory_bytes(sidecar.pid)
            sides = {
                "cold": cold,
                "held": lambda: caller.server_us_per_call(held, in_flight=16),
            }
            series = paired_rounds(sides, rounds=rounds, progress=say)
            after = memory_bytes(sidecar.pid)
            caller.close()
        read = calls * (len(series.rounds["cold"]) + 1)
    return {
        "people in the ledger": Fact(value=people, unit="people"),
        "one person on disk": Fact(value=size / people, unit="bytes"),
        "sidecar, nobody read": Fact(value=before / 2**20, unit="MiB"),
        f"sidecar, {read:,} read": Fact(value=after / 2**20, unit="MiB"),
        "one person in memory": Fact(value=(after - before) / read, unit="bytes"),
        "check, person not held": Fact(value=series.median("cold"), unit="us of server CPU"),
        "check, person held": Fact(value=series.median("held"), unit="us of server CPU"),
        "not held / held": Fact(value=series.ratio("cold", "held")[1], unit="ratio"),
    }
