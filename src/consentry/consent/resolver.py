"""What a person's events come to for one question: the resolver.

A `SubjectView` is a frozen reading of one person's events; every answer is a pure function of them
and the query. Rules where the decision semantics leave room:

- **Visible** is what was received by the query's time or, where the clock has stepped back since,
  by the time of the reading: what has been read is never hidden again.
- **A consent to an ancestor** (or to a standard key or a tag above) reaches the purpose when its
  `listed` is empty or names the purpose, a purpose between, or a standard key of it. A purpose
  tagged `separate_consent` (children inherit the tag) is reached by its own path only.
- **`jointly`**: given by both at once, or the person's and a guardian's consents both stand and the
  other one has no problem of its own.
- **`said_no`**: the newest negative that may touch the request is not older than the newest consent
  whose scope covers it.
- Ties between consents are broken by what they say and only then by position, so that the order of
  arrival never matters.

Source: decision semantics, "Consent: what the ledger says"; consent domain, 3.4.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Final

from consentry.consent.problems import is_cut, is_in_scope, standings_of
from consentry.consent.scope import covers, lies_below, may_touch, reaches_purpose
from consentry.model.consent import (
    TRACK_EVENTS,
    WIDENING_KINDS,
    WIDENING_TRACKS,
    ConsentEvent,
    ConsentQuery,
    ConsentState,
    ConsentView,
    EventKind,
    RightState,
    Track,
)
from consentry.model.vocabulary import (
    CONSENT_MISSING,
    CONSENT_PENDING,
    CONSENT_REFUSED,
    CONSENT_STATE_UNAVAILABLE,
    CONSENT_WITHDRAWN,
)

NEGATIVES: Final = frozenset({EventKind.REFUSED, EventKind.WITHDRAWN})
"""Kinds that end the consents before them."""
_OF_CONSENT: Final = NEGATIVES | {EventKind.REQUESTED, EventKind.GIVEN}
_MAX_REMEMBERED: Final = 64
_NOT_IN_FORCE: Final = RightState()


class SubjectView:
    """One person's events at one reading; implements `model.consent.ConsentView`.

    Safe to share between threads: nothing but the memory of earlier answers ever changes, and that
    only by whole entries.
    """

    __slots__ = (
        "_by_kind",
        "_given",
        "_last_received_us",
        "_negatives",
        "_remembered",
        "_rights",
        "events",
        "has_rights",
        "position",
        "read_at_us",
        "revision",
    )

    is_available: Final = True

    def __init__(
        self, events: Sequence[ConsentEvent], *, revision: int, position: int, read_at_us: int
    ) -> None:
        self.events = tuple(events)
        self.revision = revision
        self.position = position
        self.read_at_us = read_at_us
        self._by_kind: dict[EventKind, list[ConsentEvent]] = {}
        self._negatives: list[ConsentEvent] = []
        self._last_received_us = 0
        for event in self.events:
            self._by_kind.setdefault(event.kind, []).append(event)
            if event.kind in NEGATIVES:
                self._negatives.append(event)
            self._last_received_us = max(self._last_received_us, event.received_at_us)
        self.has_rights = not self._by_kind.keys() <= _OF_CONSENT
        self._given = self._by_kind.get(EventKind.GIVEN, [])
        if len(self._given) > 1:
            self._given = sorted(self._given, key=_newest_first_key, reverse=True)
        self._remembered: dict[Hashable, _Remembered] = {}
        self._rights: tuple[ConsentQuery | None, dict[Track, RightState]] = (None, {})

    def find_consent(self, key: Hashable, now_us: int) -> ConsentState | None:
        """What `consent` gives for the query with this key and time, if it was asked before."""
        known = self._remembered.get(key)
        return (
            known.state if known is not None and known.from_us <= now_us < known.until_us else None
        )

    def consent(self, query: ConsentQuery) -> ConsentState:
        """The consents that stand for `query`."""
        # PERF: one request asks the same thing for each rule, and a batch for each item.
        key = query.key if query.key is not None else _all_but_now(query)
        now_us = query.now_us
        known = self.find_consent(key, now_us)
        if known is not None:
            return known
        state = self._resolve(query)
        until_us = _NEVER_US if state.changes_at_us is None else state.changes_at_us
        if self._last_received_us > now_us:
            unseen = [e.received_at_us for e in self.events if e.received_at_us > now_us]
            until_us = min(until_us, *unseen)
        if len(self._remembered) >= _MAX_REMEMBERED:
            self._remembered = {}
        # INVARIANT: the entry keeps the nodes alive, so that their ids cannot be used again.
        self._remembered[key] = _Remembered((query.purpose, query.leaf), now_us, until_us, state)
        return state

    def right(self, track: Track, query: ConsentQuery) -> RightState:
        """Whether the right is in force for `query`."""
        on, off = TRACK_EVENTS[track]
        if on not in self._by_kind and off not in self._by_kind:
            return _NOT_IN_FORCE
        # PERF: the rules of one regime ask for the same query, one after the other.
        asked, known = self._rights
        if asked is not query:
            known = {}
            self._rights = (query, known)
        state = known.get(track)
        if state is None:
            state = known[track] = self._resolve_right(track, query)
        return state

    def _resolve_right(self, track: Track, query: ConsentQuery) -> RightState:
        on, off = TRACK_EVENTS[track]
        on_us, on_next = self._newest(on, query)
        off_us, off_next = self._newest(off, query)
        is_active = on_us is not None and (
            off_us is None or (on_us > off_us if track in WIDENING_TRACKS else on_us >= off_us)
        )
        return RightState(
            is_active=is_active,
            since_us=on_us if is_active else None,
            changes_at_us=_earliest(on_next, off_next),
        )

    def _newest(self, kind: EventKind, query: ConsentQuery) -> tuple[int | None, int | None]:
        """Time of the newest event of the kind that speaks of the request; the next to come."""
        newest: int | None = None
        upcoming: int | None = None
        is_widening = kind in WIDENING_KINDS
        speaks = covers if is_widening else may_touch
        for event in self._by_kind.get(kind, ()):
            if not self.is_visible(event, query.now_us):
                continue
            if not reaches_purpose(event.scope, query, is_widening=is_widening):
                continue
            if not speaks(event.scope, query):
                continue
            at_us = event.counts_from_us
            if is_widening and at_us > query.now_us:
                upcoming = _earliest(upcoming, at_us)
            elif newest is None or at_us > newest:
                newest = at_us
        return newest, upcoming

    def is_visible(self, event: ConsentEvent, now_us: int) -> bool:
        """Whether the event had been received when the question is asked."""
        return event.received_at_us <= now_us or event.received_at_us <= self.read_at_us

    def _resolve(self, query: ConsentQuery) -> ConsentState:
        now_us = query.now_us
        negatives: list[ConsentEvent] = []
        reaching: list[ConsentEvent] = []
        cut_us: int | None = None
        if self._negatives:
            negatives = [
                event
                for event in self._negatives
                if self.is_visible(event, now_us) and may_touch(event.scope, query)
            ]
            reaching = [event for event in negatives if reaches_purpose(event.scope, query)]
            cut_us = max((event.counts_from_us for event in reaching), default=None)

        standing: list[ConsentEvent] = []
        below: list[ConsentEvent] = []
        changes_at_us: int | None = None
        for event in self._given:
            if not self.is_visible(event, now_us):
                continue
            # PERF: what the lineage names is the purpose or above it, and needs no closer look.
            is_named = event.scope.purpose in query.purpose_lineage
            is_below = not is_named and lies_below(event.scope, query)
            if not (is_below or reaches_purpose(event.scope, query, is_widening=True)):
                continue
            if event.happened_at_us > now_us:
                changes_at_us = _earliest(changes_at_us, event.happened_at_us)
                continue
            if cut_us is not None and event.happened_at_us <= cut_us:
                continue
            if is_below:
                if not is_cut(event, negatives, query):
                    below.append(event)
                continue
            standing.append(event)
        standings = standings_of(standing, query)
        reasons = () if standing else standings_of(below, query)
        for entry in (*standings, *reasons):
            if entry.expires_at_us is not None and entry.expires_at_us > now_us:
                changes_at_us = _earliest(changes_at_us, entry.expires_at_us)
        return ConsentState(
            standings=standings,
            absence=self._absence(reaching, query),
            said_no=cut_us is not None and not any(is_in_scope(entry) for entry in standings),
            changes_at_us=changes_at_us,
            below=reasons,
        )

    def _absence(self, negatives: Sequence[ConsentEvent], query: ConsentQuery) -> str:
        if negatives:
            newest = max(negatives, key=lambda e: (e.counts_from_us, e.kind is EventKind.WITHDRAWN))
            is_withdrawn = newest.kind is EventKind.WITHDRAWN
            return CONSENT_WITHDRAWN if is_withdrawn else CONSENT_REFUSED
        for event in self._by_kind.get(EventKind.REQUESTED, ()):
            if self.is_visible(event, query.now_us) and reaches_purpose(event.scope, query):
                return CONSENT_PENDING
        return CONSENT_MISSING


class _Remembered:
    """An answer, the nodes it is about, and the half-open time in which it is the answer."""

    __slots__ = ("from_us", "nodes", "state", "until_us")

    def __init__(
        self, nodes: tuple[object, object], from_us: int, until_us: int, state: ConsentState
    ) -> None:
        self.nodes = nodes
        self.from_us = from_us
        self.until_us = until_us
        self.state = state


class _UnavailableView:
    """The view of a state that could not be read; it knows nothing and is not to be asked."""

    __slots__ = ()

    is_available: Final = False
    has_rights: Final = False
    revision: Final = 0
    position: Final = 0
    read_at_us: Final = 0

    def find_consent(self, key: Hashable, now_us: int) -> ConsentState | None:  # noqa: ARG002 (as below)
        return None

    def consent(self, query: ConsentQuery) -> ConsentState:  # noqa: ARG002 (the port's shape)
        return ConsentState(absence=CONSENT_STATE_UNAVAILABLE)

    def right(self, track: Track, query: ConsentQuery) -> RightState:  # noqa: ARG002 (as above)
        return RightState()


UNAVAILABLE: Final[ConsentView] = _UnavailableView()
"""The one view of a ledger that cannot be read."""

_NEVER_US: Final = 1 << 62


def _all_but_now(query: ConsentQuery) -> Hashable:
    # Nodes are told by identity, for a reload may change what a path means.
    return (
        id(query.purpose),
        id(query.leaf),
        query.regime,
        query.controller,
        query.channel,
        query.recipient_id,
        query.recipient_roles,
        query.recipient_country,
        query.is_contact,
        query.is_disclosure,
        query.action_tags,
    )


def _earliest(left: int | None, right: int | None) -> int | None:
    if left is None or right is None:
        return right if left is None else left
    return min(left, right)


def _newest_first_key(event: ConsentEvent) -> tuple[object, ...]:
    scope = event.scope
    return (
        event.happened_at_us,
        scope.purpose,
        scope.tag,
        scope.regime,
        scope.controller,
        scope.data,
        scope.channels,
        tuple((r.id, r.role, r.country) for r in scope.recipients),
        event.notice,
        event.listed,
        event.by,
        tuple(sorted(event.qualities)),
        event.expires_at_us or 0,
        event.proof.method,
        event.position,
    )
