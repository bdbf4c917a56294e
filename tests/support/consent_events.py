"""Short words for the consent tests: times, events, queries, a clock and ids that are ours."""

from __future__ import annotations

import itertools
from dataclasses import replace

from consentry.model.consent import ConsentEvent, ConsentQuery, EventKind, Proof, Scope
from consentry.model.trees import DataNode, PurposeNode
from consentry.model.values import MICROS_PER_DAY

DAY = MICROS_PER_DAY
START = 20_000 * DAY  # a day of 2024; nothing depends on which
EMAIL = DataNode(
    index=1,
    path="customer.email",
    lineage=("customer.email", "customer"),
    leaves=(1,),
    categories=("user.contact.email",),
)
MARKETING = PurposeNode(
    index=0, path="marketing", lineage=(0,), uses=("marketing",), tags=frozenset({"promo"})
)
NEWSLETTER = PurposeNode(
    index=1,
    path="marketing.newsletter",
    lineage=(1, 0),
    uses=("marketing.communications.email",),
    tags=frozenset({"promo"}),
)


def day(number: float) -> int:
    """The time `number` days after the tests' first day."""
    return START + int(number * DAY)


def event(
    kind: EventKind,
    at: float,
    purpose: str = "marketing",
    *,
    received: float | None = None,
    scope: Scope | None = None,
    **members: object,
) -> ConsentEvent:
    made = ConsentEvent(
        kind=kind,
        data_subject_id="ada",
        scope=scope or Scope(purpose=purpose),
        happened_at_us=day(at),
        received_at_us=day(at if received is None else received),
        proof=Proof(method="form"),
        idempotency_key=f"{kind}-{at}-{purpose}",
    )
    return replace(made, **members)  # type: ignore[arg-type]  # members are the event's own


def gave(at: float, purpose: str = "marketing", **members: object) -> ConsentEvent:
    return event(EventKind.GIVEN, at, purpose, **members)  # type: ignore[arg-type]  # as above


def withdrew(at: float, purpose: str = "marketing", **members: object) -> ConsentEvent:
    return event(EventKind.WITHDRAWN, at, purpose, **members)  # type: ignore[arg-type]  # as above


def query(now: float = 100, purpose: PurposeNode = MARKETING, **members: object) -> ConsentQuery:
    parts = purpose.path.split(".")
    lineage = tuple(".".join(parts[:n]) for n in range(len(parts), 0, -1))
    made = ConsentQuery(
        purpose=purpose,
        purpose_lineage=lineage,
        leaf=EMAIL,
        regime="gdpr",
        controller=None,
        channel=None,
        recipient_id=None,
        recipient_roles=frozenset(),
        recipient_country=None,
        is_contact=False,
        is_disclosure=False,
        now_us=day(now),
    )
    return replace(made, **members)  # type: ignore[arg-type]  # members are the query's own


class FakeClock:
    """A clock that stands still until it is set."""

    def __init__(self, now_us: int = day(100)) -> None:
        self.us = now_us

    def now_us(self) -> int:
        return self.us

    def monotonic_s(self) -> float:
        return self.us / 1e6


class FakeIds:
    """e1, e2, …"""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def new_id(self) -> str:
        return f"e{next(self._numbers)}"
