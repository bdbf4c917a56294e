"""What must hold for any history: negatives only narrow, arrival and memory change nothing."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from consentry.consent.resolver import SubjectView
from consentry.model.consent import (
    ConsentEvent,
    ConsentQuery,
    ConsentState,
    EventKind,
    Proof,
    RecipientScope,
    Scope,
    Track,
)
from consentry.model.values import Duration
from tests.support.consent_events import MARKETING, NEWSLETTER, day, event, query

SCOPES = st.builds(
    Scope,
    purpose=st.sampled_from(["marketing", "marketing.newsletter", "marketing.communications"]),
    data=st.sampled_from([(), ("customer",), ("user.contact",), ("user.health",)]),
    channels=st.sampled_from([(), ("email",), ("sms",)]),
    recipients=st.sampled_from([(), (RecipientScope(id="x"),)]),
    controller=st.sampled_from(["", "a"]),
    regime=st.sampled_from(["", "gdpr", "ccpa"]),
)
TIMES = st.integers(0, 6)


@st.composite
def events_of(draw: st.DrawFn, kinds: st.SearchStrategy[EventKind]) -> ConsentEvent:
    kind = draw(kinds)
    ends = st.none() | st.integers(0, 8).map(day)
    return event(
        kind,
        draw(TIMES),
        received=draw(TIMES),
        scope=draw(SCOPES),
        expires_at_us=draw(ends) if kind is EventKind.GIVEN else None,
        proof=Proof(method=draw(st.sampled_from(["form", "form", ""]))),
    )


NEGATIVES = events_of(st.sampled_from([EventKind.REFUSED, EventKind.WITHDRAWN]))
ANY = events_of(st.sampled_from([*EventKind, EventKind.GIVEN, EventKind.GIVEN]))
HISTORIES = st.lists(ANY, max_size=6)
BRIEF = replace(NEWSLETTER, consent_lasts=Duration(micros=10**11))
QUERIES = st.builds(
    query,
    st.integers(0, 8),
    st.sampled_from([MARKETING, NEWSLETTER, BRIEF]),
    channel=st.sampled_from([None, "email", "sms"]),
    recipient_id=st.sampled_from([None, "x", "y"]),
    controller=st.sampled_from([None, "a", "b"]),
    is_contact=st.booleans(),
    is_disclosure=st.booleans(),
    action_tags=st.sampled_from([frozenset(), frozenset({"promo"})]),
)


def view_of(events: list[ConsentEvent]) -> SubjectView:
    numbered = [replace(e, event_id=str(n)) for n, e in enumerate(events)]
    return SubjectView(numbered, revision=1, position=1, read_at_us=0)


def flawless(state: ConsentState) -> set[str]:
    return {standing.event_id for standing in state.standings if standing.is_given}


@settings(max_examples=200, deadline=None)
@given(HISTORIES, NEGATIVES, QUERIES)
def test_a_further_negative_only_narrows(
    events: list[ConsentEvent], negative: ConsentEvent, asked: ConsentQuery
) -> None:
    before, after = view_of(events).consent(asked), view_of([*events, negative]).consent(asked)

    assert flawless(after) <= flawless(before)
    assert after.said_no or not before.said_no


@settings(max_examples=200, deadline=None)
@given(HISTORIES, st.randoms(use_true_random=False), QUERIES)
def test_arrival_changes_nothing(
    events: list[ConsentEvent], draw: object, asked: ConsentQuery
) -> None:
    named = [replace(e, event_id=str(n)) for n, e in enumerate(events)]
    mixed = list(named)
    draw.shuffle(mixed)  # type: ignore[attr-defined]  # a random.Random

    first, second = (
        SubjectView(history, revision=1, position=1, read_at_us=0) for history in (named, mixed)
    )

    def outcome(state: ConsentState) -> tuple[object, ...]:
        bare = [replace(s, event_id="", position=0) for s in state.standings]
        return bare, state.absence, state.said_no, state.changes_at_us

    assert outcome(first.consent(asked)) == outcome(second.consent(asked))
    for track in Track:
        assert first.right(track, asked) == second.right(track, asked)


@settings(max_examples=200, deadline=None)
@given(HISTORIES, QUERIES, st.lists(st.integers(0, 17), min_size=2, max_size=6))
def test_memory_and_horizons_agree_with_asking_afresh(
    events: list[ConsentEvent], asked: ConsentQuery, halves: list[int]
) -> None:
    view = view_of(events)

    for half in halves:
        now = replace(asked, now_us=day(half / 2))
        assert view.consent(now) == view_of(events).consent(now)


@settings(max_examples=200, deadline=None)
@given(HISTORIES, QUERIES, st.integers(0, 17))
def test_nothing_changes_before_the_stated_horizon(
    events: list[ConsentEvent], asked: ConsentQuery, half: int
) -> None:
    visible = [e for e in events if e.received_at_us <= asked.now_us]
    view = view_of(visible)
    later = replace(asked, now_us=day(half / 2))
    state = view.consent(asked)

    if asked.now_us <= later.now_us < (state.changes_at_us or 1 << 62):
        assert view_of(visible).consent(later).standings == state.standings
    for track in Track:
        right = view.right(track, asked)
        if asked.now_us <= later.now_us < (right.changes_at_us or 1 << 62):
            assert view.right(track, later).is_active == right.is_active
