"""A sidecar over fakes of the rooms behind it, on real sockets."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import grpc

from consentry.diagnostics.diagnostic import Diagnostic
from consentry.diagnostics.span import Source, Span
from consentry.model.consent import (
    ConsentEvent,
    ConsentQuery,
    ConsentState,
    EventKind,
    RightState,
    Standing,
    Track,
)
from consentry.model.decision import Decision, Effect, Finding, LeafDecision
from consentry.model.program import Program
from consentry.model.request import RequestError
from consentry.model.trees import DataNode, PurposeNode
from consentry.pdp.errors import NotReadyError, NotYetThereError
from consentry.server.callers import OPEN, Callers
from consentry.server.certificates import ServerCertificates
from consentry.server.codec import ProtoCodec
from consentry.server.handles import Handles
from consentry.server.options import BoundAddresses, ServerOptions
from consentry.server.sidecar import Sidecar
from consentry.telemetry.metrics import Metrics
from consentry.v1 import authorization_pb2, consent_pb2, decision_pb2

CANARY = "canary-5f1c-dsn-password"
NOW_US = 1_780_000_000_000_000
AUTHORIZATION = "/consentry.v1.AuthorizationService/"
CONSENT = "/consentry.v1.ConsentService/"
POLICY = "/consentry.v1.PolicyService/"

PROGRAM = Program(
    digest="d" * 64,
    compiler_version="test",
    purposes=(
        PurposeNode(index=0, path="marketing", lineage=(0,), uses=("marketing",)),
        PurposeNode(
            index=1, path="marketing.email", lineage=(1, 0), tags=frozenset({"direct_marketing"}),
            uses=("marketing.communications.email",),
        ),
    ),
    data=(DataNode(index=0, path="customer", lineage=("customer",), leaves=(0,)),),
    purpose_names={"marketing": 0, "marketing.email": 1},
    data_names={"customer": 0},
    actions={"read": frozenset(), "contact": frozenset({"contacting"})},
    channels={"email": frozenset()},
    attributes=(),
    reasons=(),
    regimes=(),
    rules=(),
    tags={"direct_marketing": "…"},
    code=b"",
)  # fmt: skip


class FakeClock:
    def now_us(self) -> int:
        return NOW_US

    def monotonic_s(self) -> float:
        return 0.0


class FakeDecider:
    """Answers PERMIT to all; a test may hold calls back or make them fail."""

    def __init__(self) -> None:
        self.handles = Handles(b"instance", b"key")
        self.codec = ProtoCodec(self.handles)
        self.failure: BaseException | None = None
        self.position = 7
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.asked: list[str] = []
        self.arrived = threading.Semaphore(0)
        self.on_call: Callable[[], None] = lambda: None

    def check_bytes(
        self, raw: bytes, *, correlation_id: str = "", at_least: int = 0, caller: str = ""
    ) -> bytes:
        self.asked.append(correlation_id)
        self.on_call()
        self.arrived.release()
        assert self.may_answer.wait(30)
        if self.failure is not None:
            raise self.failure
        if at_least > self.position:
            raise NotYetThereError(self.position)
        request = self.codec.decode_check(raw).request
        findings = (Finding(reason="consent_valid"),)
        decision = Decision(
            effect=Effect.PERMIT,
            findings=findings,
            leaves=tuple(
                LeafDecision(data=name, effect=Effect.PERMIT, findings=findings)
                for name in request.data
            ),
        )
        shared, own = self.codec.encode_answer(decision, request, "d" * 64, None)
        return self.codec.complete(shared, own, "id", self.position, 5, correlation_id)

    def check_batch(
        self, items: Sequence[tuple[bytes, str]], *, at_least: int = 0, caller: str = ""
    ) -> list[bytes | Exception]:
        answers: list[bytes | Exception] = []
        for raw, name in items:
            try:
                answers.append(self.check_bytes(raw, correlation_id=name, at_least=at_least))
            except RequestError as problem:
                answers.append(problem)
        return answers


@dataclass(frozen=True)
class FakeView:
    events: tuple[ConsentEvent, ...] = ()
    is_available: bool = True
    has_rights: bool = True
    revision: int = 0
    position: int = 0
    read_at_us: int = NOW_US

    def find_consent(self, key: object, now_us: int) -> ConsentState | None:
        return None

    def consent(self, query: ConsentQuery) -> ConsentState:
        standings = tuple(
            Standing(event_id=e.event_id, position=e.position, given_at_us=e.happened_at_us)
            for e in reversed(self.events)
            if e.kind is EventKind.GIVEN and e.scope.purpose in query.purpose_lineage
        )
        return ConsentState(standings=standings)

    def right(self, track: Track, query: ConsentQuery) -> RightState:
        return RightState(is_active=any(e.kind.value == track.value for e in self.events))


class FakeLedger:
    def __init__(self) -> None:
        self.events: list[ConsentEvent] = []
        self.failure: Exception | None = None
        self.is_available = True
        self.lease: Any = None
        self.listeners: list[Callable[[Any, int], None]] = []

    def on_change(self, listener: Callable[[Any, int], None]) -> None:
        self.listeners.append(listener)

    def tell(self, names: Collection[str] | None, position: int) -> None:
        for listener in self.listeners:
            listener(names, position)

    def record(self, events: Sequence[ConsentEvent]) -> list[Any]:
        if self.failure is not None:
            raise self.failure
        out = []
        for event in events:
            position = len(self.events) + 1
            self.events.append(
                replace(event, position=position, event_id=f"e{position}", received_at_us=NOW_US)
            )
            out.append(
                SimpleNamespace(
                    event_id=f"e{position}", position=position, received_at_us=NOW_US,
                    is_replay=False,
                )
            )  # fmt: skip
        self.tell({event.data_subject_id for event in events}, len(self.events))
        return out

    def view(self, data_subject_id: str) -> FakeView:
        mine = tuple(e for e in self.events if e.data_subject_id == data_subject_id)
        return FakeView(events=mine, is_available=self.is_available)

    def position(self) -> int:
        return len(self.events)

    def list_events(
        self, data_subject_id: str, after_position: int, limit: int
    ) -> list[ConsentEvent]:
        mine = [e for e in self.events if e.data_subject_id == data_subject_id]
        return [e for e in mine if e.position > after_position][:limit]


class FakePolicies:
    def __init__(self) -> None:
        self.current: Any = SimpleNamespace(
            program=PROGRAM,
            digest=PROGRAM.digest,
            loaded_at_us=NOW_US,
            sources=(Source("a.policy", 'mission "x" {}\n'),),
        )
        self.failure: Exception | None = None
        self.on_call: Callable[[], None] = lambda: None
        self.listeners: list[Callable[[Any], None]] = []

    def on_change(self, listener: Callable[[Any], None]) -> None:
        self.listeners.append(listener)

    def is_fresh(self) -> bool:
        return True

    def reload(self) -> Any:
        self.on_call()
        if self.failure is not None:
            raise self.failure
        if self.current is None:
            raise NotReadyError
        return SimpleNamespace(
            is_reloaded=True, digest=self.current.digest, diagnostics=(), sources=()
        )

    def validate(self, sources: Sequence[Source]) -> Any:
        wrong = tuple(
            Diagnostic(
                code="R203",
                title="unknown purpose `treatmnt`",
                span=Span(source.name, source.text.index("treatmnt"), len(source.text), 2, 5),
            )
            for source in sources
            if "treatmnt" in source.text
        )
        return SimpleNamespace(program=None if wrong else PROGRAM, diagnostics=wrong)


@dataclass
class World:
    decider: FakeDecider = field(default_factory=FakeDecider)
    ledger: FakeLedger = field(default_factory=FakeLedger)
    policies: FakePolicies = field(default_factory=FakePolicies)
    metrics: Metrics = field(default_factory=Metrics)
    is_ledger_usable: bool = True
    can_record: bool = True
    further: Sequence[Any] = ()
    feeding: Any = None
    wait_for: Any = None
    callers: Callers = OPEN
    certificates: ServerCertificates | None = None
    http_services: Sequence[Any] = ()
    on_call: Callable[[], None] = lambda: None
    sidecar: Sidecar = field(init=False)
    bound: BoundAddresses = field(init=False)

    def build(self, **options: Any) -> Sidecar:
        self.decider.on_call = self.policies.on_call = self.on_call
        settings: dict[str, Any] = {
            "listen": ("127.0.0.1:0",),
            "health_listen": "127.0.0.1:0",
            "http_listen": "127.0.0.1:0",
            "drain_delay_s": 0.0,
            "grace_s": 5.0,
            "health_period_s": 3600.0,
            "version": "1.2.3",
        }
        return Sidecar(
            decider=self.decider,
            ledger=self.ledger,
            policies=self.policies,
            metrics=self.metrics,
            clock=FakeClock(),
            options=ServerOptions(**(settings | options)),
            handles=self.decider.handles,
            is_ledger_usable=lambda: self.is_ledger_usable,
            further=self.further,
            following=[self.feeding] if self.feeding is not None else [],
            wait_for=self.wait_for,
            callers=self.callers,
            certificates=self.certificates,
            http_services=self.http_services,
            can_record=lambda: self.can_record,
        )


@contextlib.contextmanager
def serving(world: World | None = None, **options: Any) -> Iterator[World]:
    """A started world; stopped at the end, with everything held back let go."""
    world = world or World()
    world.sidecar = world.build(**options)
    world.bound = world.sidecar.start()
    try:
        yield world
    finally:
        world.decider.may_answer.set()
        world.sidecar.stop(grace_s=5.0)


@contextlib.contextmanager
def channel_to(target: str) -> Iterator[grpc.Channel]:
    # Channels of one process share connections unless told otherwise.
    with grpc.insecure_channel(
        target, options=[("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]
    ) as channel:
        yield channel


def call(channel: grpc.Channel, method: str, raw: bytes, **options: Any) -> bytes:
    options.setdefault("timeout", 20)
    answer: bytes = channel.unary_unary(method)(raw, **options)
    return answer


def outcome(channel: grpc.Channel, method: str, raw: bytes, **options: Any) -> grpc.RpcError:
    """The error of a call that must fail."""
    try:
        call(channel, method, raw, **options)
    except grpc.RpcError as problem:
        return problem
    raise AssertionError("the call was answered")


def question(**changes: Any) -> authorization_pb2.CheckRequest:
    message = authorization_pb2.CheckRequest(
        principal=decision_pb2.Principal(id="mailer", type="service", roles=["marketer"]),
        action="contact",
        data=["customer"],
        subject=decision_pb2.DataSubject(id="ada"),
        purpose="marketing.email",
        channel="email",
    )
    message.MergeFrom(authorization_pb2.CheckRequest(**changes))
    return message


def gave(key: str = "k1", **changes: Any) -> consent_pb2.ConsentEvent:
    message = consent_pb2.ConsentEvent(
        kind=consent_pb2.EVENT_KIND_GIVEN,
        subject="ada",
        scope=consent_pb2.ConsentScope(purpose="marketing.email"),
        idempotency_key=key,
    )
    message.MergeFrom(consent_pb2.ConsentEvent(**changes))
    return message
