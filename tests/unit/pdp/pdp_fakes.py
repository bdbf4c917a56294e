"""Stand-ins for the rooms around the decision point; the compiler and the engine are the real ones.

The wire of `FakeCodec` is JSON: a question is an object, an answer is one line, its moment another.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache

from consentry.compiler.compile import compile_policies
from consentry.consent.lease import Lease
from consentry.consent.ledger import SubjectCell
from consentry.consent.resolver import UNAVAILABLE, SubjectView
from consentry.diagnostics.span import Source
from consentry.engine.link import link
from consentry.model.consent import ConsentEvent, ConsentView, EventKind, Proof, Scope
from consentry.model.decision import Decision
from consentry.model.request import (
    DataSubject,
    FieldViolation,
    Principal,
    Request,
    RequestError,
)
from consentry.model.values import MICROS_PER_DAY
from consentry.pdp.codec import DecodedCheck
from consentry.pdp.decision_point import CacheMode, DecisionPoint
from consentry.pdp.ports import DecisionLog
from consentry.pdp.snapshot import Snapshot
from consentry.pdp.sources import read_packs
from consentry.telemetry.metrics import Metrics

START_US = 1_780_000_000_000_000

POLICY = """
data customer { contact { email phone } }
purpose marketing "Tell you about our products" { basis consent consent lasts 10 days }
permit mail "The mailer writes" {
    who service "mailer" may read data customer.contact for marketing
}
"""
STRICTER = (
    POLICY
    + """
forbid phone "No phone numbers" { data customer.contact.phone }
"""
)


class FakeClock:
    def __init__(self) -> None:
        self.us = START_US
        self.steady_s = 0.0

    def now_us(self) -> int:
        return self.us

    def monotonic_s(self) -> float:
        return self.steady_s


class FakeIds:
    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def new_id(self) -> str:
        return f"d{next(self._numbers)}"


class FakeLedger:
    """Events in memory; `cell_of` may be replaced to seed a fault."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._events: dict[str, list[ConsentEvent]] = {}
        self._cells: dict[str, SubjectCell] = {}
        self._position = 0
        self.lease: Lease | None = None
        self.is_down = False
        self.is_hanging = False
        self.view_reads = 0

    def record(self, kind: EventKind, person: str = "ada", purpose: str = "marketing") -> int:
        self._position += 1
        event = ConsentEvent(
            kind=kind,
            data_subject_id=person,
            scope=Scope(purpose=purpose),
            happened_at_us=self._clock.us,
            received_at_us=self._clock.us,
            position=self._position,
            event_id=f"e{self._position}",
            qualities=frozenset({"explicit"}),
            proof=Proof(method="form", source="web"),
        )
        self._events.setdefault(person, []).append(event)
        cell = self.cell(person)
        if cell.view is not None:
            cell.view = self._read(person)
        return self._position

    def forget(self, person: str = "ada") -> None:
        cell = self._cells.pop(person, None)
        if cell is not None:
            cell.view = None

    def cell(self, person: str) -> SubjectCell:
        return self._cells.setdefault(person, SubjectCell(person))

    def view(self, person: str, *, wait_s: float | None = None) -> ConsentView:
        self.view_reads += 1
        if self.is_hanging:
            self._clock.steady_s += 0.02 if wait_s is None else min(wait_s, 0.02)
            return UNAVAILABLE
        if self.is_down:
            return UNAVAILABLE
        cell = self.cell(person)
        if cell.view is None:
            cell.view = self._read(person)
        return cell.view

    def position(self) -> int:
        return self._position

    def _read(self, person: str) -> SubjectView:
        events = self._events.get(person, [])
        return SubjectView(
            events,
            revision=events[-1].position if events else 0,
            position=self._position,
            # A reading shows every event it holds, even when the clock was set back since.
            read_at_us=max([self._clock.us, *(event.received_at_us for event in events)]),
        )


@cache
def snapshot_of(text: str) -> Snapshot:
    """The text as a snapshot; the same object for the same text."""
    return new_snapshot(text)


def new_snapshot(text: str) -> Snapshot:
    source = Source("shop.policy", text)
    result = compile_policies([source], read_packs())
    assert result.program is not None, result.diagnostics
    return Snapshot(
        program=result.program,
        linked=link(result.program),
        digest=result.program.digest,
        loaded_at_us=START_US,
        sources=(source,),
    )


class FakePolicies:
    def __init__(self, text: str = POLICY) -> None:
        self.current: Snapshot | None = snapshot_of(text)
        self.listeners: list[Callable[[Snapshot], None]] = []

    def on_change(self, listener: Callable[[Snapshot], None]) -> None:
        self.listeners.append(listener)

    def load(self, text: str) -> None:
        # A load gives a new snapshot even for a text that was loaded before.
        self.current = new_snapshot(text)
        for listener in self.listeners:
            listener(self.current)


class FakeCodec:
    """`during_decode` runs once in the middle of the next check: a way to interleave."""

    def __init__(self) -> None:
        self.decode_count = 0
        self.is_cacheable = True
        self.during_decode: Callable[[], object] | None = None

    def decode_check(self, raw: bytes) -> DecodedCheck:
        self.decode_count += 1
        hook, self.during_decode = self.during_decode, None
        if hook is not None:
            hook()
        try:
            asked = json.loads(raw)
        except ValueError as error:
            violation = FieldViolation(field="", code="malformed", message="not a question")
            raise RequestError(violation) from error
        person = asked.get("person", "ada")
        request = Request(
            principal=Principal(id=asked.get("principal", "mailer"), kind="service"),
            action=asked.get("action", "read"),
            data=(asked.get("data", "customer.contact.email"),),
            data_subject=DataSubject(id=person) if person else None,
            purpose=asked.get("purpose", "marketing"),
        )
        return DecodedCheck(request, self.is_cacheable)

    def encode_answer(
        self, decision: Decision, request: Request, digest: str, valid_until_us: int | None
    ) -> tuple[bytes, bytes]:
        answer = {
            "effect": decision.effect.value,
            "reason": decision.reason,
            "leaves": [[leaf.data, leaf.effect.value, leaf.reason] for leaf in decision.leaves],
            "valid_until": valid_until_us,
            "digest": digest,
        }
        return b"", json.dumps(answer).encode() + b"\n"

    def complete(  # noqa: PLR0917 - as the port has it
        self,
        shared: bytes,
        own: bytes,
        decision_id: str,
        position: int,
        age_us: int,
        correlation_id: str,
    ) -> bytes:
        moment = {
            "id": decision_id,
            "position": position,
            "age_us": age_us,
            "correlation_id": correlation_id,
        }
        return shared + own + json.dumps(moment).encode()


def question(**asked: str) -> bytes:
    return json.dumps(asked, sort_keys=True).encode()


@dataclass(frozen=True)
class Answer:
    effect: str
    reason: str
    leaves: list[list[str]]
    valid_until: int
    digest: str
    moment: dict[str, object]

    @property
    def said(self) -> tuple[object, ...]:
        """What must be the same with and without a cache."""
        return self.effect, self.reason, self.leaves, self.digest


def read_answer(raw: bytes) -> Answer:
    answer, moment = raw.split(b"\n")
    return Answer(**json.loads(answer), moment=json.loads(moment))


@dataclass
class World:
    """A decision point with everything around it."""

    mode: CacheMode = CacheMode.ON
    clock: FakeClock = field(default_factory=FakeClock)
    policies: FakePolicies = field(default_factory=FakePolicies)
    audit: DecisionLog | None = None
    max_age_s: float = 30.0
    point_class: Callable[..., DecisionPoint] = DecisionPoint

    def __post_init__(self) -> None:
        self.ledger = FakeLedger(self.clock)
        self.codec = FakeCodec()
        self.metrics = Metrics()
        self.point = self.point_in(self.mode)

    def point_in(self, mode: CacheMode, metrics: Metrics | None = None) -> DecisionPoint:
        """Another decision point over the same policies, ledger and clock."""
        return self.point_class(
            policies=self.policies,
            ledger=self.ledger,
            codec=self.codec,
            clock=self.clock,
            ids=FakeIds(),
            metrics=metrics if metrics is not None else self.metrics,
            audit=self.audit,
            cache_mode=mode,
            max_age_s=self.max_age_s,
        )

    def check(self, raw: bytes | None = None, **asked: str) -> Answer:
        return read_answer(self.point.check_bytes(raw if raw is not None else question(**asked)))

    def effects(self, answers: Sequence[bytes | Exception]) -> list[str]:
        return [
            "error" if isinstance(answer, Exception) else read_answer(answer).effect
            for answer in answers
        ]

    def give(self, person: str = "ada") -> int:
        return self.ledger.record(EventKind.GIVEN, person)

    def withdraw(self, person: str = "ada") -> int:
        return self.ledger.record(EventKind.WITHDRAWN, person)

    def advance_days(self, days: float) -> None:
        self.clock.us += int(days * MICROS_PER_DAY)

    def counted(self, name: str, **labels: str) -> float:
        value = self.metrics.registry.get_sample_value(f"consentry_{name}_total", labels)
        return value if value is not None else 0.0
