"""A decision point over the real ledger, engine and codec, under threads that change and ask."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from consentry.app.system import ProcessIds, SystemClock
from consentry.compiler.compile import compile_policies
from consentry.consent.sqlite import SqliteLedger
from consentry.diagnostics.span import Source
from consentry.model.consent import ConsentEvent, EventKind, Proof, Scope
from consentry.pdp.decision_point import CacheMode, DecisionPoint
from consentry.pdp.policy_store import PolicyStore
from consentry.pdp.sources import read_packs
from consentry.server.codec import ProtoCodec
from consentry.telemetry.metrics import Metrics
from consentry.v1 import authorization_pb2, decision_pb2

POLICY = """
data customer { email phone }
purpose marketing "Tell you" { basis consent }
permit mail { who service "mailer" may read data customer for marketing }
"""
SPELLINGS = (POLICY, POLICY + "# another text with the same meaning\n")


class Scene:
    def __init__(self, path: Path, mode: CacheMode) -> None:
        self.clock = SystemClock()
        self.ledger = SqliteLedger(path, clock=self.clock, ids=ProcessIds())
        self.text = POLICY
        self.metrics = Metrics()
        self.store = PolicyStore(
            read_sources=lambda: ((Source("shop.policy", self.text),), ()),
            packs=read_packs(),
            clock=self.clock,
            metrics=self.metrics,
            compile_apart=compile_policies,
            settle=lambda: None,
        )
        self.store.load_first()
        self.point = DecisionPoint(
            policies=self.store,
            ledger=self.ledger,
            codec=ProtoCodec(),
            clock=self.clock,
            ids=ProcessIds(),
            metrics=self.metrics,
            cache_mode=mode,
        )
        self._keys = itertools.count()

    def record(self, kind: EventKind, person: str) -> int:
        event = ConsentEvent(
            kind=kind,
            data_subject_id=person,
            scope=Scope(purpose="marketing"),
            happened_at_us=self.clock.now_us(),
            idempotency_key=f"k{next(self._keys)}",
            qualities=frozenset({"explicit"}),
            proof=Proof(method="form", source="web"),
        )
        return self.ledger.record([event])[0].position

    def check(self, raw: bytes, at_least: int = 0) -> authorization_pb2.CheckResponse:
        answer = self.point.check_bytes(raw, at_least=at_least)
        return authorization_pb2.CheckResponse.FromString(answer)


def question(person: str) -> bytes:
    request = authorization_pb2.CheckRequest(
        principal=decision_pb2.Principal(id="mailer", type="service"),
        action="read",
        data=["customer.email"],
        subject=decision_pb2.DataSubject(id=person),
        purpose="marketing",
    )
    return request.SerializeToString()


@pytest.fixture(params=list(CacheMode))
def scene(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Scene]:
    scene = Scene(tmp_path / "consent.sqlite", request.param)
    yield scene
    scene.ledger.close()


def in_threads(*works: Callable[[], None]) -> list[BaseException]:
    problems: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as problem:  # noqa: BLE001 - told to the test's own thread
            problems.append(problem)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return problems


def test_check_after_an_acknowledged_change_shows_it_while_others_ask_and_reload(
    scene: Scene,
) -> None:
    done = threading.Event()

    def change_and_ask(person: str) -> None:
        raw = question(person)
        for _ in range(25):
            position = scene.record(EventKind.GIVEN, person)
            permitted = scene.check(raw, position)
            assert permitted.effect == decision_pb2.EFFECT_PERMIT, permitted.reason
            assert permitted.moment.ledger_position >= position
            position = scene.record(EventKind.WITHDRAWN, person)
            denied = scene.check(raw, position)
            assert denied.effect == decision_pb2.EFFECT_DENY
            assert denied.moment.ledger_position >= position

    def ask() -> None:
        raws = [question(person) for person in ("ada", "bob")]
        while not done.is_set():
            for raw in raws:
                scene.check(raw)

    def reload() -> None:
        for number in range(6):
            scene.text = SPELLINGS[(number + 1) % 2]
            assert scene.store.reload().is_reloaded

    def changes() -> None:
        try:
            problems = in_threads(
                lambda: change_and_ask("ada"), lambda: change_and_ask("bob"), reload
            )
        finally:
            done.set()
        assert problems == []

    assert in_threads(changes, ask, ask) == []
    get = scene.metrics.registry.get_sample_value
    assert get("consentry_cache_mismatch_total") == 0
    assert get("consentry_evaluation_errors_total") == 0


def test_counts_of_decisions_and_of_the_cache_agree_under_threads(scene: Scene) -> None:
    scene.record(EventKind.GIVEN, "ada")
    raws = [question(person) for person in ("ada", "bob")]

    def ask() -> None:
        for number in range(300):
            scene.check(raws[number % 2])

    assert in_threads(ask, ask, ask) == []

    series = {
        name: sum(
            sample.value
            for family in scene.metrics.registry.collect()
            for sample in family.samples
            if sample.name == name
        )
        for name in (
            "consentry_decisions_total",
            "consentry_cache_requests_total",
            "consentry_decision_seconds_count",
        )
    }
    assert set(series.values()) == {900}
