"""What goes over the wire, without the wire: shared by the two clients and by the streams."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

from google.protobuf.message import DecodeError, Message

from consentry.client.decision import Decision, decision_of, denied
from consentry.client.errors import ConsentryError
from consentry.client.questions import timestamp
from consentry.v1 import authorization_pb2, consent_pb2

CHECK: Final = "/consentry.v1.AuthorizationService/Check"
CHECK_BATCH: Final = "/consentry.v1.AuthorizationService/CheckBatch"
EXPLAIN: Final = "/consentry.v1.AuthorizationService/Explain"
CHECK_STREAM: Final = "/consentry.v1.AuthorizationService/CheckStream"
WATCH: Final = "/consentry.v1.AuthorizationService/Watch"
PLAN: Final = "/consentry.v1.AuthorizationService/Plan"
RECORD: Final = "/consentry.v1.ConsentService/RecordConsent"

_Answer = TypeVar("_Answer", bound=Message)
Metadata = tuple[tuple[str, str], ...]


def metadata(correlation_id: str, at_least: int) -> Metadata:
    """What a call says beside its request."""
    pairs = []
    if correlation_id:
        pairs.append(("correlation-id", correlation_id))
    if at_least:
        pairs.append(("consentry-at-least", str(at_least)))
    return tuple(pairs)


def parse(kind: type[_Answer], raw: bytes) -> _Answer:
    """The message in `raw`.

    Raises:
        ConsentryError: there is none.
    """
    try:
        return kind.FromString(raw)
    except DecodeError:
        raise ConsentryError("the answer cannot be read") from None


def batch_bytes(
    questions: Sequence[authorization_pb2.CheckRequest], correlation_ids: Sequence[str]
) -> bytes:
    """A CheckBatchRequest; questions past the end of `correlation_ids` have none."""
    names = [*correlation_ids, *[""] * (len(questions) - len(correlation_ids))]
    return authorization_pb2.CheckBatchRequest(
        items=[
            authorization_pb2.BatchItem(check=asked, correlation_id=name)
            for asked, name in zip(questions, names, strict=True)
        ]
    ).SerializeToString()


def read_batch(raw: bytes, count: int) -> tuple[Decision, ...]:
    """The answers of a CheckBatchResponse to `count` questions; a bad one is a denial.

    Raises:
        ConsentryError: the answer cannot be read.
    """
    answer = parse(authorization_pb2.CheckBatchResponse, raw)
    if len(answer.results) != count:
        return (denied("the answer has another length than the question"),) * count
    return tuple(
        decision_of(result.response)
        if result.WhichOneof("result") == "response"
        else denied(result.error.message or "no answer")
        for result in answer.results
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamQuestion:
    """A question for a stream, with what stands beside it there."""

    check: authorization_pb2.CheckRequest
    correlation_id: str = ""
    at_least: int = 0

    def to_bytes(self) -> bytes:
        """As a CheckStreamRequest."""
        return authorization_pb2.CheckStreamRequest(
            check=self.check, correlation_id=self.correlation_id, at_least=self.at_least
        ).SerializeToString()


Asked = authorization_pb2.CheckRequest | StreamQuestion


def stream_bytes(asked: Asked) -> bytes:
    """One question of a stream."""
    if isinstance(asked, StreamQuestion):
        return asked.to_bytes()
    return authorization_pb2.CheckStreamRequest(check=asked).SerializeToString()


def read_stream_answer(raw: bytes) -> Decision:
    """One answer of a stream; an error is a denial."""
    try:
        answer = authorization_pb2.CheckStreamResponse.FromString(raw)
    except DecodeError:
        return denied("the answer cannot be read")
    if answer.WhichOneof("result") == "response":
        return decision_of(answer.response)
    return denied(answer.error.message or "no answer", answer.correlation_id)


def explain_bytes(
    asked: authorization_pb2.CheckRequest,
    *,
    at: datetime | None,
    ledger_position: int,
    policy_digest: str,
    with_changes: bool,
) -> bytes:
    """An ExplainRequest.

    Raises:
        ValueError: `at` has no time zone.
    """
    request = authorization_pb2.ExplainRequest(
        check=asked,
        ledger_position=ledger_position,
        policy_digest=policy_digest,
        without_changes=not with_changes,
    )
    if at is not None:
        request.at.CopyFrom(timestamp(at))
    return request.SerializeToString()


def record_bytes(events: consent_pb2.ConsentEvent | Iterable[consent_pb2.ConsentEvent]) -> bytes:
    """A RecordConsentRequest."""
    several = [events] if isinstance(events, consent_pb2.ConsentEvent) else list(events)
    return consent_pb2.RecordConsentRequest(events=several).SerializeToString()


def read_position(raw: bytes) -> int:
    """The ledger position in a RecordConsentResponse.

    Raises:
        ConsentryError: the answer cannot be read.
    """
    return parse(consent_pb2.RecordConsentResponse, raw).ledger_position
