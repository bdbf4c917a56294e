"""A decision as Envoy takes it: let through with headers, or refused with a body.

Every answer carries the decision's id, its reason, until when it holds and how old the consent
data were: for the service behind in headers, for access logs in dynamic metadata. What a client
sends under our names never reaches the service.

"Cannot be decided" is refused too, with 503 and UNAVAILABLE, and not by Envoy's `error_response`:
that would be let through where the filter is told to let errors through (ADR 41).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final

from google.rpc import code_pb2

from consentry.envoy.v3 import external_auth_pb2 as wire
from consentry.model.vocabulary import CONSENT_STATE_UNAVAILABLE
from consentry.server.codec import read_mask
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
_PER_ANSWER: Final = (DECISION_ID, CONSENT_AGE, LEDGER_POSITION, VALID_UNTIL)
_VARYING: Final = ("moment", "valid_until", "keeping")


def answer_decision(
    answer: answers.CheckResponse, client_headers: Mapping[str, str]
) -> wire.CheckResponse:
    """What Envoy is told of a decision; takes the answer apart."""
    told = _of_this_answer(answer)
    if answer.effect != shapes.EFFECT_PERMIT:
        return _deny(answer, told, client_headers)
    for name in _VARYING:
        answer.ClearField(name)
    response = wire.CheckResponse()
    # PERF: what is the same in all answers of a kind is made once: half of the time of a request.
    response.CopyFrom(_fixed_permit(answer.SerializeToString(deterministic=True)))
    ok = response.ok_response
    _add_headers(ok.headers, told)
    _add_headers(ok.response_headers_to_add, {DECISION_ID: told[DECISION_ID]})
    ok.headers_to_remove.extend(sorted(_spoofed(client_headers)))
    if VALID_UNTIL not in told:
        ok.headers_to_remove.append(VALID_UNTIL)
    _add_metadata(response, told)
    return response


def _deny(
    answer: answers.CheckResponse, told: Mapping[str, str], client_headers: Mapping[str, str]
) -> wire.CheckResponse:
    is_undecided = answer.reason == CONSENT_STATE_UNAVAILABLE
    status = HTTPStatus.SERVICE_UNAVAILABLE if is_undecided else HTTPStatus.FORBIDDEN
    refusal = Refusal(status, answer.reason, told[DECISION_ID])
    response = answer_refusal(refusal, client_headers)
    _add_metadata(response, {**_of_its_kind(answer), **told})
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
    _add_headers(response.denied_response.headers, headers)
    response.denied_response.body = body
    _add_metadata(response, {"effect": "deny", REASON: refusal.reason})
    return response


@lru_cache(maxsize=1_024)
def _fixed_permit(raw: bytes) -> wire.CheckResponse:
    """What a permit with these bytes says whenever and to whomever it is given; not to be changed.

    Its key holds nothing of a person: what varies is no part of it.
    """
    told = _of_its_kind(answers.CheckResponse.FromString(raw))
    response = wire.CheckResponse()
    response.status.code = code_pb2.OK
    _add_headers(response.ok_response.headers, told)
    # All of ours that this answer does not set, whether the proxy told us of them or not.
    unset = [name for name in HEADERS if name not in told and name not in _PER_ANSWER]
    response.ok_response.headers_to_remove.extend(unset)
    _add_metadata(response, {"effect": "permit", **told})
    return response


def _spoofed(client_headers: Iterable[str]) -> set[str]:
    """Names that the client sent and the service might take for ours, which we do not set: many
    read `_` as `-`.
    """
    sent = {name for name in client_headers if name.replace("_", "-").startswith(PREFIX)}
    return sent.difference(HEADERS)


def _of_this_answer(answer: answers.CheckResponse) -> dict[str, str]:
    """What differs from answer to answer, by header; nothing empty."""
    moment = answer.moment
    told = {
        DECISION_ID: moment.decision_id,
        CONSENT_AGE: str(moment.consent_age_us),
        LEDGER_POSITION: str(moment.ledger_position),
    }
    if answer.HasField("valid_until"):
        told[VALID_UNTIL] = answer.valid_until.ToJsonString()
    return told


def _of_its_kind(answer: answers.CheckResponse) -> dict[str, str]:
    """What the decision says otherwise, by header; nothing empty."""
    permitted = [leaf for leaf in answer.leaves if leaf.effect == shapes.EFFECT_PERMIT]
    denied = [leaf.data for leaf in answer.leaves if leaf.effect != shapes.EFFECT_PERMIT]
    masks = [f"{leaf.data}={_mask(leaf.mask)}" for leaf in permitted if leaf.HasField("mask")]
    told = {
        REASON: answer.reason,
        POLICY: answer.policy_digest,
        FIELDS: ",".join(leaf.data for leaf in permitted),
        DENIED_FIELDS: ",".join(denied),
        MASKS: ",".join(masks),
        OBLIGATIONS: ",".join(duty.name for duty in answer.obligations),
    }
    return {name: value for name, value in told.items() if value}


def _mask(mask: shapes.Mask) -> str:
    """`last:4`, `initials`."""
    name, argument = read_mask(mask)
    return f"{name}:{argument}" if argument else name


def _add_headers(options: Any, headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if value:
            option = options.add()
            option.header.key = name
            option.header.value = value
            option.append.SetInParent()  # present, and false: what is there is overwritten


def _add_metadata(response: wire.CheckResponse, told: Mapping[str, str]) -> None:
    fields = response.dynamic_metadata.fields
    for name, value in told.items():
        fields[name.removeprefix(PREFIX).replace("-", "_")].string_value = value
