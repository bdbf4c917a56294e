"""A decision as AuthZEN tells it: true or false, and the rest in its context.

Obligations have the shape of the obligations profile: a caller that cannot do one must deny.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from consentry.model.vocabulary import CONSENT_STATE_UNAVAILABLE
from consentry.server.codec import read_mask
from consentry.v1 import authorization_pb2 as wire
from consentry.v1 import decision_pb2 as shapes


def tell_decision(answer: wire.CheckResponse) -> dict[str, Any]:
    """The decision as JSON; the engine's own "cannot be told now" is an error beside it."""
    context: dict[str, Any] = {
        "reason": answer.reason,
        "decision_id": answer.moment.decision_id,
        "policy_digest": answer.policy_digest,
        "consent": {
            "ledger_position": answer.moment.ledger_position,
            "age_us": answer.moment.consent_age_us,
        },
        "fields": [_field(leaf) for leaf in answer.leaves],
        "obligations": [
            {"id": duty.name, "type": "custom", "properties": {"text": duty.text}}
            for duty in answer.obligations
        ],
        "reasons": [_reason(reason) for reason in answer.reasons],
    }
    if answer.HasField("valid_until"):
        context["valid_until"] = answer.valid_until.ToJsonString()
    if answer.reason == CONSENT_STATE_UNAVAILABLE:
        status = HTTPStatus.SERVICE_UNAVAILABLE
        context["error"] = tell_error(status, "the state of consent cannot be read now")
    # What has no value is left out.
    told = {name: value for name, value in context.items() if value not in ("", [])}
    return {"decision": answer.effect == shapes.EFFECT_PERMIT, "context": told}


def tell_unknown(reason: str) -> dict[str, Any]:
    """A denial of what this decision point knows nothing about."""
    return {"decision": False, "context": {"reason": reason}}


def tell_item_fault(status: HTTPStatus, message: str) -> dict[str, Any]:
    """One of several evaluations that could not be made: closed, with its error beside it."""
    return {"decision": False, "context": {"error": tell_error(status, message)}}


def tell_error(status: HTTPStatus, message: str) -> dict[str, Any]:
    """An error within an answer."""
    return {"status": status.value, "message": message}


def _field(leaf: shapes.LeafDecision) -> dict[str, Any]:
    told: dict[str, Any] = {
        "data": leaf.data,
        "decision": leaf.effect == shapes.EFFECT_PERMIT,
        "reason": leaf.reason,
    }
    if leaf.HasField("mask"):
        told["mask"] = _mask(leaf.mask)
    return told


def _mask(mask: shapes.Mask) -> dict[str, Any]:
    name, argument = read_mask(mask)
    return {"function": name} | ({"argument": argument} if argument else {})


def _reason(reason: shapes.Reason) -> dict[str, Any]:
    told = {
        "id": reason.code,
        "regime": reason.regime,
        "rule": reason.rule,
        "cite": reason.cite,
        "missing": list(reason.missing),
    }
    found = {name: value for name, value in told.items() if value}
    # Only for administrators: a rule's own words are not written for the person concerned.
    return found | ({"reason_admin": {"en": reason.text}} if reason.text else {})
