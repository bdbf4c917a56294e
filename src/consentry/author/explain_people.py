"""An explanation for people who do not write rules: the officer's page, the customer's sentence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from consentry.author.explanation import Explanation
from consentry.author.telling import instant_text, mask_text
from consentry.author.telling_events import event_line
from consentry.author.telling_request import request_text
from consentry.model.decision import Effect, Finding
from consentry.model.program import HOUSE, Program
from consentry.model.trace import Governing, LeafTrace, RegimeTrace
from consentry.model.trees import PurposeNode
from consentry.model.vocabulary import PERMITTED_BY_POLICY, PROHIBITED_BY_POLICY

_GOVERNS: Final = {
    Governing.ALWAYS: "it always governs",
    Governing.MATCHES: "it governs, by the facts of the request",
    Governing.UNKNOWN: "it may govern: facts are missing that would tell",
    Governing.OTHERWISE: "it governs because no other law does",
}


def customer_sentence(explanation: Explanation) -> str:
    """One sentence that may be shown to the person: whether, what for and why.

    Made of texts that the policy set declares for purposes and for reasons; no name of a rule, a
    file, a principal or an attribute is in it. A reason without a text of its own is told as the
    general one.
    """
    program = explanation.program
    decision = explanation.decision
    purpose = find_purpose(explanation)
    about = (
        f"\N{LEFT DOUBLE QUOTATION MARK}{purpose.text}\N{RIGHT DOUBLE QUOTATION MARK}: "
        if (purpose is not None and purpose.text)
        else ""
    )
    is_permitted = decision.effect is Effect.PERMIT
    verdict = (
        "the data may be used for this" if is_permitted else "the data may not be used for this"
    )
    sentence = f"{about}{verdict}"
    reason = _public_text(program, decision.reason, is_permitted=is_permitted)
    if reason:
        sentence += f", because {_inner(reason)}"
    return sentence[:1].upper() + sentence[1:] + "."


def _public_text(program: Program, code: str, *, is_permitted: bool) -> str:
    general = PERMITTED_BY_POLICY if is_permitted else PROHIBITED_BY_POLICY
    return program.reason_texts.get(code) or program.reason_texts.get(general, "")


def _inner(text: str) -> str:
    """A sentence as part of another one."""
    text = text.strip().rstrip(".")
    first = text.split(" ", 1)[0]
    return text if first.isupper() and len(first) > 1 else text[:1].lower() + text[1:]


def find_purpose(explanation: Explanation) -> PurposeNode | None:
    """The purpose asked for; None where it is not declared."""
    program = explanation.program
    index = program.purpose_names.get(explanation.question.request.purpose)
    return None if index is None else program.purposes[index]


def officer_lines(explanation: Explanation) -> Iterator[str]:
    """Who asked what, which laws had a say and what they said, what the person did, what is due."""
    decision = explanation.decision
    question = explanation.question
    program = explanation.program
    text = program.reason_texts.get(decision.reason) or decision.findings[0].text
    yield f"{decision.effect.upper()}: {text or decision.reason} ({decision.reason})"
    yield ""
    yield f"Question    {request_text(question.request)}"
    purpose = find_purpose(explanation)
    if purpose is not None:
        yield f"Purpose     {purpose.path}: {purpose.text or 'it has no text'}"
    yield f"Moment      {instant_text(question.now_us)}, ledger position {question.view.position}"
    yield f"Policies    {program.digest}"
    for leaf in explanation.trace.leaves:
        yield ""
        yield from _leaf_lines(program, leaf)
    if not explanation.trace.leaves:
        yield ""
        yield from (f"  - {_reason_line(program, finding)}" for finding in decision.findings)
    yield ""
    yield "What the person did"
    if not explanation.events:
        told = "nothing is on record" if question.view.is_available else "it could not be read"
        yield f"  {told}"
    yield from (f"  {event_line(event)}" for event in explanation.events)
    yield ""
    yield from _until_lines(explanation)
    yield ""
    yield "What would change the answer, the smallest change first"
    yield from (f"  - {flip.text}" for flip in explanation.flips)
    if not explanation.flips:
        yield "  nothing that is small"


def _until_lines(explanation: Explanation) -> Iterator[str]:
    until_us = explanation.decision.valid_until_us
    if until_us is None:
        yield "Holds until something is done: time alone does not change it"
        return
    yield f"Holds until {instant_text(until_us)}, when"
    yield from (f"  - {cause}" for cause in explanation.until)


def _leaf_lines(program: Program, leaf: LeafTrace) -> Iterator[str]:
    yield f"{', '.join(leaf.data)}: {leaf.effect}"
    used = next((told.rule for told in leaf.permits if told.is_used), None)
    if used is None:
        yield "  No activity of the company covers this"
    else:
        yield f"  Activity: {used.text or used.name} [{used.name}]"
    for regime in leaf.regimes:
        if regime.regime.index != HOUSE and regime.governing.has_say:
            yield from _law_lines(regime)
    others = [r.regime.name for r in leaf.regimes if not r.governing.has_say]
    if others:
        yield f"  Laws without a say here: {', '.join(others)}"
    yield "  Because"
    yield from (f"    - {_reason_line(program, finding)}" for finding in leaf.findings)
    if leaf.mask is not None:
        yield f"  The field must be masked: {mask_text(leaf.mask)}"
    for duty in leaf.obligations:
        yield f"  Duty: {duty.text or duty.name} [{duty.name}]"


def _law_lines(told: RegimeTrace) -> Iterator[str]:
    regime = told.regime
    name = f"{regime.name} {regime.version}".rstrip()
    answer = "yes" if told.says_yes else "no"
    yield f"  Law {name}: {answer} ({_GOVERNS[told.governing]}; basis: {told.basis or 'none'})"
    if told.missing:
        yield f"    not told: {', '.join(told.missing)}"
    for track, since_us in told.rights:
        since = f" since {instant_text(since_us)}" if since_us is not None else ""
        yield f"    the person has {track.value.replace('_', ' ')}{since}"


def _reason_line(program: Program, finding: Finding) -> str:
    text = program.reason_texts.get(finding.reason) or finding.text or finding.reason
    words = [f"{text} [{finding.reason}]"]
    rule = ".".join(part for part in (finding.regime, finding.rule) if part)
    if rule:
        words.append(f"by {rule}")
    if finding.text and finding.text != text:
        words.append(f"({finding.text})")
    if finding.cite:
        words.append(f"- {finding.cite}")
    if finding.missing:
        words.append(f"- undecided, for nobody said {', '.join(finding.missing)}")
    return " ".join(words)
