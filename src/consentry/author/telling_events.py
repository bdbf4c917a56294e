"""What a person did, in words: one line an event, with what it comes to."""

from __future__ import annotations

from typing import Final

from consentry.author.telling import instant_text
from consentry.consent.history import EventPart, EventTrace
from consentry.model.consent import Author, ConsentEvent, EventKind, RecipientScope

_ACTS: Final[dict[EventKind, str]] = {
    EventKind.REQUESTED: "was asked to consent to",
    EventKind.GIVEN: "consented to",
    EventKind.REFUSED: "refused",
    EventKind.WITHDRAWN: "withdrew from",
    EventKind.OBJECTED: "objected to",
    EventKind.OBJECTION_LIFTED: "took back the objection to",
    EventKind.OBJECTION_OVERRIDDEN: "was overridden in the objection to",
    EventKind.OVERRIDE_LIFTED: "saw the override end for",
    EventKind.OPTED_OUT: "opted out of",
    EventKind.OPTED_IN: "opted in to",
    EventKind.LIMITED: "limited the use for",
    EventKind.LIMIT_LIFTED: "lifted the limit for",
    EventKind.RESTRICTED: "had processing restricted for",
    EventKind.RESTRICTION_LIFTED: "saw the restriction lifted for",
    EventKind.ERASED: "asked for erasure from",
    EventKind.ERASURE_LIFTED: "took back the request to erase from",
    EventKind.HELD: "was put under a legal hold for",
    EventKind.HOLD_LIFTED: "saw the legal hold end for",
}
_AUTHORS: Final[dict[Author, str]] = {
    Author.DATA_SUBJECT: "",
    Author.GUARDIAN: "by a guardian",
    Author.JOINT: "together with a guardian",
    Author.AGENT: "through an agent",
    Author.CONTROLLER: "by the controller",
}
_PARTS: Final[dict[EventPart, str]] = {
    EventPart.STANDS: "stands",
    EventPart.FLAWED: "stands, but",
    EventPart.ENDS: "ends the consents before it",
    EventPart.CUT: "ended by",
    EventPart.RIGHT: "speaks of this use",
    EventPart.ASKED: "was not answered yet, or since",
    EventPart.BELOW: "is narrower than what is asked",
    EventPart.LATER: "counts later",
    EventPart.ELSEWHERE: "speaks of another use",
}


def event_line(told: EventTrace) -> str:
    """One event: id, time, what was done about what, and what it comes to here."""
    event = told.event
    name = event.event_id or f"#{event.position}"
    return f"{name}  {instant_text(event.happened_at_us)}  {act_text(event)}: {part_text(told)}"


def act_text(event: ConsentEvent) -> str:
    """What was done, about what, how and by whom."""
    words = [_ACTS[event.kind], _about(event)]
    if event.notice:
        words.append(f'under notice "{event.notice}"')
    words += [", ".join(sorted(event.qualities)), _AUTHORS[event.by]]
    if event.expires_at_us is not None:
        words.append(f"until {instant_text(event.expires_at_us)}")
    return " ".join(word for word in words if word)


def part_text(told: EventTrace) -> str:
    """What the event comes to in this question."""
    words = [_PARTS[told.part], ", ".join(told.problems), told.ended_by]
    return " ".join(word for word in words if word)


def _about(event: ConsentEvent) -> str:
    scope = event.scope
    words = [scope.purpose or (f"all {scope.tag}" if scope.tag else "every purpose")]
    words += [f"for {', '.join(scope.data)}"] if scope.data else []
    words += [f"by {', '.join(scope.channels)}"] if scope.channels else []
    if scope.recipients:
        words.append(f"to {', '.join(_recipient(one) for one in scope.recipients)}")
    words += [f"at {scope.controller}"] if scope.controller else []
    words += [f"under {scope.regime}"] if scope.regime else []
    return " ".join(words)


def _recipient(scope: RecipientScope) -> str:
    return scope.id or scope.role or scope.country
