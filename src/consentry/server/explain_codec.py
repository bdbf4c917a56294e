"""An explanation on the wire."""

from __future__ import annotations

from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from consentry.author.explain_text import render_text
from consentry.author.explanation import Explanation, Flip, Reader
from consentry.author.telling_events import act_text
from consentry.consent.history import EventTrace
from consentry.model.decision import Obligation
from consentry.model.trace import (
    Asking,
    Governing,
    LeafTrace,
    LedgerReading,
    RegimeTrace,
    RuleTrace,
)
from consentry.model.tri import FALSE, TRUE, UNKNOWN
from consentry.server.codec import EFFECTS, wire_mask, wire_reason
from consentry.server.wire_values import timestamp_of
from consentry.v1 import authorization_pb2 as wire
from consentry.v1 import decision_pb2 as shapes
from consentry.v1 import explanation_pb2 as parts

_TRUTHS: Final = {
    FALSE: parts.TRUTH_FALSE,
    UNKNOWN: parts.TRUTH_UNKNOWN,
    TRUE: parts.TRUTH_TRUE,
}
_GOVERNING: Final = {
    Governing.ALWAYS: parts.GOVERNING_ALWAYS,
    Governing.MATCHES: parts.GOVERNING_MATCHES,
    Governing.UNKNOWN: parts.GOVERNING_UNKNOWN,
    Governing.OTHERWISE: parts.GOVERNING_OTHERWISE,
    Governing.NO: parts.GOVERNING_NO,
    Governing.NOT_NEEDED: parts.GOVERNING_NOT_NEEDED,
    Governing.NOT_IN_FORCE: parts.GOVERNING_NOT_IN_FORCE,
}
_READINGS: Final = {
    LedgerReading.READ: parts.LEDGER_READING_READ,
    LedgerReading.NOT_NEEDED: parts.LEDGER_READING_NOT_NEEDED,
    LedgerReading.UNAVAILABLE: parts.LEDGER_READING_UNAVAILABLE,
}


def encode_explanation(told: Explanation) -> wire.ExplainResponse:
    """The whole explanation, with its three texts."""
    decision, question = told.decision, told.question
    return wire.ExplainResponse(
        effect=EFFECTS[decision.effect],
        reason=decision.reason,
        reasons=[wire_reason(finding) for finding in decision.findings],
        obligations=_obligations(decision.obligations),
        valid_until=_instant(decision.valid_until_us),
        until=told.until,
        policy_digest=told.program.digest,
        at=timestamp_of(question.now_us),
        ledger_position=question.view.position,
        leaves=[_leaf(leaf) for leaf in told.trace.leaves],
        events=[_event(event) for event in told.events],
        flips=[_flip(flip) for flip in told.flips],
        is_search_complete=told.is_search_complete,
        text_for_developer=render_text(told, Reader.DEVELOPER),
        text_for_officer=render_text(told, Reader.OFFICER),
        text_for_customer=render_text(told, Reader.CUSTOMER),
    )


def _leaf(leaf: LeafTrace) -> parts.LeafExplanation:
    return parts.LeafExplanation(
        data=leaf.data,
        effect=EFFECTS[leaf.effect],
        reasons=[wire_reason(finding) for finding in leaf.findings],
        mask=None if leaf.mask is None else wire_mask(leaf.mask),
        obligations=_obligations(leaf.obligations),
        ledger=_READINGS[leaf.reading],
        permits=[_rule(rule) for rule in leaf.permits],
        permits_left_out=leaf.left_out,
        regimes=[_regime(regime) for regime in leaf.regimes],
    )


def _regime(told: RegimeTrace) -> parts.RegimeExplanation:
    return parts.RegimeExplanation(
        name=told.regime.name,
        version=told.regime.version,
        governing=_GOVERNING[told.governing],
        says_yes=told.governing.has_say and told.says_yes,
        basis=told.basis or "",
        missing=told.missing,
        rights=[
            parts.RightInForce(name=track.value, since=_instant(since_us))
            for track, since_us in told.rights
        ],
        reasons=[wire_reason(finding) for finding in told.findings],
        askings=[_asking(asking) for asking in told.askings],
    )


def _asking(asking: Asking) -> parts.Asking:
    return parts.Asking(
        event_id=asking.event_id,
        says_yes=asking.says_yes,
        rules=[_rule(rule) for rule in asking.rules],
    )


def _rule(told: RuleTrace) -> parts.RuleExplanation:
    rule = told.rule
    return parts.RuleExplanation(
        name=rule.name,
        kind=rule.kind.value,
        file=rule.file,
        line=rule.line,
        cite=rule.cite,
        text=rule.text,
        condition=rule.condition.text if rule.condition is not None else "",
        holds=_TRUTHS[told.holds],
        is_used=told.is_used,
        clauses=[
            parts.ClauseExplanation(name=clause.name, holds=_TRUTHS[clause.holds])
            for clause in told.clauses
        ],
        missing=told.missing,
        exceptions=[_rule(exception) for exception in told.exceptions],
        changes_at=_instant(told.changes_at_us),
    )


def _event(told: EventTrace) -> parts.EventExplanation:
    event = told.event
    return parts.EventExplanation(
        event_id=event.event_id,
        position=event.position,
        happened_at=timestamp_of(event.happened_at_us),
        text=act_text(event),
        part=told.part.value,
        problems=told.problems,
        ended_by=told.ended_by,
    )


def _flip(flip: Flip) -> parts.Flip:
    return parts.Flip(
        changes=[parts.Change(kind=c.kind.value, text=c.text) for c in flip.changes],
        effect=EFFECTS[flip.effect],
        reason=flip.reason,
    )


def _obligations(obligations: tuple[Obligation, ...]) -> list[shapes.Obligation]:
    return [shapes.Obligation(name=duty.name, text=duty.text) for duty in obligations]


def _instant(micros: int | None) -> Timestamp | None:
    return None if micros is None else timestamp_of(micros)
