"""The wire's form of questions and answers: `pdp`'s codec port, spoken in protobuf."""

from __future__ import annotations

from typing import Final, TypeAlias

from consentry.model.decision import Decision, Effect, Finding, LeafDecision, Mask
from consentry.model.request import Request
from consentry.model.values import MICROS_PER_SECOND
from consentry.pdp.codec import DecodedCheck
from consentry.server.decode import decode_request, parse_check
from consentry.server.decode_known import decode_known
from consentry.server.handles import Handles
from consentry.v1 import authorization_pb2 as wire
from consentry.v1 import decision_pb2 as shapes
from consentry.v1 import wire_pb2

EFFECTS: Final = {Effect.PERMIT: shapes.EFFECT_PERMIT, Effect.DENY: shapes.EFFECT_DENY}
_MASKS: Final = {
    "redact": shapes.MASK_FUNCTION_REDACT,
    "last": shapes.MASK_FUNCTION_LAST,
    "first": shapes.MASK_FUNCTION_FIRST,
    "initials": shapes.MASK_FUNCTION_INITIALS,
    "hash": shapes.MASK_FUNCTION_HASH,
    "year": shapes.MASK_FUNCTION_YEAR,
    "round": shapes.MASK_FUNCTION_ROUND,
    "null": shapes.MASK_FUNCTION_NULL,
}
_MAX_WRITTEN: Final = 512

_Key: TypeAlias = tuple[int, int, int, bool, bool, str]


class ProtoCodec:
    """Turns CheckRequest bytes into a question and a decision into CheckResponse bytes.

    Any thread may use it. It remembers what it wrote of a leaf's answer, by that very object: the
    engine gives the same one again where nothing differs.
    """

    __slots__ = ("_handles", "_written")

    def __init__(self, handles: Handles | None = None) -> None:
        """With `handles`, answers tell how a cache at the caller's side may keep them."""
        self._handles = handles
        # What was written is kept beside the objects it was written from, so that their ids, of
        # which the key is made, stay theirs.
        self._written: dict[_Key, tuple[Decision, bytes]] = {}

    def decode_check(self, raw: bytes) -> DecodedCheck:
        """The question in `raw`; not cacheable where it holds fields this version does not know.

        Raises:
            RequestError: the bytes are malformed, or what they say breaks a rule of the proto.
        """
        request = decode_known(raw)
        if request is not None:
            return DecodedCheck(request)
        message, has_unknown_fields = parse_check(raw)
        return DecodedCheck(request=decode_request(message), is_cacheable=not has_unknown_fields)

    def encode_answer(
        self, decision: Decision, request: Request, digest: str, valid_until_us: int | None
    ) -> bytes:
        """The answer without its moment, to be completed with `encode_moment`."""
        written = self._write(decision, digest, with_reasons=request.wants_all_reasons)
        # Parts of one message may follow one another on the wire.
        message = wire.CheckResponse()
        if valid_until_us is not None:
            seconds, micros = divmod(valid_until_us, MICROS_PER_SECOND)
            message.valid_until.seconds = seconds
            message.valid_until.nanos = micros * 1_000
        person = request.data_subject
        if self._handles is not None and person is not None and decision.is_cacheable:
            message.keeping.instance = self._handles.instance
            message.keeping.handle = self._handles.of(person.id)
        return written + message.SerializeToString()

    def _write(self, decision: Decision, digest: str, *, with_reasons: bool) -> bytes:
        leaves = decision.leaves
        if len(leaves) != 1:
            return _encode(decision, digest, with_reasons=with_reasons)
        key = (
            id(leaves[0]),
            id(decision.findings),
            id(decision.obligations),
            decision.effect is Effect.PERMIT,
            with_reasons,
            digest,
        )
        kept = self._written.get(key)
        if kept is None:
            kept = (decision, _encode(decision, digest, with_reasons=with_reasons))
            if len(self._written) >= _MAX_WRITTEN:
                self._written = {}
            self._written[key] = kept
        return kept[1]

    def encode_moment(
        self, decision_id: str, position: int, age_us: int, correlation_id: str
    ) -> bytes:
        """Bytes to append to an answer; only these differ when the same answer is given again."""
        # PERF: setting fields one by one takes half the time of nested constructors.
        tail = wire_pb2.MomentTail()
        moment = tail.moment
        moment.decision_id = decision_id
        moment.ledger_position = position
        moment.consent_age_us = age_us
        if correlation_id:
            moment.correlation_id = correlation_id
        return tail.SerializeToString()


def _encode(decision: Decision, digest: str, *, with_reasons: bool) -> bytes:
    message = wire.CheckResponse(
        effect=EFFECTS[decision.effect],
        reason=decision.reason,
        leaves=[_leaf(leaf, with_reasons=with_reasons) for leaf in decision.leaves],
        obligations=[
            shapes.Obligation(name=duty.name, text=duty.text) for duty in decision.obligations
        ],
        policy_digest=digest,
    )
    if with_reasons:
        message.reasons.extend([wire_reason(finding) for finding in decision.findings])
    return message.SerializeToString()


def _leaf(leaf: LeafDecision, *, with_reasons: bool) -> shapes.LeafDecision:
    return shapes.LeafDecision(
        data=leaf.data,
        effect=EFFECTS[leaf.effect],
        reason=leaf.reason,
        mask=None if leaf.mask is None else wire_mask(leaf.mask),
        reasons=[wire_reason(finding) for finding in leaf.findings] if with_reasons else (),
    )


def wire_mask(mask: Mask) -> shapes.Mask:
    """A mask on the wire."""
    # A function that this table lacks goes out as unspecified, which callers read as redact.
    function = _MASKS.get(mask.function, shapes.MASK_FUNCTION_UNSPECIFIED)
    return shapes.Mask(function=function, argument=mask.argument or 0)


def wire_reason(finding: Finding) -> shapes.Reason:
    """A reason with its source, on the wire."""
    return shapes.Reason(
        code=finding.reason,
        regime=finding.regime,
        rule=finding.rule,
        text=finding.text,
        cite=finding.cite,
        file=finding.file or "",
        line=finding.line or 0,
        missing=finding.missing,
    )
