"""Rows looked at before they are recorded, and recorded all but those that the ledger refuses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from consentry.consent.errors import EventRefusedError, IdempotencyConflictError
from consentry.consent.exchange.files import Outcome, Refusal
from consentry.consent.known_names import KnownNames
from consentry.consent.validate import check_events
from consentry.model.consent import ConsentEvent


class Told(Protocol):
    """What a ledger says of an event it was given."""

    @property
    def is_replay(self) -> bool:
        """Whether it was there already."""
        ...

    @property
    def position(self) -> int:
        """Where it stands."""
        ...


class Records(Protocol):
    """A ledger, as far as it records."""

    def record(self, events: Sequence[ConsentEvent]) -> Sequence[Told]:
        """Records all or none."""
        ...


@dataclass
class Recorded:
    """What became of some events: those that are new, the newest position, and by index what was
    refused: field and code.
    """

    new: list[ConsentEvent] = field(default_factory=list)
    position: int = 0
    refused: dict[int, tuple[str, str]] = field(default_factory=dict)


def look(outcome: Outcome, names: KnownNames | None, now_us: int) -> Outcome:
    """Refuses what is malformed, or names what the policies do not have."""
    if isinstance(outcome, Refusal):
        return outcome
    try:
        check_events([outcome.event], now_us)
    except EventRefusedError as problem:
        return Refusal(outcome.line, problem.field, problem.code)
    unknown = names.unknown_in(outcome.event) if names is not None else []
    if unknown:
        return Refusal(outcome.line, unknown[0].field, f"{unknown[0].kind}_unknown")
    return outcome


def record_all(ledger: Records, events: Sequence[ConsentEvent]) -> Recorded:
    """Records all events that can be.

    Raises:
        LedgerError: the ledger cannot be written.
    """
    found = Recorded()
    while left := [index for index in range(len(events)) if index not in found.refused]:
        try:
            told = ledger.record([events[index] for index in left])
        except IdempotencyConflictError as problem:
            found.refused[left[problem.index]] = ("idempotency_key", "idempotency_conflict")
        except EventRefusedError as problem:
            found.refused[left[problem.index]] = (problem.field, problem.code)
        else:
            found.new = [
                events[index] for index, one in zip(left, told, strict=True) if not one.is_replay
            ]
            found.position = max(one.position for one in told)
            break
    return found
