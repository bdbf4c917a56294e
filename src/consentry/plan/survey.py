"""Goes through everybody of whom a ledger holds something and puts them into classes.

All of it is as of one position of the ledger: what is recorded meanwhile is not seen, of whomever,
so that a plan says the same of all. Who is erased meanwhile is somebody of whom it holds nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Protocol

from consentry.consent.resolver import SubjectView
from consentry.model.consent import ConsentEvent
from consentry.plan.members import Classes

PAGE: Final = 500


class PeopleLedger(Protocol):
    """What a ledger tells of everybody."""

    def position(self) -> int:
        """Position of the newest event."""
        ...

    def data_subjects(self, after: str, limit: int) -> Sequence[str]:
        """Those of whom it holds an event, by id from beyond `after` on, at most `limit`."""
        ...

    def list_events(
        self, data_subject_id: str, after_position: int, limit: int
    ) -> Sequence[ConsentEvent]:
        """The person's events after a position, oldest first, at most `limit`."""
        ...


def survey(
    classes: Classes, ledger: PeopleLedger, position: int, now_us: int
) -> Iterator[list[tuple[str, int]]]:
    """Pages of people, each with the number of the class; those of class 0 are left out.

    A page may be empty: it says that a further part of the people was looked at.

    Raises:
        PlanRefusedError: a condition that matters for somebody cannot be expressed.
        LedgerUnavailableError: the ledger could not be read.
    """
    after = ""
    while people := ledger.data_subjects(after, PAGE):
        after = people[-1]
        yield [
            (person, number)
            for person in people
            if (number := classes.number_of(_view(ledger, person, position, now_us)))
        ]


def _view(ledger: PeopleLedger, person: str, position: int, now_us: int) -> SubjectView:
    events: list[ConsentEvent] = []
    reached = 0
    while page := ledger.list_events(person, reached, PAGE):
        events += [event for event in page if event.position <= position]
        reached = page[-1].position
        if len(page) < PAGE or reached >= position:
            break
    return SubjectView(
        events,
        revision=events[-1].position if events else 0,
        position=position,
        read_at_us=now_us,
    )
