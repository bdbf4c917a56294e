"""A decision as Envoy takes it: let through with headers, or refused with a body.

Every answer carries the decision's id, its reason, until when it holds and how old the consent
data were: for the service behind in headers, for access logs in dynamic metadata. What a client
sends under our names never reaches the service.

"Cannot be decided" is refused too, with 503 and UNAVAILABLE, and not by Envoy's `error_response`:
that would be let through where the filter is told to let errors through (ADR 41).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Final

from google.protobuf.wrappers_pb2 import BoolValue
from google.rpc import code_pb2

from consentry.envoy.v3 import external_auth_pb2 as wire
from consentry.model.vocabulary import CONSENT_STATE_UNAVAILABLE
from consentry.server.ext_authz.refusals import (
    HTML_TYPE,
    PAGE_POLICY,
    Refusal,
    write_refusal,
)
from consentry.v1 import authorization_pb2 as answers
from consentry.v1 import decision_pb2 as shapes

PREFIX: Final = "x-consentry-"
DECISION_ID: Final = f"{PREFIX}decision-id"
REASON: Final = f"{PREFIX}reason"
VALID_UNTIL: Final = f"{PREFIX}valid-until"
CONSENT_AGE: Final = f"{PREFIX}consent-age-us"
LEDGER_POSITION: Final = f"{PREFIX}ledger-position"
POLICY: Final = f"{PREFIX}policy-digest"
FIELDS: Final = f"{PREFIX}fields"
DENIED_FIELDS: Final = f"{PREFIX}denied-fields"
MASKS: Final = f"{PREFIX}masks"
OBLIGATIONS: Final = f"{PREFIX}obligations"
HEADERS: Final = (
    DECISION_ID, REASON, VALID_UNTIL, CONSENT_AGE, LEDGER_POSITION, POLICY,
    FIELDS, DENIED_FIELDS, MASKS, OBLIGATIONS,
)  # fmt: skip
"""All that a service may find; each is removed where this answer does not set it."""

_RETRY_AFTER_S: Final = "1"
_CODES: Final = {
    HTTPStatus.BAD_REQUEST: code_pb2.INVALID_ARGUMENT,
    HTTPStatus.FORBIDDEN: code_pb2.PERMISSION_DENIED,
    HTTPStatus.INTERNAL_SERVER_ERROR: code_pb2.INTERNAL,
    HTTPStatus.SERVICE_UNAVAILABLE: code_pb2.UNAVAILABLE,
}
_OVERWRITE: Final = BoolValue(value=False)
_MASK_PREFIX: Final = "MASK_FUNCTION_"


def answer_decision(
    answer: answers.CheckResponse, client_headers: Mapping[str, str]
) -> wire.CheckResponse:
    """What Envoy is told of a decision."""
    told = _headers_of(answer)
    if answer.effect == shapes.EFFECT_PERMIT:
        response = _permit(told, client_headers)
    else:
        is_undecided = answer.reason == CONSENT_STATE_UNAVAILABLE
        status = HTTPStatus.SERVICE_UNAVAILABLE if is_undecided else HTTPStatus.FORBIDDEN
        refusal = Refusal(status, answer.reason, answer.moment.decision_id)
        response = answer_refusal(refusal, client_headers)
    effect = "permit" if answer.effect == shapes.EFFECT_PERMIT else "deny"
    response.dynamic_metadata.update(
        {"effect": effect}
        | {name.removeprefix(PREFIX).replace("-", "_"): value for name, value in told.items()}
    )
    return response


def answer_refusal(refusal: Refusal, client_headers: Mapping[str, str]) -> wire.CheckResponse:
    """What Envoy is told where a request is not let through."""
    body, content_type = write_refusal(refusal, client_headers.get("accept", ""))
    headers = {
        "content-type": content_type,
        "cache-control": "no-store",
        REASON: refusal.reason,
        DECISION_ID: refusal.decision_id,
    }
    if content_type == HTML_TYPE:
        headers["content-security-policy"] = PAGE_POLICY
    if refusal.status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers["retry-after"] = _RETRY_AFTER_S
    response = wire.CheckResponse()
    response.status.code = _CODES[refusal.status]
    response.status.message = refusal.reason
    response.denied_response.status.code = refusal.status.value
    response.denied_response.headers.extend(_options(headers))
    response.denied_response.body = body
    response.dynamic_metadata.update({"effect": "deny", "reason": refusal.reason})
    return response


def _permit(told: Mapping[str, str], client_headers: Mapping[str, str]) -> wire.CheckResponse:
    response = wire.CheckResponse()
    response.status.code = code_pb2.OK
    ok = response.ok_response
    ok.headers.extend(_options(told))
    ok.headers_to_remove.extend(sorted(spoofed_headers(client_headers) - told.keys()))
    ok.response_headers_to_add.extend(_options({DECISION_ID: told[DECISION_ID]}))
    return response


def spoofed_headers(client_headers: Iterable[str]) -> set[str]:
    """Names under which the service might take a client's word for ours.

    All of ours, whether the proxy told us of them or not; and what a service reads as one of them,
    since many read `_` as `-`.
    """
    sent = {name for name in client_headers if name.replace("_", "-").startswith(PREFIX)}
    return sent | set(HEADERS)


def _headers_of(answer: answers.CheckResponse) -> dict[str, str]:
    """What the decision says, by header; nothing empty."""
    moment = answer.moment
    permitted = [leaf for leaf in answer.leaves if leaf.effect == shapes.EFFECT_PERMIT]
    denied = [leaf.data for leaf in answer.leaves if leaf.effect != shapes.EFFECT_PERMIT]
    masks = [f"{leaf.data}={_mask(leaf.mask)}" for leaf in permitted if leaf.HasField("mask")]
    told = {
        DECISION_ID: moment.decision_id,
        REASON: answer.reason,
        VALID_UNTIL: (answer.valid_until.ToJsonString() if answer.HasField("valid_until") else ""),
        CONSENT_AGE: str(moment.consent_age_us),
        LEDGER_POSITION: str(moment.ledger_position),
        POLICY: answer.policy_digest,
        FIELDS: ",".join(leaf.data for leaf in permitted),
        DENIED_FIELDS: ",".join(denied),
        MASKS: ",".join(masks),
        OBLIGATIONS: ",".join(duty.name for duty in answer.obligations),
    }
    return {name: value for name, value in told.items() if value}


def _mask(mask: shapes.Mask) -> str:
    """`last:4`, `initials`; what this version does not know is redacted."""
    if mask.function == shapes.MASK_FUNCTION_UNSPECIFIED:
        return "redact"
    name = shapes.MaskFunction.Name(mask.function).removeprefix(_MASK_PREFIX).lower()
    return f"{name}:{mask.argument}" if mask.argument else name


def _options(headers: Mapping[str, str]) -> list[wire.HeaderValueOption]:
    return [
        wire.HeaderValueOption(header=wire.HeaderValue(key=name, value=value), append=_OVERWRITE)
        for name, value in headers.items()
        if value
    ]
