"""A subject report for programs: every answer by itself, nothing shortened."""

from __future__ import annotations

from typing import TypeAlias

from consentry.model.consent import ConsentEvent
from consentry.model.program import Program
from consentry.model.values import datetime_of
from consentry.publish.preferences import act_sentence
from consentry.publish.subject_report import Asked, Ground, SubjectReport, gap_sentences
from consentry.publish.wording import Wording

Json: TypeAlias = dict[str, object]


def report_json(report: SubjectReport, program: Program, wording: Wording) -> Json:
    """Instants in RFC 3339; texts in the language of `wording`."""
    limits, gaps = report.limits, report.gaps
    return {
        "data_subject": report.data_subject_id,
        "made_at": _instant(report.made_at_us),
        "since": None if limits.since_us is None else _instant(limits.since_us),
        "until": None if limits.until_us is None else _instant(limits.until_us),
        "principal": limits.principal or None,
        "asked": [_asked(one, ground, program, wording) for one, ground in report.asked],
        "events": [
            _event(event, program, wording) | {"receipt": report.receipts.get(event.event_id)}
            for event in report.events
        ],
        "gaps": {
            "log": gaps.has_log,
            "oldest_record_at": None if gaps.oldest_us is None else _instant(gaps.oldest_us),
            "dropped": gaps.dropped,
            "sampled_out": gaps.sampled_out,
            "damaged": gaps.damaged,
            "key_gone": gaps.unreadable,
            "receipts": gaps.has_receipts,
            "told": list(gap_sentences(gaps, wording)),
        },
        "policy_digest": program.digest,
    }


def _asked(one: Asked, ground: Ground, program: Program, wording: Wording) -> Json:
    index = program.purpose_names.get(one.purpose)
    text = "" if index is None else program.purposes[index].text
    return {
        "at": _instant(one.at_us),
        "decision_id": one.decision_id,
        "principal": one.principal,
        "caller": one.caller or None,
        "action": one.action,
        "data": list(one.data),
        "granted": None if one.granted is None else list(one.granted),
        "purpose": one.purpose,
        "purpose_text": wording.text("purpose", one.purpose, text) if one.purpose else "",
        "effect": one.effect,
        "reason": one.reason,
        "rule": one.rule or None,
        "bases": list(ground.bases),
        "consent_event": ground.consent_id or None,
        "policy_digest": one.digest,
    }


def _event(event: ConsentEvent, program: Program, wording: Wording) -> Json:
    scope = event.scope
    return {
        "id": event.event_id,
        "position": event.position,
        "kind": event.kind.value,
        "text": act_sentence(program, wording, event),
        "happened_at": _instant(event.happened_at_us),
        "received_at": _instant(event.received_at_us),
        "by": event.by.value,
        "purpose": scope.purpose or None,
        "tag": scope.tag or None,
        "data": list(scope.data),
        "channels": list(scope.channels),
        "recipients": [entry.id or entry.role or entry.country for entry in scope.recipients],
        "notice": event.notice or None,
        "proof": event.proof.method or None,
    }


def _instant(micros: int) -> str:
    return f"{datetime_of(micros):%Y-%m-%dT%H:%M:%S.%fZ}"
