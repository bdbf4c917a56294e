"""What a handler needs before it runs, said beside it by a decorator."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, TypeVar

from consentry.client.decision import Decision, denied
from consentry.client.questions import Principal, QuestionFields, Subject

ATTRIBUTE: Final = "__consentry__"
_Handler = TypeVar("_Handler", bound=Callable[..., Any])

From: TypeAlias = Callable[[Any, Any], Any]
"""Finds a part of the question: called with the request and the call's context (None: none)."""

_current: ContextVar[Decision | None] = ContextVar("consentry_decision", default=None)


class NoRequirementError(Exception):
    """A handler says neither what it needs nor that it needs nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """The question to ask before a handler runs.

    `principal` and `data_subject` are fixed, or found in each request; a name in `data_subject` is
    that of a field (protobuf) or a path parameter (HTTP). `more` finds the other parts: recipient,
    resource, context, signals.
    """

    principal: Principal | From
    action: str
    data: str | tuple[str, ...]
    data_subject: str | From
    purpose: str
    channel: str = ""
    partial: bool = False
    is_masked: bool = False
    more: Callable[[Any, Any], Mapping[str, Any]] | None = None

    def question(self, request: Any, context: Any, find: Callable[[Any, str], Any]) -> Any:
        """The parts of the question about `request`; `find` gives the field of a name.

        Raises:
            whatever finding them raises; nothing may be done then.
        """
        principal = self.principal
        if not isinstance(principal, Principal):
            principal = principal(request, context)
        if callable(self.data_subject):
            person = self.data_subject(request, context)
        else:
            person = find(request, self.data_subject)
        fields: QuestionFields = {
            "principal": principal,
            "action": self.action,
            "data": self.data,
            # An id of another type (an int of a path, a UUID) is asked about by its text.
            "subject": person if isinstance(person, (str, Subject)) else str(person),
            "purpose": self.purpose,
        }
        if self.channel:
            fields["channel"] = self.channel
        if self.partial:
            fields["partial"] = True
        return fields | dict(self.more(request, context)) if self.more is not None else fields


def requires(
    *,
    principal: Principal | From,
    action: str,
    data: str | Iterable[str],
    data_subject: str | From,
    purpose: str,
    channel: str = "",
    partial: bool = False,
    is_masked: bool = False,
    more: Callable[[Any, Any], Mapping[str, Any]] | None = None,
) -> Callable[[_Handler], _Handler]:
    """Says that a handler may run only if this is permitted; see `Requirement`.

    With `is_masked` what the handler gives back is passed through `apply`.
    """
    requirement = Requirement(
        principal=principal,
        action=action,
        data=data if isinstance(data, str) else tuple(data),
        data_subject=data_subject,
        purpose=purpose,
        channel=channel,
        partial=partial,
        is_masked=is_masked,
        more=more,
    )

    def mark(handler: _Handler) -> _Handler:
        setattr(handler, ATTRIBUTE, requirement)
        return handler

    return mark


def unchecked(why: str) -> Callable[[_Handler], _Handler]:
    """Says that a handler touches no personal data, and why; so it runs without a question.

    Raises:
        ValueError: no reason is given.
    """
    if not why.strip():
        raise ValueError("say why this handler needs no decision")

    def mark(handler: _Handler) -> _Handler:
        setattr(handler, ATTRIBUTE, why)
        return handler

    return mark


def find_requirement(handler: Any) -> Requirement | None:
    """What `handler` needs; None where it was said that it needs nothing.

    Raises:
        NoRequirementError: nothing was said.
    """
    said = getattr(handler, ATTRIBUTE, None)
    if said is None:
        raise NoRequirementError
    return said if isinstance(said, Requirement) else None


def current_decision() -> Decision:
    """The decision under which the running handler was let in; a denial where there is none."""
    return _current.get() or denied("no decision was asked for")


def keep_for_task(decision: Decision) -> None:
    """Makes `decision` that of the task that runs; for servers that give each request its own."""
    _current.set(decision)


@contextmanager
def running_under(decision: Decision) -> Iterator[None]:
    """Makes `decision` that of the handler that runs within; threads are used again."""
    token = _current.set(decision)
    try:
        yield
    finally:
        _current.reset(token)
