"""The synchronous client: one channel, a deadline on every call, and "no" whatever goes wrong."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeVar, Unpack

import grpc
from google.protobuf.message import DecodeError, Message

from consentry.client.decision import Decision, decision_of, denied
from consentry.client.questions import QuestionFields, question
from consentry.v1 import authorization_pb2, consent_pb2

_CHECK: Final = "/consentry.v1.AuthorizationService/Check"
_CHECK_BATCH: Final = "/consentry.v1.AuthorizationService/CheckBatch"
_EXPLAIN: Final = "/consentry.v1.AuthorizationService/Explain"
_RECORD: Final = "/consentry.v1.ConsentService/RecordConsent"
_MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024

_Answer = TypeVar("_Answer", bound=Message)


class ConsentryError(Exception):
    """No answer came. `code` is the gRPC status, None where the fault was found on this side."""

    def __init__(self, message: str, code: grpc.StatusCode | None = None) -> None:
        super().__init__(message)
        self.code = code


class Client:
    """Asks one sidecar. Safe under threads; make one and keep it.

    `timeout_s` bounds each call, a second try included. `on_error` says what `check` and `permits`
    do when no answer comes: deny (the default), or raise `ConsentryError`.
    """

    def __init__(
        self,
        target: str,
        *,
        timeout_s: float = 0.25,
        write_timeout_s: float = 5.0,
        on_error: Literal["deny", "raise"] = "deny",
        channel: grpc.Channel | None = None,
    ) -> None:
        self._timeout_s: Final = timeout_s
        self._write_timeout_s: Final = write_timeout_s
        self._raises: Final = on_error == "raise"
        self._channel: Final = channel or grpc.insecure_channel(target, options=_options())
        self._check: Final = self._method(_CHECK)
        self._check_batch: Final = self._method(_CHECK_BATCH)
        self._explain: Final = self._method(_EXPLAIN)
        self._record: Final = self._method(_RECORD)

    def _method(self, name: str) -> Callable[..., bytes]:
        made: Callable[..., bytes] = self._channel.unary_unary(name)
        return made

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the channel; calls under way end as unavailable."""
        self._channel.close()

    def check(
        self, *, correlation_id: str = "", at_least: int = 0, **fields: Unpack[QuestionFields]
    ) -> Decision:
        """May this principal do this with these data of this person, for this purpose?

        `at_least` is the ledger position that the answer must include, as `record_consent` gave it.

        Raises:
            ConsentryError: no answer came, and `on_error` is "raise".
            TypeError, ValueError: the question cannot be written.
        """
        raw = question(**fields).SerializeToString()
        try:
            answer = self._ask(
                self._check,
                raw,
                authorization_pb2.CheckResponse,
                self._timeout_s,
                _metadata(correlation_id, at_least),
            )
        except ConsentryError as problem:
            if self._raises:
                raise
            return denied(str(problem))
        return decision_of(answer)

    def permits(self, **fields: Unpack[QuestionFields]) -> bool:
        """Whether all of it is permitted; False whenever there is no answer.

        Raises:
            As `check`.
        """
        return self.check(**fields).is_permitted

    def check_batch(
        self,
        questions: Sequence[authorization_pb2.CheckRequest],
        *,
        correlation_ids: Sequence[str] = (),
        at_least: int = 0,
    ) -> tuple[Decision, ...]:
        """Answers to many questions (made by `questions.question`), in order.

        All are given under one policy set and one ledger position. A bad question is denied with
        its error beside it and spoils no other.

        Raises:
            ConsentryError: no answer came, and `on_error` is "raise".
        """
        if not questions:
            return ()
        names = [*correlation_ids, *[""] * (len(questions) - len(correlation_ids))]
        batch = authorization_pb2.CheckBatchRequest(
            items=[
                authorization_pb2.BatchItem(check=asked, correlation_id=name)
                for asked, name in zip(questions, names, strict=True)
            ]
        )
        try:
            answer = self._ask(
                self._check_batch,
                batch.SerializeToString(),
                authorization_pb2.CheckBatchResponse,
                self._timeout_s,
                _metadata("", at_least),
            )
        except ConsentryError as problem:
            if self._raises:
                raise
            return (denied(str(problem)),) * len(questions)
        if len(answer.results) != len(questions):
            return (denied("the answer has another length than the question"),) * len(questions)
        return tuple(
            decision_of(result.response)
            if result.WhichOneof("result") == "response"
            else denied(result.error.message or "no answer")
            for result in answer.results
        )

    def explain(
        self,
        *,
        at: datetime | None = None,
        ledger_position: int = 0,
        policy_digest: str = "",
        with_changes: bool = True,
        timeout_s: float = 10.0,
        **fields: Unpack[QuestionFields],
    ) -> authorization_pb2.ExplainResponse:
        """Why the answer to this question is as it is: the protocol's own message.

        Its `text_for_customer` is the only part that is safe to show outside. With `at` (aware),
        `ledger_position` and `policy_digest` a past answer is explained as it was.

        Raises:
            ConsentryError: no explanation came, whatever `on_error` says.
            TypeError, ValueError: the question cannot be written.
        """
        request = authorization_pb2.ExplainRequest(
            check=question(**fields),
            ledger_position=ledger_position,
            policy_digest=policy_digest,
            without_changes=not with_changes,
        )
        if at is not None:
            if at.tzinfo is None:
                raise ValueError("a time needs a time zone")
            request.at.FromDatetime(at)
        return self._ask(
            self._explain,
            request.SerializeToString(),
            authorization_pb2.ExplainResponse,
            timeout_s,
            (),
        )

    def record_consent(
        self, events: consent_pb2.ConsentEvent | Iterable[consent_pb2.ConsentEvent]
    ) -> int:
        """Records events, all or none; gives the ledger position that includes them.

        Every event has an idempotency key, so that trying again records nothing twice.

        Raises:
            ConsentryError: they may not be recorded; try again with the same keys.
        """
        several = [events] if isinstance(events, consent_pb2.ConsentEvent) else list(events)
        request = consent_pb2.RecordConsentRequest(events=several)
        return self._ask(
            self._record,
            request.SerializeToString(),
            consent_pb2.RecordConsentResponse,
            self._write_timeout_s,
            (),
        ).ledger_position

    def _ask(
        self,
        method: Callable[..., bytes],
        raw: bytes,
        answer: type[_Answer],
        timeout_s: float,
        metadata: tuple[tuple[str, str], ...],
    ) -> _Answer:
        """One call, tried once more where the sidecar was not there, within one deadline."""
        end_s = time.monotonic() + timeout_s
        for is_last in (False, True):
            left_s = end_s - time.monotonic()
            if left_s <= 0:
                break
            try:
                return answer.FromString(method(raw, timeout=left_s, metadata=metadata))
            except grpc.RpcError as problem:
                code = problem.code()
                if code is not grpc.StatusCode.UNAVAILABLE or is_last:
                    raise ConsentryError(f"{code.name}: {problem.details()}", code) from None
            except DecodeError:
                raise ConsentryError("the answer cannot be read") from None
            except ValueError as problem:  # grpcio's word for a closed channel
                raise ConsentryError(str(problem)) from None
        raise ConsentryError("the time was up", grpc.StatusCode.DEADLINE_EXCEEDED)


def _metadata(correlation_id: str, at_least: int) -> tuple[tuple[str, str], ...]:
    pairs = []
    if correlation_id:
        pairs.append(("correlation-id", correlation_id))
    if at_least:
        pairs.append(("consentry-at-least", str(at_least)))
    return tuple(pairs)


def _options() -> list[tuple[str, Any]]:
    return [
        ("grpc.max_receive_message_length", _MAX_ANSWER_BYTES),
        # Retries are ours: within one deadline, and never for a write that may have been done.
        ("grpc.enable_retries", 0),
        # A sidecar is next door: a proxy of the environment must not get in between.
        ("grpc.enable_http_proxy", 0),
        # Come back quickly after the sidecar was restarted.
        ("grpc.initial_reconnect_backoff_ms", 50),
        ("grpc.min_reconnect_backoff_ms", 50),
        ("grpc.max_reconnect_backoff_ms", 1_000),
        ("grpc.service_config", json.dumps({"loadBalancingConfig": [{"pick_first": {}}]})),
    ]
