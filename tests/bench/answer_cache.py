"""The answer cache of a running sidecar: what each way through it costs, and what it holds."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from consentry.v1 import authorization_pb2, decision_pb2
from tests.bench.equal_work import Question, consentry_request
from tests.bench.measure import Series, memory_bytes, paired_rounds, pin
from tests.bench.peer_series import Say, ours_running
from tests.bench.report import Fact
from tests.bench.wire import Caller, fresh_numbers

ROOMY = "[cache]\nmax_entries = 200000\nmax_bytes = 268435456\nmax_age_s = 3600\n"
MODES = {
    "kept": ROOMY,
    "full": "[cache]\nmax_entries = 500\n",
    "compared": '[cache]\nmode = "compare"\n',
    "off": '[cache]\nmode = "off"\n',
}
IN_FLIGHT = 16
BATCH = 1_000


def measure_ways(*, rounds: int, calls: int, say: Say) -> Series:
    """Server CPU per call: a hit, a miss with room, a miss that pushes another answer out, a hit
    that is compared with an evaluation, and no cache at all.
    """
    question, numbers = Question(100), fresh_numbers()
    with ExitStack() as stack:
        callers = {}
        for mode, settings in MODES.items():
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            _, sidecar = stack.enter_context(ours_running(question, folder, settings))
            callers[mode] = Caller(sidecar.target, sidecar.pid)
            stack.callback(callers[mode].close)
        pin(0, 1)
        same = [consentry_request(question).SerializeToString()] * calls

        def fresh() -> list[bytes]:
            return [
                consentry_request(question, next(numbers)).SerializeToString() for _ in range(calls)
            ]

        def side(mode: str, bodies: Callable[[], list[bytes]]) -> Callable[[], float]:
            return lambda: callers[mode].server_us_per_call(bodies(), in_flight=IN_FLIGHT)

        sides = {
            "hit": side("kept", lambda: same),
            "miss": side("kept", fresh),
            "miss, full": side("full", fresh),
            "hit, compared": side("compared", lambda: same),
            "off": side("off", lambda: same),
        }
        return paired_rounds(sides, rounds=rounds, progress=say)


def fill(caller: Caller, question: Question, count: int, say: Say) -> None:
    """Asks `count` different questions, in batches, and makes sure that all are permitted."""
    for start in range(0, count, BATCH):
        request = authorization_pb2.CheckBatchRequest()
        for number in range(start, min(count, start + BATCH)):
            request.items.add().check.CopyFrom(consentry_request(question, number))
        raw = caller.call("CheckBatch", request.SerializeToString())
        results = authorization_pb2.CheckBatchResponse.FromString(raw).results
        if any(one.response.effect != decision_pb2.EFFECT_PERMIT for one in results):
            raise ValueError("a question that must be permitted was not")
        say(f"answers kept: {start + len(results):,}")


def measure_memory(*, rule_count: int, answers: int, say: Say) -> dict[str, Fact]:
    """Memory of the sidecar's process: with few rules, with many, and with many kept answers."""
    with ExitStack() as stack:

        def running(rules: int) -> tuple[Caller, int]:
            say(f"starting with {rules:,} rules")
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            side = ours_running(Question(rules), folder, ROOMY)
            _, sidecar = stack.enter_context(side)
            caller = Caller(sidecar.target, sidecar.pid)
            stack.callback(caller.close)
            return caller, sidecar.pid

        _, small = running(10)
        caller, pid = running(rule_count)
        before = memory_bytes(pid)
        fill(caller, Question(rule_count), answers, say)
        after = memory_bytes(pid)
        small_bytes = memory_bytes(small)
    return {
        "10 rules": Fact(value=small_bytes / 2**20, unit="MiB"),
        f"{rule_count:,} rules": Fact(value=before / 2**20, unit="MiB"),
        f"{rule_count:,} rules, {answers:,} answers": Fact(
            value=after / 2**20, unit="MiB", goal="<= 180 at 10,000 rules and 100,000 answers"
        ),
        "one kept answer": Fact(value=(after - before) / answers, unit="bytes"),
        "one rule, loaded at start": Fact(
            value=(before - small_bytes) / (rule_count - 10), unit="bytes"
        ),
    }
