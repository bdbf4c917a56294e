"""The port to the ledger, whatever keeps it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from consentry.consent.lease import Lease
from consentry.model.consent import ConsentEvent, ConsentView


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """The acknowledgement of one event.

    `is_replay`: the key was used before with the same content; nothing was added, and the other
    members are those of the first time.
    """

    event_id: str
    position: int
    received_at_us: int
    is_replay: bool = False


class SubjectCell:
    """The place of one person's current view.

    `view` is the very same object until that person's events change, and None while no view is
    held (never read, forgotten for room, ledger closed). Reading it is one attribute load and takes
    no lock. Only the owner of the cells writes it (`consent.memory`).
    """

    __slots__ = ("change_count", "data_subject_id", "view")

    def __init__(self, data_subject_id: str) -> None:
        self.data_subject_id: Final = data_subject_id
        self.view: ConsentView | None = None
        self.change_count = 0


ChangeListener: TypeAlias = Callable[[Collection[str] | None, int], None]
"""Told whose views moved (None: anybody's may have) and the position they moved to."""


class Ledger(Protocol):
    """An append-only log of events and what it says about a person.

    After `record` has returned, every later read of that person's cell, on any thread, gives a view
    that shows the event, or None.
    """

    def record(self, events: Sequence[ConsentEvent]) -> tuple[Recorded, ...]:
        """Stores all events durably, or none; one acknowledgement for each, in order.

        Raises:
            EventRefusedError: an event is malformed.
            IdempotencyConflictError: a key was used before with other content.
            LedgerUnavailableError: the store failed; see there for what is known then.
        """
        ...

    def cell(self, data_subject_id: str) -> SubjectCell:
        """The person's cell; hold it with an answer to see whether that still stands."""
        ...

    def view(self, data_subject_id: str, *, wait_s: float | None = None) -> ConsentView:
        """The person's current view, read if need be; an unavailable one where that fails.

        A reading from elsewhere is waited for at most `wait_s`, if that is less than the ledger's
        own limit; what is not waited for is read all the same.
        """
        ...

    def position(self) -> int:
        """Position of the newest event that all cells show."""
        ...

    @property
    def lease(self) -> Lease | None:
        """How long what it shows may be used; None where it is itself the source.

        To be read before a view, and asked again once the answer is made: see `Lease`.
        """
        ...

    def on_change(self, listener: ChangeListener) -> None:
        """Call `listener` whenever views moved: after the cells, before the acknowledgement.

        It is called in the thread that records, in the order of positions, and must not wait.
        """
        ...

    def list_events(
        self, data_subject_id: str, after_position: int, limit: int
    ) -> tuple[ConsentEvent, ...]:
        """The person's events after a position, oldest first, at most `limit`.

        Raises:
            LedgerUnavailableError: the store failed.
        """
        ...

    def close(self) -> None:
        """Gives the store back; every call after it finds the ledger unavailable."""
        ...
