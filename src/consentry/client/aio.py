"""The client for asyncio: as `client.Client`, on one event loop."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Hashable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from types import TracebackType
from typing import Any, Final, Literal, Self, Unpack

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from consentry.client import calls
from consentry.client.cache import CacheOptions, DecisionCache
from consentry.client.decision import Decision, decision_of, denied
from consentry.client.errors import ConsentryError
from consentry.client.follow import ASKED, pause_s
from consentry.client.metrics import ClientMetrics, NoMetrics
from consentry.client.plan import Plan, PlanReader, SqlTable, plan_bytes
from consentry.client.questions import PlanFields, QuestionFields, cache_key, question
from consentry.client.stream import BROKEN
from consentry.client.transport import Retry, Tls, Token, open_aio_channel
from consentry.v1 import authorization_pb2, consent_pb2


async def _as_async(questions: Iterable[calls.Asked]) -> AsyncIterator[calls.Asked]:
    for asked in questions:
        yield asked


def _is_write_to_ended(problem: grpc.aio.AioRpcError) -> bool:
    """Whether this side wrote to a stream that the other had ended: its status is then lost."""
    return problem.code() is grpc.StatusCode.INTERNAL and "from Core" in (problem.details() or "")


async def _written(call: Any, raw: bytes, limit_s: float) -> bool:
    """Whether a stream took a question; one that did not is over, or takes no more in time."""
    try:
        async with asyncio.timeout(limit_s):
            await call.write(raw)
    except (TimeoutError, grpc.RpcError, grpc.aio.UsageError, asyncio.InvalidStateError):
        call.cancel()
        return False
    return True


class AsyncClient:
    """Asks one sidecar from one event loop, in which it must be made. See `client.Client`."""

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
        channel: grpc.aio.Channel | None = None,
    ) -> None:
        self._timeout_s: Final = timeout_s
        self._write_timeout_s: Final = write_timeout_s
        self._raises: Final = on_error == "raise"
        self._retry: Final = retry or Retry()
        self._hedge_after_s: Final = hedge_after_s
        self._metrics: Final = metrics or NoMetrics()
        self._count: Final = None if metrics is None else metrics.cached
        self._channel: Final = channel or open_aio_channel(target, tls, token)
        self._check: Final[Any] = self._channel.unary_unary(calls.CHECK)
        self._check_batch: Final[Any] = self._channel.unary_unary(calls.CHECK_BATCH)
        self._explain: Final[Any] = self._channel.unary_unary(calls.EXPLAIN)
        self._plan: Final[Any] = self._channel.unary_stream(calls.PLAN)
        self._record: Final[Any] = self._channel.unary_unary(calls.RECORD)
        self.cache: Final = None if cache is None else DecisionCache(cache, metrics=self._metrics)
        self._following: Final = (
            None
            if self.cache is None
            else asyncio.get_running_loop().create_task(self._follow(self.cache))
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the channel; calls under way end as unavailable."""
        if self._following is not None:
            self._following.cancel()
            with suppress(asyncio.CancelledError):
                await self._following
        await self._channel.close()

    async def check(
        self,
        *,
        correlation_id: str = "",
        at_least: int = 0,
        timeout_s: float | None = None,
        **fields: Unpack[QuestionFields],
    ) -> Decision:
        """As `Client.check`."""
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
            told = await self._ask(
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

    async def permits(self, **fields: Unpack[QuestionFields]) -> bool:
        """As `Client.permits`."""
        return (await self.check(**fields)).is_permitted

    async def check_batch(
        self,
        questions: Sequence[authorization_pb2.CheckRequest],
        *,
        correlation_ids: Sequence[str] = (),
        at_least: int = 0,
        timeout_s: float | None = None,
    ) -> tuple[Decision, ...]:
        """As `Client.check_batch`."""
        if not questions:
            return ()
        try:
            told = await self._ask(
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

    async def explain(
        self,
        *,
        at: datetime | None = None,
        ledger_position: int = 0,
        policy_digest: str = "",
        with_changes: bool = True,
        timeout_s: float = 10.0,
        **fields: Unpack[QuestionFields],
    ) -> authorization_pb2.ExplainResponse:
        """As `Client.explain`."""
        raw = calls.explain_bytes(
            question(**fields),
            at=at,
            ledger_position=ledger_position,
            policy_digest=policy_digest,
            with_changes=with_changes,
        )
        told = await self._ask("Explain", self._explain, raw, timeout_s, ())
        return calls.parse(authorization_pb2.ExplainResponse, told)

    async def plan(
        self,
        *,
        sql: SqlTable | None = None,
        at_least: int = 0,
        timeout_s: float = 600.0,
        **fields: Unpack[PlanFields],
    ) -> Plan:
        """As `Client.plan`."""
        raw = plan_bytes(sql, **fields)
        began_s, code = time.monotonic(), "OK"
        reader = PlanReader(sql)
        try:
            call = self._plan(raw, timeout=timeout_s, metadata=calls.metadata("", at_least))
            async for message in call:
                reader.add(message)
            return reader.read()
        except grpc.aio.AioRpcError as problem:
            code = problem.code().name
            raise ConsentryError(f"{code}: {problem.details()}", problem.code()) from None
        finally:
            self._metrics.called("Plan", code, time.monotonic() - began_s)

    async def record_consent(
        self, events: consent_pb2.ConsentEvent | Iterable[consent_pb2.ConsentEvent]
    ) -> int:
        """As `Client.record_consent`."""
        raw = calls.record_bytes(events)
        told = await self._ask("RecordConsent", self._record, raw, self._write_timeout_s, ())
        return calls.read_position(told)

    async def stream(
        self,
        questions: Iterable[calls.Asked] | AsyncIterable[calls.Asked],
        *,
        window: int = 64,
        timeout_s: float | None = None,
    ) -> AsyncIterator[Decision]:
        """As `Client.stream`; `questions` may be an asynchronous iterable too."""
        limit_s = self._timeout_s if timeout_s is None else timeout_s
        source = aiter(questions) if isinstance(questions, AsyncIterable) else _as_async(questions)
        unanswered: deque[tuple[bytes, str]] = deque()
        call: Any = None
        failure: ConsentryError | None = None
        began_s, code = time.monotonic(), "OK"
        try:
            while True:
                while len(unanswered) < max(1, window):
                    asked = await anext(source, None)
                    if asked is None:
                        break
                    raw = calls.stream_bytes(asked)
                    unanswered.append((raw, getattr(asked, "correlation_id", "")))
                    if call is not None and not await _written(call, raw, limit_s):
                        call = None
                if not unanswered:
                    return
                if failure is None:
                    call, answer, failure = await self._next(call, unanswered, limit_s)
                _, name = unanswered.popleft()
                if failure is None:
                    yield calls.read_stream_answer(answer)
                    continue
                code = failure.code.name if failure.code is not None else "INTERNAL"
                if self._raises:
                    raise failure
                yield denied(str(failure), name)
        finally:
            if call is not None:
                call.cancel()
            self._metrics.called("CheckStream", code, time.monotonic() - began_s)

    def _open_stream(self) -> Any:
        stream: Any = self._channel.stream_stream(calls.CHECK_STREAM)
        return stream()

    async def _next(
        self, call: Any, unanswered: deque[tuple[bytes, str]], limit_s: float
    ) -> tuple[Any, bytes, ConsentryError | None]:
        """The next answer of a stream, over another one if need be."""
        attempt = 0
        while True:
            attempt += 1
            try:
                async with asyncio.timeout(limit_s):
                    if call is None:
                        call = self._open_stream()
                        for raw, _ in unanswered:
                            await call.write(raw)
                    answer = await call.read()
                if answer is not grpc.aio.EOF:
                    return call, answer, None
                code, text = grpc.StatusCode.UNAVAILABLE, "the stream ended"
            except TimeoutError:
                code, text = grpc.StatusCode.DEADLINE_EXCEEDED, "the time was up"
            except grpc.aio.AioRpcError as problem:
                code, text = problem.code(), problem.details() or ""
                if _is_write_to_ended(problem):
                    code = grpc.StatusCode.UNAVAILABLE
            except (grpc.aio.UsageError, asyncio.InvalidStateError) as problem:
                code, text = grpc.StatusCode.UNAVAILABLE, str(problem)
            if call is not None:
                call.cancel()
                call = None
            known = grpc.StatusCode.UNAVAILABLE if code in BROKEN else code
            wait_s = self._retry.wait_s(attempt, known)
            if wait_s is None:
                return None, b"", ConsentryError(f"{code.name}: {text}", code)
            self._metrics.retried("CheckStream")
            await asyncio.sleep(wait_s)

    async def _ask(
        self, name: str, method: Any, raw: bytes, timeout_s: float, metadata: calls.Metadata
    ) -> bytes:
        """One call, tried again where that helps, within one deadline; told to the metrics once."""
        began_s = time.monotonic()
        code = "OK"
        try:
            return await self._try(name, method, raw, began_s + timeout_s, metadata)
        except ConsentryError as problem:
            code = problem.code.name if problem.code is not None else "INTERNAL"
            raise
        finally:
            self._metrics.called(name, code, time.monotonic() - began_s)

    async def _try(
        self, name: str, method: Any, raw: bytes, end_s: float, metadata: calls.Metadata
    ) -> bytes:
        attempt = 0
        while (left_s := end_s - time.monotonic()) > 0:
            attempt += 1
            try:
                answer: bytes = await method(raw, timeout=left_s, metadata=metadata)
            except grpc.aio.AioRpcError as problem:
                code = problem.code()
                wait_s = self._retry.wait_s(attempt, code)
                if wait_s is None or time.monotonic() + wait_s >= end_s:
                    raise ConsentryError(f"{code.name}: {problem.details()}", code) from None
                self._metrics.retried(name)
                await asyncio.sleep(wait_s)
            except grpc.aio.UsageError as problem:  # grpcio's word for a closed channel
                raise ConsentryError(str(problem)) from None
            else:
                return answer
        raise ConsentryError("the time was up", grpc.StatusCode.DEADLINE_EXCEEDED)

    async def _hedged_check(self, raw: bytes, *, timeout: float, metadata: calls.Metadata) -> bytes:  # noqa: ASYNC109 - the shape of grpcio's own method
        """As `_check`, asked a second time where the first answer is slow to come."""
        end_s = time.monotonic() + timeout
        asked = {asyncio.ensure_future(self._check(raw, timeout=timeout, metadata=metadata))}
        try:
            done, left = await asyncio.wait(asked, timeout=self._hedge_after_s)
            if left and (left_s := end_s - time.monotonic()) > 0:
                self._metrics.retried("Check")
                second = self._check(raw, timeout=left_s, metadata=metadata)
                asked.add(asyncio.ensure_future(second))
                done, left = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
                if left and next(iter(done)).exception() is not None:
                    # One that failed at once leaves the other its time.
                    done, left = await asyncio.wait(left)
            best = next((f for f in done if f.exception() is None), None) or next(iter(done))
            answer: bytes = best.result()
            return answer
        finally:
            for future in asked:
                future.cancel()

    async def _follow(self, cache: DecisionCache) -> None:
        """Keeps the cache in step with the sidecar's Watch until it is cancelled."""
        watch: Any = self._channel.unary_stream(calls.WATCH)
        failures = 0
        while True:
            call = watch(ASKED)
            is_first = True
            try:
                async for raw in call:
                    if is_first:
                        is_first, failures = False, 0
                        self._metrics.followed("connected")
                    cache.apply(authorization_pb2.WatchResponse.FromString(raw))
            except (grpc.aio.AioRpcError, grpc.aio.UsageError, DecodeError):
                pass
            finally:
                cache.lose()
                call.cancel()
            await asyncio.sleep(pause_s(failures))
            failures += 1
