"""The synchronous client: one channel, a deadline on every call, and "no" whatever goes wrong."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Final, Literal, Self, Unpack

import grpc

from consentry.client import calls
from consentry.client.cache import CacheOptions, DecisionCache
from consentry.client.decision import Decision, decision_of, denied
from consentry.client.errors import ConsentryError
from consentry.client.follow import Follower
from consentry.client.metrics import ClientMetrics, NoMetrics
from consentry.client.plan import Plan, SqlTable, plan_bytes, read_all
from consentry.client.questions import PlanFields, QuestionFields, cache_key, question
from consentry.client.stream import Streaming
from consentry.client.transport import Retry, Tls, Token, open_channel
from consentry.v1 import authorization_pb2, consent_pb2


class Client:
    """Asks one sidecar. Safe under threads; make one and keep it.

    `target` is `host:port` or `unix:/path`; `tls` makes the channel a safe one. `token` (with it,
    or on a Unix socket) is the bearer token of each call, or gives that of now. `timeout_s` bounds
    each call, further tries included. `on_error` says what `check` and `permits` do when no answer
    comes: deny (the default), or raise `ConsentryError`.

    `hedge_after_s` asks a check a second time when no answer has come by then, and takes what comes
    first: it shortens the slowest answers and costs the sidecar more. Off by default.

    `cache` keeps answers in this process while the sidecar's Watch confirms them. A kept answer
    takes about a microsecond, stands in no decision log, and ends with a change of consent or
    policies, or when the sidecar falls silent for longer than its bound.
    """

    def __init__(
        self,
        target: str,
        *,
        timeout_s: float = 0.25,
        write_timeout_s: float = 5.0,
        on_error: Literal["deny", "raise"] = "deny",
        tls: Tls | None = None,
        token: Token | None = None,
        retry: Retry | None = None,
        hedge_after_s: float | None = None,
        cache: CacheOptions | None = None,
        metrics: ClientMetrics | None = None,
        channel: grpc.Channel | None = None,
    ) -> None:
        self._timeout_s: Final = timeout_s
        self._write_timeout_s: Final = write_timeout_s
        self._raises: Final = on_error == "raise"
        self._retry: Final = retry or Retry()
        self._hedge_after_s: Final = hedge_after_s
        self._metrics: Final = metrics or NoMetrics()
        self._count: Final = None if metrics is None else metrics.cached
        self._channel: Final = channel or open_channel(target, tls, token)
        self._check: Final[Any] = self._channel.unary_unary(calls.CHECK)
        self._check_batch: Final[Any] = self._channel.unary_unary(calls.CHECK_BATCH)
        self._explain: Final[Any] = self._channel.unary_unary(calls.EXPLAIN)
        self._plan: Final[Any] = self._channel.unary_stream(calls.PLAN)
        self._record: Final[Any] = self._channel.unary_unary(calls.RECORD)
        self.cache: Final = None if cache is None else DecisionCache(cache, metrics=self._metrics)
        self._follower: Final = (
            None
            if self.cache is None
            else Follower(self._channel.unary_stream(calls.WATCH), self.cache, self._metrics)
        )

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
        if self._follower is not None:
            self._follower.close()
        self._channel.close()

    def check(
        self,
        *,
        correlation_id: str = "",
        at_least: int = 0,
        timeout_s: float | None = None,
        **fields: Unpack[QuestionFields],
    ) -> Decision:
        """May this principal do this with these data of this person, for this purpose?

        `at_least` is the ledger position that the answer must include, as `record_consent` gave it.

        Raises:
            ConsentryError: no answer came, and `on_error` is "raise".
            TypeError, ValueError: the question cannot be written.
        """
        key: Hashable = None
        cache = self.cache
        if cache is not None:
            key = cache_key(fields)
            kept = cache.find(key)
            if kept is not None and kept.ledger_position >= at_least and not correlation_id:
                if self._count is not None:
                    self._count("hit")
                return kept
            if self._count is not None:
                self._count("miss")
        raw = question(**fields).SerializeToString()
        try:
            told = self._ask(
                "Check",
                self._check if self._hedge_after_s is None else self._hedged_check,
                raw,
                self._timeout_s if timeout_s is None else timeout_s,
                calls.metadata(correlation_id, at_least),
            )
            answer = calls.parse(authorization_pb2.CheckResponse, told)
        except ConsentryError as problem:
            if self._raises:
                raise
            return denied(str(problem), correlation_id)
        decision = decision_of(answer)
        if cache is not None:
            cache.store(key, answer, decision)
        return decision

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
        timeout_s: float | None = None,
    ) -> tuple[Decision, ...]:
        """Answers to many questions (made by `questions.question`), in order.

        All are given under one policy set and one ledger position. A bad question is denied with
        its error beside it and spoils no other. The cache takes no part.

        Raises:
            ConsentryError: no answer came, and `on_error` is "raise".
        """
        if not questions:
            return ()
        try:
            told = self._ask(
                "CheckBatch",
                self._check_batch,
                calls.batch_bytes(questions, correlation_ids),
                self._timeout_s if timeout_s is None else timeout_s,
                calls.metadata("", at_least),
            )
            return calls.read_batch(told, len(questions))
        except ConsentryError as problem:
            if self._raises:
                raise
            return (denied(str(problem)),) * len(questions)

    def stream(
        self, questions: Iterable[calls.Asked], *, window: int = 64, timeout_s: float | None = None
    ) -> Iterator[Decision]:
        """Answers to questions without end, in order, over one call.

        `questions` is read by this thread, at most `window` ahead of the answers taken. When the
        stream breaks, what is unanswered is asked once more over another one. What still gets no
        answer within `timeout_s` of waiting is denied, and so is all that follows: a stream that
        failed is not to be waited for again and again.

        Raises:
            ConsentryError: no answer came, and `on_error` is "raise".
        """
        streaming = Streaming(
            self._channel.stream_stream(calls.CHECK_STREAM),
            window=window,
            timeout_s=self._timeout_s if timeout_s is None else timeout_s,
            raises=self._raises,
            retry=self._retry,
            metrics=self._metrics,
        )
        return streaming.run(questions)

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
        raw = calls.explain_bytes(
            question(**fields),
            at=at,
            ledger_position=ledger_position,
            policy_digest=policy_digest,
            with_changes=with_changes,
        )
        told = self._ask("Explain", self._explain, raw, timeout_s, ())
        return calls.parse(authorization_pb2.ExplainResponse, told)

    def plan(
        self,
        *,
        sql: SqlTable | None = None,
        at_least: int = 0,
        timeout_s: float = 600.0,
        **fields: Unpack[PlanFields],
    ) -> Plan:
        """Which people a job may touch: see `client.plan`.

        Raises:
            ConsentryError: there is no plan, whatever `on_error` says; with the conditions in its
                text where one that matters cannot be expressed.
            TypeError, ValueError: the question cannot be written.
        """
        raw = plan_bytes(sql, **fields)
        began_s, code = time.monotonic(), "OK"
        try:
            messages = self._plan(raw, timeout=timeout_s, metadata=calls.metadata("", at_least))
            return read_all(sql, messages)
        except grpc.RpcError as problem:
            code = problem.code().name
            raise ConsentryError(f"{code}: {problem.details()}", problem.code()) from None
        finally:
            self._metrics.called("Plan", code, time.monotonic() - began_s)

    def record_consent(
        self, events: consent_pb2.ConsentEvent | Iterable[consent_pb2.ConsentEvent]
    ) -> int:
        """Records events, all or none; gives the ledger position that includes them.

        Every event has an idempotency key, so that trying again records nothing twice.

        Raises:
            ConsentryError: they may not be recorded; try again with the same keys.
        """
        raw = calls.record_bytes(events)
        told = self._ask("RecordConsent", self._record, raw, self._write_timeout_s, ())
        return calls.read_position(told)

    def _ask(
        self,
        name: str,
        method: Callable[..., Any],
        raw: bytes,
        timeout_s: float,
        metadata: calls.Metadata,
    ) -> bytes:
        """One call, tried again where that helps, within one deadline; told to the metrics once."""
        began_s = time.monotonic()
        code = "OK"
        try:
            return self._try(name, method, raw, began_s + timeout_s, metadata)
        except ConsentryError as problem:
            code = problem.code.name if problem.code is not None else "INTERNAL"
            raise
        finally:
            self._metrics.called(name, code, time.monotonic() - began_s)

    def _try(
        self,
        name: str,
        method: Callable[..., Any],
        raw: bytes,
        end_s: float,
        metadata: calls.Metadata,
    ) -> bytes:
        attempt = 0
        while (left_s := end_s - time.monotonic()) > 0:
            attempt += 1
            try:
                answer: bytes = method(raw, timeout=left_s, metadata=metadata)
            except grpc.RpcError as problem:
                code = problem.code()
                wait_s = self._retry.wait_s(attempt, code)
                if wait_s is None or time.monotonic() + wait_s >= end_s:
                    raise ConsentryError(f"{code.name}: {problem.details()}", code) from None
                self._metrics.retried(name)
                time.sleep(wait_s)
            except ValueError as problem:  # grpcio's word for a closed channel
                raise ConsentryError(str(problem)) from None
            else:
                return answer
        raise ConsentryError("the time was up", grpc.StatusCode.DEADLINE_EXCEEDED)

    def _hedged_check(self, raw: bytes, *, timeout: float, metadata: calls.Metadata) -> bytes:
        """As `_check`, asked a second time where the first answer is slow to come."""
        end_s = time.monotonic() + timeout
        is_answered = threading.Event()
        asked = [self._check.future(raw, timeout=timeout, metadata=metadata)]
        asked[0].add_done_callback(lambda _: is_answered.set())
        if not is_answered.wait(self._hedge_after_s) and (left_s := end_s - time.monotonic()) > 0:
            self._metrics.retried("Check")
            second = self._check.future(raw, timeout=left_s, metadata=metadata)
            second.add_done_callback(lambda _: is_answered.set())
            asked.append(second)
        is_answered.wait(max(0.0, end_s - time.monotonic()) + 1.0)
        try:
            done = [future for future in asked if future.done()]
            best = next((future for future in done if future.code() is grpc.StatusCode.OK), None)
            # One that failed at once leaves the other its time.
            waited_for = best or next((f for f in asked if not f.done()), asked[0])
            answer: bytes = waited_for.result()
            return answer
        finally:
            for future in asked:
                future.cancel()
