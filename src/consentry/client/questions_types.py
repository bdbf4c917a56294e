"""The keywords of a question, for type checkers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NotRequired, TypedDict

from consentry.client.questions import Attributes, Principal, Recipient, Resource, Subject


class QuestionFields(TypedDict):
    """As `questions.question` takes them."""

    principal: Principal
    action: str
    data: str | Iterable[str]
    subject: str | Subject
    purpose: str
    channel: NotRequired[str]
    recipient: NotRequired[Recipient | None]
    resource: NotRequired[Resource | None]
    context: NotRequired[Attributes | None]
    signals: NotRequired[Attributes | None]
    partial: NotRequired[bool]
    all_reasons: NotRequired[bool]
