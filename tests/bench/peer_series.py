"""Consentry beside other engines: same policy, same question, same answers, in turns."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import grpc

from consentry.v1 import authorization_pb2, consent_pb2, consent_pb2_grpc, decision_pb2
from tests.bench import h2
from tests.bench.equal_work import Question, consentry_consent, consentry_files, consentry_request
from tests.bench.measure import Series, paired_rounds, pin
from tests.bench.peers import cerbos, opa, openfga, python_peers
from tests.bench.peers.install import PeerMissingError
from tests.support.sidecar import RunningSidecar, running_sidecar

Say = Callable[[str], None]
CHECK = "/consentry.v1.AuthorizationService/Check"
BATCH = "/consentry.v1.AuthorizationService/CheckBatch"
OPEN_RATE = 5_000
OUR_EVALUATIONS = 4_000
NO_CACHE = '[cache]\nmode = "off"\n'
NO_AUDIT = "[audit]\nis_enabled = false\n"
"""The others write no decision log either."""
NEVER_KEPT = "[cache]\nmax_age_s = 0.000001\n"
"""An answer lives for a microsecond: the same question finds none the next time, is evaluated, and
its answer kept again. So the native generator, which repeats itself, can ask for misses.
"""


class WrongAnswerError(Exception):
    """An engine answers the shared question otherwise than it must; nothing is timed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One server under load: where, and what it is asked."""

    door: h2.Door
    body: bytes
    answer_bytes: int = 0

    def us_per_call(self, calls: int, in_flight: int) -> float:
        """Server CPU per call, closed loop; sixteen streams a connection at most."""
        return h2.load(
            self.door,
            self.body,
            calls=calls,
            connections=max(1, in_flight // 16),
            streams=min(16, in_flight),
            answer_bytes=self.answer_bytes,
        ).server_us

    def p99_us(self, seconds: int) -> float:
        """The 99th percentile that callers see at a fixed rate, over eight connections."""
        return h2.load(
            self.door,
            self.body,
            calls=OPEN_RATE * seconds,
            connections=8,
            streams=16,
            calls_per_s=OPEN_RATE,
        ).p99_us


def _call(door: h2.Door, body: bytes) -> bytes:
    with grpc.insecure_channel(door.address) as channel:
        answer: bytes = channel.unary_unary(door.path)(body, timeout=20)
        return answer


def _must(name: str, *, is_permitted: bool, expected: bool) -> None:
    if is_permitted is not expected:
        raise WrongAnswerError(f"{name} says {is_permitted}, expected {expected}")


@contextmanager
def ours_running(
    question: Question, policies: Path, settings: str = "", *further: str
) -> Iterator[tuple[Contender, RunningSidecar]]:
    """Our sidecar with the shared policy, written to `policies`, and the consent on its ledger.

    Checked before use. `settings` is TOML, `further` are flags of the command.
    """
    for name, text in consentry_files(question.rule_count).items():
        (policies / name).write_text(text)
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "consentry.toml")
        config.write_text(settings)
        flags = ("--no-watch", "--config", str(config), *further)
        with running_sidecar(policies, Path(folder, "state"), *flags) as sidecar:
            with grpc.insecure_channel(sidecar.target) as channel:
                stub = consent_pb2_grpc.ConsentServiceStub(channel)
                events = [consentry_consent(question)]
                stub.RecordConsent(consent_pb2.RecordConsentRequest(events=events), timeout=10)
            door = h2.Door(address=sidecar.target, path=CHECK, pid=sidecar.pid)
            for asked, expected in (
                (question, True),
                (replace(question, has_consent=False), False),
            ):
                answer = _call(door, consentry_request(asked).SerializeToString())
                effect = authorization_pb2.CheckResponse.FromString(answer).effect
                is_permitted = effect == decision_pb2.EFFECT_PERMIT
                _must("consentry", is_permitted=is_permitted, expected=expected)
            body = consentry_request(question).SerializeToString()
            pin(sidecar.pid, 0)
            size = len(_call(door, body)) - 16
            yield Contender(door=door, body=body, answer_bytes=size), sidecar


@contextmanager
def ours(question: Question, *, settings: str = "", copies: int = 0) -> Iterator[Contender]:
    """Our sidecar, ready to be timed; `copies` asks about as many records in one batch."""
    with (
        tempfile.TemporaryDirectory() as policies,
        ours_running(question, Path(policies), settings) as (contender, _),
    ):
        if not copies:
            yield contender
            return
        batch = authorization_pb2.CheckBatchRequest()
        for number in range(copies):
            batch.items.add().check.CopyFrom(consentry_request(question, number))
        door, body = replace(contender.door, path=BATCH), batch.SerializeToString()
        yield Contender(door=door, body=body, answer_bytes=len(_call(door, body)) - 16 * copies)


@contextmanager
def cerbos_side(question: Question, *, copies: int = 1) -> Iterator[Contender]:
    """Cerbos with the shared policy; checked before use."""
    wire = cerbos.CerbosWire()
    with cerbos.running(question.rule_count) as door:
        for asked, expected in ((question, True), (replace(question, has_consent=False), False)):
            answer = _call(door, wire.question(asked))
            _must("Cerbos", is_permitted=wire.is_permitted(answer), expected=expected)
        body = wire.question(question, copies=copies)
        answer = _call(door, body)
        _must("Cerbos", is_permitted=wire.is_permitted(answer), expected=True)
        pin(door.pid, 0)
        # Each call gets an id of its own; all else in the answers is the same.
        yield Contender(door=door, body=body, answer_bytes=len(answer) - 32)


@contextmanager
def opa_side(question: Question) -> Iterator[Contender]:
    """OPA's server with the shared policy; checked before use."""
    with opa.running(question.rule_count) as door:
        for asked, expected in ((question, True), (replace(question, has_consent=False), False)):
            _must("OPA", is_permitted=opa.is_permitted(opa.ask(door, asked)), expected=expected)
        pin(door.pid, 0)
        yield Contender(door=door, body=opa.body(question))


@contextmanager
def openfga_side(question: Question) -> Iterator[Contender]:
    """OpenFGA with the shared policy as relations; checked before use."""
    with openfga.running(question) as (door, wire):
        for asked, expected in ((question, True), (replace(question, has_consent=False), False)):
            answer = _call(door, wire.question(asked))
            _must("OpenFGA", is_permitted=wire.is_permitted(answer), expected=expected)
        pin(door.pid, 0)
        yield Contender(door=door, body=wire.question(question))


def servers(question: Question, stack: ExitStack, missing: dict[str, str]) -> dict[str, Contender]:
    """All servers that can be had, started; what cannot be had is told in `missing`."""
    sides = {
        "hit": stack.enter_context(ours(question, settings=NO_AUDIT)),
        "miss": stack.enter_context(ours(question, settings=NO_AUDIT + NEVER_KEPT)),
    }
    peers = {"cerbos": cerbos_side, "opa": opa_side, "openfga": openfga_side}
    for name, side in peers.items():
        try:
            sides[name] = stack.enter_context(side(question))
        except PeerMissingError as problem:
            missing[name] = str(problem)
    return sides


def measure_servers(
    *, rule_count: int, rounds: int, calls: int, in_flight: tuple[int, ...], say: Say
) -> tuple[dict[int, Series], dict[str, str]]:
    """Server CPU per call for each number of calls in flight; and who is missing, and why."""
    missing: dict[str, str] = {}
    found: dict[int, Series] = {}
    with ExitStack() as stack:
        sides = servers(Question(rule_count), stack, missing)
        pin(0, 1)
        for number in in_flight:
            say(f"{number} in flight")
            actions = {
                name: lambda side=side, number=number: side.us_per_call(calls, number)
                for name, side in sides.items()
            }
            found[number] = paired_rounds(actions, rounds=rounds, progress=say)
    return found, missing


def measure_open_loop(*, rounds: int, seconds: int, say: Say) -> Series:
    """The 99th percentile at 5,000 calls a second, of ours and of Cerbos.

    Raises:
        PeerMissingError: Cerbos cannot be had here.
    """
    question = Question(100)
    with ours(question, settings=NO_AUDIT) as mine, cerbos_side(question) as theirs:
        pin(0, 1)
        actions = {
            "ours": lambda: mine.p99_us(seconds),
            "cerbos": lambda: theirs.p99_us(seconds),
        }
        return paired_rounds(actions, rounds=rounds, progress=say)


def measure_batches(*, rounds: int, say: Say) -> Series:
    """Server CPU per check in the largest batch that each takes; of ours, all known and all new.

    Raises:
        PeerMissingError: Cerbos cannot be had here.
    """
    question, size = Question(100), 1_000
    with (
        ours(question, settings=NO_AUDIT, copies=size) as mine,
        ours(question, settings=NO_AUDIT + NEVER_KEPT, copies=size) as new,
        cerbos_side(question, copies=cerbos.MAX_BATCH) as theirs,
    ):
        pin(0, 1)
        actions = {
            "ours": lambda: mine.us_per_call(40, 4) / size,
            "ours, miss": lambda: new.us_per_call(12, 4) / size,
            "cerbos": lambda: theirs.us_per_call(400, 4) / cerbos.MAX_BATCH,
        }
        return paired_rounds(actions, rounds=rounds, progress=say)


def measure_in_process(
    *, rule_count: int, rounds: int, evaluations: int, say: Say, with_opa: bool = True
) -> tuple[Series, dict[str, str]]:
    """Time of one decision in process, without a server; and who is missing, and why.

    OPA's own benchmark takes some seconds a round.
    """
    question, missing = Question(rule_count), dict[str, str]()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        engine = stack.enter_context(python_peers.ours(question, OUR_EVALUATIONS))
        _must("consentry", is_permitted=engine.is_permitted, expected=True)
        sides: dict[str, Callable[[], float]] = {"consentry": engine.us_per_decision}
        for kind in ("cedar", "casbin"):
            try:
                peer = python_peers.peer(kind, question, folder, evaluations)
                engine = stack.enter_context(peer)
            except PeerMissingError as problem:
                missing[kind] = str(problem)
                continue
            _must(kind, is_permitted=engine.is_permitted, expected=True)
            sides[kind] = engine.us_per_decision
        if with_opa:
            try:
                alone = opa.InProcess(question, folder)
            except PeerMissingError as problem:
                missing["opa"] = str(problem)
            else:
                _must("opa", is_permitted=alone.is_permitted(), expected=True)
                sides["opa"] = alone.us_per_decision
        return paired_rounds(sides, rounds=rounds, progress=say), missing
