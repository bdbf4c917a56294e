"""The answer as a frozen value. A value that this version does not know is read as a denial."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from consentry.v1 import authorization_pb2, decision_pb2

UNAVAILABLE: Final = "unavailable"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MASKS: Final = {
    decision_pb2.MASK_FUNCTION_LAST: "last",
    decision_pb2.MASK_FUNCTION_FIRST: "first",
    decision_pb2.MASK_FUNCTION_INITIALS: "initials",
    decision_pb2.MASK_FUNCTION_HASH: "hash",
    decision_pb2.MASK_FUNCTION_YEAR: "year",
    decision_pb2.MASK_FUNCTION_ROUND: "round",
    decision_pb2.MASK_FUNCTION_NULL: "null",
}


@dataclass(frozen=True, slots=True)
class Mask:
    """How a field must be changed before use; `argument` is the N of last, first and round."""

    function: str
    argument: int = 0


@dataclass(frozen=True, slots=True)
class Obligation:
    """What the caller must do."""

    name: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason with its source; only when all reasons were asked for."""

    code: str
    regime: str = ""
    rule: str = ""
    text: str = ""
    cite: str = ""
    file: str = ""
    line: int = 0
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FieldDecision:
    """The answer for one field of the data tree."""

    data: str
    is_permitted: bool
    reason: str
    mask: Mask | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The answer to one question; true in a condition when permitted.

    `is_answered` is false when no answer came: then the reason is `unavailable` and `error` says
    why, in words for a log. `is_from_cache` marks an answer that this process had kept: id and
    position are those of the time when it was given. `valid_until` None means that time alone
    never changes the answer.
    """

    is_permitted: bool
    reason: str
    fields: tuple[FieldDecision, ...] = ()
    obligations: tuple[Obligation, ...] = ()
    reasons: tuple[Reason, ...] = ()
    valid_until: datetime | None = None
    policy_digest: str = ""
    decision_id: str = ""
    ledger_position: int = 0
    consent_age_s: float = 0.0
    correlation_id: str = ""
    error: str = ""
    is_from_cache: bool = False

    def __bool__(self) -> bool:
        return self.is_permitted

    @property
    def is_answered(self) -> bool:
        """Whether a sidecar gave this answer."""
        return not self.error


def denied(error: str, correlation_id: str = "") -> Decision:
    """The answer when there is none."""
    return Decision(
        is_permitted=False, reason=UNAVAILABLE, error=error, correlation_id=correlation_id
    )


def decision_of(message: authorization_pb2.CheckResponse) -> Decision:
    """The answer that `message` carries."""
    moment = message.moment
    valid_until = None
    if message.HasField("valid_until"):
        stamp = message.valid_until
        valid_until = _EPOCH + timedelta(seconds=stamp.seconds, microseconds=stamp.nanos // 1_000)
    return Decision(
        is_permitted=message.effect == decision_pb2.EFFECT_PERMIT,
        reason=message.reason,
        fields=tuple(_field_of(leaf) for leaf in message.leaves),
        obligations=tuple(Obligation(duty.name, duty.text) for duty in message.obligations),
        reasons=_reasons_of(message.reasons),
        valid_until=valid_until,
        policy_digest=message.policy_digest,
        decision_id=moment.decision_id,
        ledger_position=moment.ledger_position,
        consent_age_s=moment.consent_age_us / 1_000_000,
        correlation_id=moment.correlation_id,
    )


def mask_of(message: decision_pb2.Mask) -> Mask:
    """The mask that `message` carries."""
    # What this version does not know hides everything.
    return Mask(_MASKS.get(message.function, "redact"), message.argument)


def _field_of(leaf: decision_pb2.LeafDecision) -> FieldDecision:
    mask = mask_of(leaf.mask) if leaf.HasField("mask") else None
    return FieldDecision(leaf.data, leaf.effect == decision_pb2.EFFECT_PERMIT, leaf.reason, mask)


def _reasons_of(messages: Iterable[decision_pb2.Reason]) -> tuple[Reason, ...]:
    return tuple(
        Reason(
            code=m.code,
            regime=m.regime,
            rule=m.rule,
            text=m.text,
            cite=m.cite,
            file=m.file,
            line=m.line,
            missing=tuple(m.missing),
        )
        for m in messages
    )
