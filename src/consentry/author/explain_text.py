"""An explanation as text, for three readers.

- the **developer** sees every rule that was looked at, with file and line, and why it did or did
  not apply;
- the **officer** sees laws, citations, the person's own acts and their dates, duties and ends;
- the **customer** gets one sentence made of the policy set's own texts: nothing of how it is built.

A line never ends in a full stop of ours; marks are `+` holds, `-` does not, `?` undecided, `~`
lifted by an exception.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from consentry.author.explain_people import customer_sentence, officer_lines
from consentry.author.explanation import Explanation, Reader
from consentry.author.telling import DIGEST_SHOWN, finding_text, instant_text, mask_text
from consentry.author.telling_events import event_line
from consentry.author.telling_request import request_text
from consentry.model.decision import Effect
from consentry.model.program import HOUSE, RuleKind
from consentry.model.trace import (
    Asking,
    Governing,
    LeafTrace,
    LedgerReading,
    RegimeTrace,
    RuleTrace,
    truth_text,
)
from consentry.model.tri import TRUE, UNKNOWN

_GOVERNING: Final = {
    Governing.ALWAYS: "always governs",
    Governing.MATCHES: "governs here",
    Governing.UNKNOWN: "may govern, so it has a say",
    Governing.OTHERWISE: "governs, since no other law does",
    Governing.NO: "does not govern here",
    Governing.NOT_NEEDED: "is not needed, since another law governs",
    Governing.NOT_IN_FORCE: "is not in force",
}
_READING: Final = {
    LedgerReading.NOT_NEEDED: "the ledger could not be read, and could not have changed this",
    LedgerReading.UNAVAILABLE: "the ledger could not be read; what it could bring is not assumed",
}


def render_text(explanation: Explanation, reader: Reader = Reader.DEVELOPER) -> str:
    """The explanation for one reader, lines of text ended by a newline; plain ASCII but for texts
    of the policy set and names in the request.
    """
    match reader:
        case Reader.DEVELOPER:
            lines = _developer_lines(explanation)
        case Reader.OFFICER:
            lines = officer_lines(explanation)
        case Reader.CUSTOMER:
            lines = iter((customer_sentence(explanation),))
    return "\n".join(lines) + "\n"


def _developer_lines(explanation: Explanation) -> Iterator[str]:
    decision = explanation.decision
    question = explanation.question
    yield f"{decision.effect.upper()}  {decision.reason}"
    yield f"  {request_text(question.request)}"
    digest = explanation.program.digest[:DIGEST_SHOWN]
    yield (
        f"  at {instant_text(question.now_us)}, ledger position {question.view.position}, "
        f"policies {digest}"
    )
    if not explanation.trace.leaves:
        yield "  refused before any rule was asked:"
        yield from (f"    {finding_text(finding)}" for finding in decision.findings)
    for leaf in explanation.trace.leaves:
        yield ""
        yield from _leaf_lines(leaf)
    if explanation.events:
        yield ""
        yield "the ledger:"
        yield from (f"  {event_line(event)}" for event in explanation.events)
    yield from _end_lines(explanation)


def _end_lines(explanation: Explanation) -> Iterator[str]:
    decision = explanation.decision
    yield ""
    if decision.valid_until_us is None:
        yield "time alone does not change this"
    else:
        yield f"until {instant_text(decision.valid_until_us)}: then"
        yield from (f"  {cause}" for cause in explanation.until)
    yield ""
    yield from flip_lines(explanation)


def flip_lines(explanation: Explanation) -> Iterator[str]:
    """The changes that turn the answer, the smallest first, and how sure that is."""
    opposite = Effect.PERMIT if explanation.decision.effect is Effect.DENY else Effect.DENY
    if not explanation.flips:
        tried = "three changes at once" if explanation.is_search_complete else "what was tried"
        yield f"nothing small makes it {opposite.upper()}: not {tried}"
        return
    yield f"smallest changes that make it {opposite.upper()}, each tried on the engine:"
    for number, flip in enumerate(explanation.flips, start=1):
        yield f"  {number}. {flip.text}  -> {flip.reason}"


def _leaf_lines(leaf: LeafTrace) -> Iterator[str]:
    yield f"{', '.join(leaf.data)}: {leaf.effect}"
    if leaf.reading in _READING:
        yield f"  {_READING[leaf.reading]}"
    used = next((told.rule.name for told in leaf.permits if told.is_used), None)
    yield "  house permits: " + (f"{used} holds" if used else "none holds")
    for told in leaf.permits:
        yield from _rule_lines(told, "    ")
    if leaf.left_out:
        yield f"    and {leaf.left_out} more that miss by more"
    if not leaf.permits:
        yield "    there is none for this purpose"
    for regime in leaf.regimes:
        yield from _regime_lines(regime)
    yield "  reasons:"
    yield from (f"    {finding_text(finding)}" for finding in leaf.findings)
    if leaf.mask is not None:
        yield f"  mask: {mask_text(leaf.mask)}"
    yield from (f"  must: {duty.name}  {duty.text}".rstrip() for duty in leaf.obligations)


def _regime_lines(told: RegimeTrace) -> Iterator[str]:
    deciding = told.deciding
    if told.regime.index == HOUSE:
        if deciding is None or not deciding.rules:
            return
        yield f"  house rules: {'nothing against it' if told.says_yes else 'no'}"
    else:
        governs = _GOVERNING[told.governing]
        if told.missing:
            governs += f"; nobody said {', '.join(told.missing)}"
        says = f": {'yes' if told.says_yes else 'no'}" if told.governing.has_say else ""
        yield f"  law {told.regime.name} {governs}{says}"
        if told.governing.has_say:
            yield f"    basis of the purpose: {told.basis or 'none'}"
    for asking in told.askings:
        yield from _asking_lines(asking, told, is_deciding=asking is deciding)


def _asking_lines(asking: Asking, told: RegimeTrace, *, is_deciding: bool) -> Iterator[str]:
    margin = "    "
    if told.state is not None:
        with_what = f"the consent {asking.event_id}" if asking.event_id else "no consent"
        yield f"{margin}asked with {with_what}: {'yes' if asking.says_yes else 'no'}"
        margin += "  "
    for rule in asking.rules:
        # Of askings that do not count, what stood in the way is enough.
        if is_deciding or rule.is_used or rule.rule.kind is RuleKind.PERMIT:
            yield from _rule_lines(rule, margin)


def _rule_lines(told: RuleTrace, margin: str) -> Iterator[str]:
    rule = told.rule
    used = "  <- used" if told.is_used else ""
    only = f" on {', '.join(sorted(rule.on))}" if rule.on else ""
    yield f"{margin}{_mark(told)} {rule.kind} {rule.name}{only}  {rule.file}:{rule.line}{used}"
    for clause in told.failing():
        state = "unknown" if clause.holds == UNKNOWN else "not so"
        yield f"{margin}    {state}: {_said(told, clause.name)}"
    is_so = told.is_used and told.holds == TRUE and rule.kind is RuleKind.FORBID
    if is_so and rule.condition is not None:
        yield f"{margin}    so: {rule.condition.text}"
    if len(told.parts) > 1 and (told.is_used or told.holds != TRUE):
        yield from (f"{margin}      {truth_text(p.holds)}: {p.text}" for p in told.parts)
    if told.missing:
        yield f"{margin}    nobody said {', '.join(told.missing)}"
    for exception in told.exceptions:
        yield from _rule_lines(exception, margin + "    ")


def _said(told: RuleTrace, clause: str) -> str:
    """A clause as it was written, as far as it is known."""
    condition = told.rule.condition
    return condition.text if clause == "when" and condition is not None else clause


def _mark(told: RuleTrace) -> str:
    if told.is_lifted:
        return "~"
    if told.holds == UNKNOWN:
        return "?"
    return "+" if told.holds == TRUE else "-"
