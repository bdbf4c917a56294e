"""Asks scenarios the way that a caller would: bytes through a decision point, and gRPC."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from consentry.client.client import Client
from consentry.client.decision import Decision, decision_of
from consentry.client.questions import Principal, Recipient, Resource, Subject, question
from consentry.consent.ledger import SubjectCell
from consentry.consent.resolver import UNAVAILABLE, SubjectView
from consentry.model.consent import ConsentView
from consentry.model.request import Request
from consentry.model.values import datetime_of, time_us
from consentry.pdp.decision_point import CacheMode, DecisionPoint
from consentry.pdp.snapshot import Snapshot
from consentry.server.codec import ProtoCodec
from consentry.telemetry.metrics import Metrics
from consentry.v1 import authorization_pb2
from tests.conformance.legal.running import Answer, Ask, Case, House, own_events
from tests.integration.server_world import FakeDecider, World, serving


class CurrentCase:
    """Clock, policy store and ledger of the case that is being asked."""

    lease = None

    def __init__(self) -> None:
        self._snapshots: dict[int, tuple[House, Snapshot]] = {}
        self._numbers = itertools.count(1)
        self._cell = SubjectCell("the person of the case")
        self._now_us = 0
        self._position = 0
        self.current: Snapshot | None = None

    def turn_to(self, case: Case) -> None:
        """Makes `case` the world that is asked."""
        self._now_us = case.now_us
        self.current = self._snapshot(case.house)
        self._position += len(case.events) + 1
        # The one cell of the one person: a new view in it is how a cache learns of a change.
        self._cell.view = UNAVAILABLE
        if case.is_ledger_up:
            self._cell.view = SubjectView(
                own_events(case),
                revision=self._position,
                position=self._position,
                read_at_us=case.now_us,
            )

    def _snapshot(self, house: House) -> Snapshot:
        known = self._snapshots.get(id(house))
        if known is None:
            snapshot = Snapshot(
                program=house.program,
                linked=house.linked,
                digest=house.program.digest,
                loaded_at_us=0,
                sources=(house.source,),
            )
            known = self._snapshots[id(house)] = (house, snapshot)
        return known[1]

    # What a decision point needs of clock, ids, policies and ledger.

    def now_us(self) -> int:
        return self._now_us

    def monotonic_s(self) -> float:
        return 0.0

    def new_id(self) -> str:
        return f"decision-{next(self._numbers)}"

    def on_change(self, listener: Callable[..., None]) -> None:
        pass

    def cell(self, data_subject_id: str) -> SubjectCell:
        return self._cell

    def view(self, data_subject_id: str, *, wait_s: float | None = None) -> ConsentView:
        assert self._cell.view is not None
        return self._cell.view

    def position(self) -> int:
        return self._position


def decision_point(here: CurrentCase, mode: CacheMode) -> DecisionPoint:
    """A decision point that answers for the case of `here`; it shortens no answer's life."""
    return DecisionPoint(
        policies=here,
        ledger=here,
        codec=ProtoCodec(),
        clock=here,
        ids=here,
        metrics=Metrics(version="test"),
        cache_mode=mode,
        max_age_s=1e9,
    )


def ask_decision_point(mode: CacheMode) -> Ask:
    """Asks bytes; with a cache twice, and both answers must be the same."""
    here = CurrentCase()
    point = decision_point(here, mode)

    def ask(case: Case) -> Answer:
        here.turn_to(case)
        raw = question(**fields_of(case.request)).SerializeToString()
        answers = [
            answer_of(decision_of(_response(point.check_bytes(raw))), case.request)
            for _ in range(1 if mode is CacheMode.OFF else 2)
        ]
        assert answers[0] == answers[-1], (case.scenario.id, answers)
        return answers[0]

    return ask


@contextlib.contextmanager
def grpc_asked() -> Iterator[Ask]:
    """Asks a real server through the real client."""
    here = CurrentCase()
    world = World(decider=_Switched(decision_point(here, CacheMode.ON)))
    with serving(world), Client(world.bound.grpc[0], timeout_s=20.0, on_error="raise") as client:

        def ask(case: Case) -> Answer:
            here.turn_to(case)
            return answer_of(client.check(**fields_of(case.request)), case.request)

        yield ask


class _Switched(FakeDecider):
    """A decision point where the world of fakes has one that permits all."""

    def __init__(self, point: DecisionPoint) -> None:
        super().__init__()
        self._point = point

    def check_bytes(
        self, raw: bytes, *, correlation_id: str = "", at_least: int = 0, caller: str = ""
    ) -> bytes:
        return self._point.check_bytes(raw, correlation_id=correlation_id, at_least=at_least)

    def check_batch(
        self, items: Sequence[tuple[bytes, str]], *, at_least: int = 0, caller: str = ""
    ) -> list[bytes | Exception]:
        return self._point.check_batch(items, at_least=at_least)


def _response(raw: bytes) -> authorization_pb2.CheckResponse:
    response = authorization_pb2.CheckResponse()
    response.ParseFromString(raw)
    return response


def fields_of(request: Request) -> Any:
    """The request in the client's words."""
    principal, to, resource = request.principal, request.recipient, request.resource
    person = request.data_subject
    collected_at = resource.collected_at_us
    return {
        "principal": Principal(
            id=principal.id,
            type=principal.kind,
            roles=tuple(sorted(principal.roles)),
            controller=principal.controller or "",
            attributes=principal.attributes,  # type: ignore[arg-type]  # texts, flags, dates
        ),
        "action": request.action,
        "data": request.data,
        "subject": Subject(
            id=person.id if person else "",
            attributes=person.attributes if person else {},  # type: ignore[arg-type]  # as above
        ),
        "purpose": request.purpose,
        "channel": request.channel or "",
        "recipient": None
        if to is None
        else Recipient(
            id=to.id or "",
            roles=tuple(sorted(to.roles)),
            country=to.country or "",
            attributes=to.attributes,  # type: ignore[arg-type]  # as above
        ),
        "resource": Resource(
            collected_at=None if collected_at is None else datetime_of(collected_at),
            collected_for=resource.collected_for,
            collected_on=resource.collected_on or "",
            attributes=resource.attributes,  # type: ignore[arg-type]  # as above
        ),
        "context": request.context,
        "signals": request.signals,
        "partial": request.partial,
        "all_reasons": True,
    }


def answer_of(decision: Decision, request: Request) -> Answer:
    """A caller's decision in the words of scenarios."""
    obligations = {obligation.name for obligation in decision.obligations}
    if request.partial and decision.is_permitted:
        obligations |= {f"mask:{leaf.data}" for leaf in decision.fields if not leaf.is_permitted}
    return Answer(
        decision="permit" if decision.is_permitted else "deny",
        reason=decision.reason,
        obligations=frozenset(obligations),
        valid_until_us=None if decision.valid_until is None else time_us(decision.valid_until),
        reasons=tuple(dict.fromkeys(reason.code for reason in decision.reasons)),
    )
