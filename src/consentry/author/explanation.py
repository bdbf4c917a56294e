"""An explanation as a value: the answer, how it came about, and what would change it.

`author.explain` makes it, `author.explain_text` tells it to a person, the doors put it on the wire.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from consentry.consent.history import EventTrace
from consentry.model.consent import ConsentView
from consentry.model.decision import Decision, Effect
from consentry.model.program import Program
from consentry.model.request import Request
from consentry.model.trace import Trace


class Reader(StrEnum):
    """For whom an explanation is written."""

    DEVELOPER = "developer"
    OFFICER = "officer"
    CUSTOMER = "customer"


class ChangeKind(StrEnum):
    """What a change touches."""

    DATA = "data"
    TIME = "time"
    ATTRIBUTE = "attribute"
    ROLE = "role"
    CONSENT = "consent"
    RIGHT = "right"
    CHANNEL = "channel"
    RECIPIENT = "recipient"
    CONTROLLER = "controller"
    PRINCIPAL = "principal"
    PURPOSE = "purpose"
    ACTION = "action"
    RESOURCE = "resource"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of the engine: the request, the reading of the ledger, the moment."""

    request: Request
    view: ConsentView
    now_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One small change of a question: its kind, and what to do, in words."""

    kind: ChangeKind
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """A change that turns the answer, proven: `question` is the changed one, as it was asked.

    No proper part of `changes` turns the answer.
    """

    changes: tuple[Change, ...]
    effect: Effect
    reason: str
    question: Question

    @property
    def text(self) -> str:
        """All that is to be changed, in words."""
        return ", and ".join(change.text for change in self.changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Everything there is to say about one answer.

    `events` are all of the person's events that the ledger held, oldest first, each with what it
    comes to; empty where the ledger could not be read. `until` says in words what happens at
    `decision.valid_until_us`. `flips` are the smallest changes that turn the answer, the smallest
    first; `is_search_complete` is false where there were more candidates than may be tried.
    """

    question: Question
    program: Program
    decision: Decision
    trace: Trace
    events: tuple[EventTrace, ...] = ()
    until: tuple[str, ...] = ()
    flips: tuple[Flip, ...] = ()
    is_search_complete: bool = True
