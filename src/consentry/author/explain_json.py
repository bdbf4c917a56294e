"""An explanation as plain values, for programs: the whole tree, nothing shortened."""

from __future__ import annotations

from typing import TypeAlias

from consentry.author.explain_text import render_text
from consentry.author.explanation import Explanation, Flip, Reader
from consentry.author.telling import instant_text, mask_text
from consentry.author.telling_events import act_text
from consentry.consent.history import EventTrace
from consentry.model.decision import Finding, Obligation
from consentry.model.trace import Asking, LeafTrace, RegimeTrace, RuleTrace, truth_text

Json: TypeAlias = dict[str, object]


def explanation_json(explanation: Explanation) -> Json:
    """Everything that the text says and more; instants in RFC 3339, truth as a word."""
    decision, question = explanation.decision, explanation.question
    return {
        "effect": decision.effect.value,
        "reason": decision.reason,
        "at": instant_text(question.now_us),
        "ledger_position": question.view.position,
        "policy_digest": explanation.program.digest,
        "valid_until": _instant(decision.valid_until_us),
        "until": list(explanation.until),
        "reasons": [finding_json(finding) for finding in decision.findings],
        "obligations": _obligations(decision.obligations),
        "leaves": [_leaf(leaf) for leaf in explanation.trace.leaves],
        "events": [_event(event) for event in explanation.events],
        "changes": [_flip(flip) for flip in explanation.flips],
        "is_search_complete": explanation.is_search_complete,
        "for_customer": render_text(explanation, Reader.CUSTOMER).rstrip("\n"),
    }


def finding_json(finding: Finding) -> Json:
    """One reason with its source."""
    return {
        "code": finding.reason,
        "regime": finding.regime,
        "rule": finding.rule,
        "text": finding.text,
        "cite": finding.cite,
        "file": finding.file,
        "line": finding.line,
        "missing": list(finding.missing),
    }


def _leaf(leaf: LeafTrace) -> Json:
    return {
        "data": list(leaf.data),
        "effect": leaf.effect.value,
        "ledger": leaf.reading.value,
        "reasons": [finding_json(finding) for finding in leaf.findings],
        "mask": mask_text(leaf.mask) or None,
        "obligations": _obligations(leaf.obligations),
        "permits": [_rule(rule) for rule in leaf.permits],
        "permits_left_out": leaf.left_out,
        "regimes": [_regime(regime) for regime in leaf.regimes],
    }


def _regime(told: RegimeTrace) -> Json:
    return {
        "name": told.regime.name,
        "version": told.regime.version,
        "governing": told.governing.value,
        "has_say": told.governing.has_say,
        "says_yes": told.says_yes if told.governing.has_say else None,
        "basis": told.basis,
        "missing": list(told.missing),
        "rights": [{"right": t.value, "since": _instant(since)} for t, since in told.rights],
        "reasons": [finding_json(finding) for finding in told.findings],
        "askings": [_asking(asking) for asking in told.askings],
    }


def _asking(asking: Asking) -> Json:
    return {
        "event": asking.event_id or None,
        "says_yes": asking.says_yes,
        "rules": [_rule(rule) for rule in asking.rules],
    }


def _rule(told: RuleTrace) -> Json:
    rule = told.rule
    return {
        "name": rule.name,
        "kind": rule.kind.value,
        "file": rule.file or None,
        "line": rule.line or None,
        "cite": rule.cite,
        "condition": rule.condition.text if rule.condition is not None else "",
        "holds": truth_text(told.holds),
        "is_used": told.is_used,
        "is_lifted": told.is_lifted,
        "clauses": [{"clause": c.name, "holds": truth_text(c.holds)} for c in told.clauses],
        "parts": [{"text": p.text, "holds": truth_text(p.holds)} for p in told.parts],
        "missing": list(told.missing),
        "exceptions": [_rule(exception) for exception in told.exceptions],
        "changes_at": _instant(told.changes_at_us),
    }


def _event(told: EventTrace) -> Json:
    event = told.event
    return {
        "id": event.event_id,
        "position": event.position,
        "kind": event.kind.value,
        "happened_at": instant_text(event.happened_at_us),
        "text": act_text(event),
        "part": told.part.value,
        "problems": list(told.problems),
        "ended_by": told.ended_by or None,
    }


def _flip(flip: Flip) -> Json:
    return {
        "text": flip.text,
        "changes": [{"kind": c.kind.value, "text": c.text} for c in flip.changes],
        "effect": flip.effect.value,
        "reason": flip.reason,
    }


def _obligations(obligations: tuple[Obligation, ...]) -> list[Json]:
    return [{"name": duty.name, "text": duty.text} for duty in obligations]


def _instant(micros: int | None) -> str | None:
    return None if micros is None else instant_text(micros)
