"""A request in one sentence, as a person would ask it."""

from __future__ import annotations

from consentry.model.request import Recipient, Request


def request_text(request: Request) -> str:
    """Who asks to do what with which data of whom, for what, over what, to whom."""
    principal = request.principal
    words = [f"{principal.kind} {principal.id}"]
    if principal.roles:
        words.append(f"({', '.join(sorted(principal.roles))})")
    words.append(f"asks to {request.action} {', '.join(request.data)}")
    person = request.data_subject
    words.append(f"of {person.id}" if person is not None and person.id else "of nobody named")
    words.append(f"for {request.purpose or 'no purpose'}")
    if request.channel:
        words.append(f"by {request.channel}")
    if request.recipient is not None:
        words.append(f"to {_recipient_text(request.recipient)}")
    if request.partial:
        words.append("in part")
    return " ".join(words)


def _recipient_text(recipient: Recipient) -> str:
    words = [recipient.id] if recipient.id else []
    words += sorted(recipient.roles)
    words += [f"in {recipient.country}"] if recipient.country else []
    return " ".join(words) or "an unnamed recipient"
