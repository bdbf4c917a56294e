"""What the person could do: events that may turn an answer, as the ledger would record them now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from consentry.author.changes import Candidate
from consentry.author.explanation import Change, ChangeKind, Question
from consentry.consent.resolver import SubjectView
from consentry.model.consent import (
    TRACK_EVENTS,
    WIDENING_TRACKS,
    Author,
    ConsentEvent,
    EventKind,
    Proof,
    Scope,
    Track,
)
from consentry.model.decision import Decision, Effect
from consentry.model.trees import PurposeNode

_PROOF: Final = Proof(method="explained change")
_GOOD: Final = frozenset({"explicit", "informed", "verified"})

# Words, qualities, who gave it; the plainest first.
_CONSENTS: Final[tuple[tuple[str, frozenset[str], Author], ...]] = (
    ("the person consents", frozenset(), Author.DATA_SUBJECT),
    ("the person consents explicitly", frozenset({"explicit"}), Author.DATA_SUBJECT),
    ("a guardian consents", frozenset(), Author.GUARDIAN),
    ("the person and a guardian consent", frozenset(), Author.JOINT),
    ("the person consents, informed, verified and explicitly,", _GOOD, Author.DATA_SUBJECT),
    ("a guardian consents, informed, verified and explicitly,", _GOOD, Author.GUARDIAN),
    ("person and guardian consent, informed, verified and explicitly,", _GOOD, Author.JOINT),
)
_LIFTED: Final[dict[Track, str]] = {
    Track.OBJECTED: "the person takes back the objection",
    Track.OPTED_OUT: "the person opts in again",
    Track.LIMITED: "the person lifts the limit on sensitive data",
    Track.RESTRICTED: "the restriction is lifted",
    Track.ERASED: "the request to erase is taken back",
    Track.OVERRIDDEN: "the controller no longer overrides the objection",
    Track.OPTED_IN: "the person opts out again",
    Track.HELD: "the legal hold ends",
}
_CLAIMED: Final[dict[Track, str]] = {
    Track.OBJECTED: "the person objects",
    Track.OPTED_OUT: "the person opts out",
    Track.LIMITED: "the person limits the use of sensitive data",
    Track.RESTRICTED: "the person has processing restricted",
    Track.ERASED: "the person asks for erasure",
    Track.OVERRIDDEN: "the controller overrides the objection on compelling grounds",
    Track.OPTED_IN: "the person opts in",
    Track.HELD: "the data is put under a legal hold",
}


def person_changes(
    purpose: PurposeNode, decision: Decision, rights: Iterable[Track]
) -> Iterator[Candidate]:
    """Events about `purpose`; `rights` are those in force now."""
    about = f"to `{purpose.path}`"
    if decision.effect is Effect.DENY:
        for place, (words, qualities, by) in enumerate(_CONSENTS):
            event = _event(EventKind.GIVEN, purpose)
            event = replace(event, qualities=qualities, by=by, notice=purpose.notice or "")
            yield _candidate(ChangeKind.CONSENT, "consent", f"{words} {about}", event, place)
    else:
        event = _event(EventKind.WITHDRAWN, purpose)
        words = f"the person withdraws the consent {about}"
        yield _candidate(ChangeKind.CONSENT, "consent", words, event, 0)
    in_force = set(rights)
    for track in Track:
        is_active = track in in_force
        # What narrows is claimed to turn a yes and lifted to turn a no; what widens, the other way.
        wants_it = (track in WIDENING_TRACKS) is (decision.effect is Effect.DENY)
        if wants_it is is_active:
            continue
        on, off = TRACK_EVENTS[track]
        words = (_CLAIMED if wants_it else _LIFTED)[track]
        event = _event(on if wants_it else off, purpose)
        text = f"{words} (`{purpose.path}`)"
        yield _candidate(ChangeKind.RIGHT, f"right {track.value}", text, event, 1)


def _event(kind: EventKind, purpose: PurposeNode) -> ConsentEvent:
    return ConsentEvent(
        kind=kind,
        data_subject_id="",
        scope=Scope(purpose=purpose.path),
        happened_at_us=0,
        proof=_PROOF,
    )


def _candidate(
    kind: ChangeKind, slot: str, text: str, event: ConsentEvent, extra_cost: int
) -> Candidate:
    return Candidate(
        change=Change(kind=kind, text=text),
        slot=slot,
        make=lambda question: _with_event(question, event),
        extra_cost=extra_cost,
    )


def _with_event(question: Question, event: ConsentEvent) -> Question:
    """The question after the person did this, now."""
    view = question.view
    if not isinstance(view, SubjectView):
        return question
    now_us = question.now_us
    position = view.position + 1
    person = question.request.data_subject
    added = replace(
        event,
        data_subject_id="" if person is None else person.id,
        happened_at_us=now_us,
        received_at_us=now_us,
        position=position,
        event_id=f"change-{position}",
    )
    return replace(
        question,
        view=SubjectView(
            (*view.events, added),
            revision=position,
            position=position,
            read_at_us=max(view.read_at_us, now_us),
        ),
    )
