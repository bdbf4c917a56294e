"""The wire's form of questions and answers: `pdp`'s codec port, spoken in protobuf."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final, TypeAlias

from consentry.model.decision import Decision, Effect, Finding, LeafDecision, Mask
from consentry.model.request import Request
from consentry.model.values import MICROS_PER_SECOND
from consentry.pdp.codec import DecodedCheck
from consentry.server.decode import decode_request, parse_check
from consentry.server.decode_known import decode_known
from consentry.server.handles import HANDLE_BYTES, Handles
from consentry.v1 import authorization_pb2 as wire
from consentry.v1 import decision_pb2 as shapes
from consentry.v1 import wire_pb2

EFFECTS: Final = {Effect.PERMIT: shapes.EFFECT_PERMIT, Effect.DENY: shapes.EFFECT_DENY}
_REDACT: Final = "redact"
_MASKS: Final = {
    _REDACT: shapes.MASK_FUNCTION_REDACT,
    "last": shapes.MASK_FUNCTION_LAST,
    "first": shapes.MASK_FUNCTION_FIRST,
    "initials": shapes.MASK_FUNCTION_INITIALS,
    "hash": shapes.MASK_FUNCTION_HASH,
    "year": shapes.MASK_FUNCTION_YEAR,
    "round": shapes.MASK_FUNCTION_ROUND,
    "null": shapes.MASK_FUNCTION_NULL,
}
_MASK_NAMES: Final[dict[int, str]] = {number: name for name, number in _MASKS.items()}
_MAX_WRITTEN: Final = 512
_MAX_SAME_BYTES: Final = 4_096
_MAX_HANDLES: Final = 1_024
_ALL_ONES: Final = (1 << 8 * HANDLE_BYTES) - 1

# Stands for an id that is put in later; ids hold no such character.
_BLANK: Final = b"\x7f"

_Key: TypeAlias = tuple[int, bool]


class ProtoCodec:
    """Turns CheckRequest bytes into a question and a decision into CheckResponse bytes.

    Any thread may use it. It remembers what it wrote of a leaf's answer, by that very object: the
    engine gives the same one again where nothing differs.
    """

    __slots__ = ("_end", "_keeping", "_moment", "_same", "_until", "_written")

    def __init__(self, handles: Handles | None = None) -> None:
        """With `handles`, answers tell how a cache at the caller's side may keep them."""
        self._keeping = _no_keeping if handles is None else _keeping_by(handles)
        # What was written is kept beside the objects it was written from, so that their ids, of
        # which the key is made, stay theirs.
        self._written: dict[_Key, tuple[Decision, str, bytes]] = {}
        self._same: dict[bytes, bytes] = {}
        # The time and the moment that were written last, for the next answer often has the same.
        self._until: tuple[int, bytes] = (0, _until(0))
        self._end: tuple[bytes, bytes, bytes] = (b"", b"", b"")
        self._moment: tuple[int, int, bytes, bytes] = (0, 0, b"", b"")

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
    ) -> tuple[bytes, bytes]:
        """What was written before of an answer like this one, or nothing, and the rest of it but
        for its moment, which `complete` adds.
        """
        shared, own = self._write(decision, digest, with_reasons=request.wants_all_reasons)
        # PERF: parts of one message may follow one another on the wire, so each is written once.
        until = keeping = b""
        if valid_until_us is not None:
            until_us, until = self._until
            if until_us != valid_until_us:
                until = _until(valid_until_us)
                self._until = (valid_until_us, until)
        person = request.data_subject
        if person is not None and decision.is_cacheable:
            keeping = self._keeping(person.id)
        # Of many answers about one person, as batches have them, even the end is the same.
        of_until, of_keeping, end = self._end
        if of_until is not until or of_keeping is not keeping:
            end = until + keeping
            self._end = (until, keeping, end)
        return shared, own + end

    def _write(self, decision: Decision, digest: str, *, with_reasons: bool) -> tuple[bytes, bytes]:
        leaves = decision.leaves
        if len(leaves) != 1:
            return self._find_same(_encode(decision, digest, with_reasons=with_reasons))
        key = (id(leaves[0]), with_reasons)
        kept = self._written.get(key)
        if kept is not None:
            former, of_digest, written = kept
            # The rest of what is written: told by identity, for the engine gives the same again.
            if (
                former.leaves[0] is leaves[0]
                and former.findings is decision.findings
                and former.obligations is decision.obligations
                and former.effect is decision.effect
                and of_digest == digest
            ):
                return written, b""
        written = _encode(decision, digest, with_reasons=with_reasons)
        if len(self._written) >= _MAX_WRITTEN:
            self._written = {}
        shared, own = self._find_same(written)
        self._written[key] = (decision, digest, shared or own)
        return shared, own

    def _find_same(self, written: bytes) -> tuple[bytes, bytes]:
        """Told by content, where the engine made parts anew: what was written before, or nothing,
        and the rest. The first such answer has it all as its own, so that it is counted once.
        """
        same = self._same.get(written)
        if same is not None:
            return same, b""
        if len(written) <= _MAX_SAME_BYTES:
            if len(self._same) >= _MAX_WRITTEN:
                self._same = {}
            self._same[written] = written
        return b"", written

    def complete(  # noqa: PLR0917 - a hot call: positional is what is cheap
        self,
        shared: bytes,
        own: bytes,
        decision_id: str,
        position: int,
        age_us: int,
        correlation_id: str,
    ) -> bytes:
        """An answer with its moment, which alone differs when the same answer is given again."""
        if age_us or correlation_id or not decision_id:
            return shared + own + _moment(decision_id, position, age_us, correlation_id)
        # PERF: of two moments at one position only the id differs, and it stands in one place.
        name = decision_id.encode()
        of_length, of_position, head, tail = self._moment
        if of_length != len(name) or of_position != position:
            blank = _BLANK * len(name)
            head, _, tail = _moment(blank.decode(), position, 0, "").partition(blank)
            self._moment = (len(name), position, head, tail)
        return b"".join((shared, own, head, name, tail))  # PERF: one copy for all five


def _moment(decision_id: str, position: int, age_us: int, correlation_id: str) -> bytes:
    # PERF: setting fields one by one takes half the time of nested constructors.
    tail = wire_pb2.MomentTail()
    moment = tail.moment
    moment.decision_id = decision_id
    moment.ledger_position = position
    moment.consent_age_us = age_us
    if correlation_id:
        moment.correlation_id = correlation_id
    return tail.SerializeToString()


def _until(at_us: int) -> bytes:
    message = wire.CheckResponse()
    message.valid_until.seconds, micros = divmod(at_us, MICROS_PER_SECOND)
    message.valid_until.nanos = micros * 1_000
    return message.SerializeToString()


def _no_keeping(_: str) -> bytes:
    return b""


def _keeping_by(handles: Handles) -> Callable[[str], bytes]:
    """What is written of how to keep an answer about a person."""
    head = _without_handle(handles)

    @lru_cache(maxsize=_MAX_HANDLES)  # PERF: who is asked about is asked about again, soon
    def keeping(data_subject_id: str) -> bytes:
        return head + handles.of(data_subject_id).to_bytes(HANDLE_BYTES, "little")

    return keeping


def _without_handle(handles: Handles) -> bytes:
    """How to keep an answer, up to the handle, a fixed64, which comes last."""
    keeping = wire.Keeping(instance=handles.instance, handle=_ALL_ONES)
    return wire.CheckResponse(keeping=keeping).SerializeToString()[:-HANDLE_BYTES]


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


def read_mask(mask: shapes.Mask) -> tuple[str, int]:
    """A mask's function by name, and its argument or 0; one that this version lacks redacts."""
    name = _MASK_NAMES.get(mask.function)
    return (_REDACT, 0) if name is None else (name, mask.argument)


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
