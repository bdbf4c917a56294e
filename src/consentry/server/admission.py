"""What a caller may ask: the purpose must be one of its own, and so must the principal.

A bound identity asks as one principal only. A request that leaves the principal out is completed;
one that says another principal, or more than is configured of this one (a role, an attribute), is
refused. It is completed as bytes, before the answer cache sees it: what is kept of an answer is
kept for the whole question, its principal included, so that no caller gets another's.
"""

from __future__ import annotations

from google.protobuf.message import DecodeError

from consentry.server.callers import (
    ANYBODY,
    BoundPrincipal,
    Caller,
    NotPermittedError,
    RefusedCause,
    Right,
)
from consentry.server.faults import malformed
from consentry.v1 import authorization_pb2 as wire
from consentry.v1 import consent_pb2, decision_pb2


def admitted(raw: bytes, caller: Caller, right: Right = Right.DECIDE) -> bytes:
    """A CheckRequest's bytes as this caller may ask it.

    Raises:
        NotPermittedError: the caller may not ask this.
        RequestError: the bytes are malformed.
    """
    if caller is ANYBODY:
        return raw
    identity = caller.identity
    purposes = identity.purposes_of(right)
    if purposes is None and identity.principal is None:
        return raw
    try:
        message = wire.CheckRequest.FromString(raw)
    except DecodeError:
        raise malformed() from None
    if not _admit(message, caller, right):
        return raw
    # In front, where it stands in a message that is written as usual: answers to such are kept.
    return wire.CheckRequest(principal=message.principal).SerializeToString() + raw


def admit_question(message: wire.CheckRequest, caller: Caller, right: Right) -> None:
    """As `admitted`, for a message: completes it in place."""
    if caller is not ANYBODY:
        _admit(message, caller, right)


def _admit(message: wire.CheckRequest, caller: Caller, right: Right) -> bool:
    """Whether the message was completed."""
    caller.require(right, message.purpose)
    bound = caller.identity.principal
    if bound is None:
        return False
    if not message.HasField("principal"):
        message.principal.CopyFrom(_wire_principal(bound))
        return True
    if not _is(message.principal, bound):
        raise NotPermittedError(RefusedCause.PRINCIPAL, caller.name)
    return False


def _is(said: decision_pb2.Principal, bound: BoundPrincipal) -> bool:
    return (
        said.id == bound.id
        and said.type == bound.kind
        and said.controller == bound.controller
        and frozenset(said.roles) == bound.roles
        and not said.attributes
    )


def _wire_principal(bound: BoundPrincipal) -> decision_pb2.Principal:
    return decision_pb2.Principal(
        id=bound.id, type=bound.kind, roles=sorted(bound.roles), controller=bound.controller
    )


def require_scope(scope: consent_pb2.ConsentScope, caller: Caller) -> None:
    """Comes back where the caller may write what has this scope: one that reaches further than its
    purposes (a tag, or everything) needs the right for all.

    Raises:
        NotPermittedError: it may not.
    """
    caller.require(Right.WRITE_CONSENT, scope.purpose)
