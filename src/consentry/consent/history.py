"""What each event of a person comes to for one use of one field: the ledger's part, told.

The resolver says what stands; this says of every event why it does or does not. It asks the same
functions about scope and visibility.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from consentry.consent.resolver import NEGATIVES, SubjectView
from consentry.consent.scope import covers, lies_below, may_touch, reaches_purpose
from consentry.model.consent import (
    WIDENING_KINDS,
    ConsentEvent,
    ConsentQuery,
    ConsentState,
    EventKind,
    Standing,
)


class EventPart(StrEnum):
    """What an event comes to; the order is that of weight, the heaviest first."""

    STANDS = "stands"
    """A consent with nothing wrong with it."""
    FLAWED = "flawed"
    """A consent that stands and has problems."""
    BELOW = "below"
    """A consent to something narrower than what is asked."""
    ENDS = "ends"
    """A refusal or withdrawal that speaks of this use."""
    CUT = "cut"
    """A consent that a later refusal or withdrawal ended."""
    RIGHT = "right"
    """A right claimed, or lifted, that speaks of this use."""
    ASKED = "asked"
    LATER = "later"
    """It counts from a later time on."""
    ELSEWHERE = "elsewhere"
    """It speaks of another use."""

    @property
    def weight(self) -> int:
        """0 for the heaviest; of several uses the heaviest part is told."""
        return _ORDER.index(self)


_ORDER: Final = tuple(EventPart)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventTrace:
    """One event and its part; `problems` are those of a consent that stands, as reason codes.

    `ended_by` is the id of the event that cut it.
    """

    event: ConsentEvent
    part: EventPart
    problems: tuple[str, ...] = ()
    ended_by: str = ""


def tell_events(
    view: SubjectView, query: ConsentQuery, state: ConsentState | None
) -> tuple[EventTrace, ...]:
    """Every event of the view with its part in `query`, in the order of the view.

    `state` is what the view resolved for the query; None where no consent was asked for, and then
    it is resolved here.
    """
    state = view.consent(query) if state is None else state
    standings = {standing.event_id: standing for standing in state.standings}
    below = {standing.event_id for standing in state.below}
    return tuple(_tell(event, view, query, standings, below) for event in view.events)


def _tell(
    event: ConsentEvent,
    view: SubjectView,
    query: ConsentQuery,
    standings: dict[str, Standing],
    below: set[str],
) -> EventTrace:
    standing = standings.get(event.event_id)
    if standing is not None:
        part = EventPart.FLAWED if standing.problems else EventPart.STANDS
        return EventTrace(event=event, part=part, problems=standing.problems)
    if not view.is_visible(event, query.now_us):
        return EventTrace(event=event, part=EventPart.LATER)
    if event.event_id in below:
        return EventTrace(event=event, part=EventPart.BELOW)
    if event.kind is EventKind.GIVEN:
        return _tell_given(event, view, query)
    is_widening = event.kind in WIDENING_KINDS
    touches = covers if is_widening else may_touch
    speaks = reaches_purpose(event.scope, query, is_widening=is_widening) and (
        event.kind is EventKind.REQUESTED or touches(event.scope, query)
    )
    if not speaks:
        return EventTrace(event=event, part=EventPart.ELSEWHERE)
    if is_widening and event.happened_at_us > query.now_us:
        return EventTrace(event=event, part=EventPart.LATER)
    if event.kind in NEGATIVES:
        return EventTrace(event=event, part=EventPart.ENDS)
    is_asked = event.kind is EventKind.REQUESTED
    return EventTrace(event=event, part=EventPart.ASKED if is_asked else EventPart.RIGHT)


def _tell_given(event: ConsentEvent, view: SubjectView, query: ConsentQuery) -> EventTrace:
    is_below = lies_below(event.scope, query)
    if not is_below and not reaches_purpose(event.scope, query, is_widening=True):
        return EventTrace(event=event, part=EventPart.ELSEWHERE)
    if event.happened_at_us > query.now_us:
        return EventTrace(event=event, part=EventPart.LATER)
    ended_by = _ended_by(event, view, query)
    if ended_by is None:
        # A consent below the purpose asked about, while another one stands.
        return EventTrace(event=event, part=EventPart.BELOW)
    return EventTrace(event=event, part=EventPart.CUT, ended_by=ended_by.event_id)


def _ended_by(given: ConsentEvent, view: SubjectView, query: ConsentQuery) -> ConsentEvent | None:
    """The first negative that may touch this use and is not older than the consent."""
    later = [
        event
        for event in view.events
        if event.kind in NEGATIVES
        and event.counts_from_us >= given.happened_at_us
        and view.is_visible(event, query.now_us)
        and may_touch(event.scope, query)
    ]
    reaching = [event for event in later if reaches_purpose(event.scope, query)]
    if not reaching and not lies_below(given.scope, query):
        return None
    return min(reaching or later, key=lambda e: (e.counts_from_us, e.position), default=None)
