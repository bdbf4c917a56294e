"""A sidecar for unit tests: a real gRPC server in this process that answers as it was told.

    def test_newsletter_is_not_sent_to_those_who_said_no() -> None:
        with FakeSidecar() as sidecar, Client(sidecar.target) as consentry:
            sidecar.permit(data_subject="ada", purpose="marketing.email")

            assert wanted(consentry, "ada")
            assert not wanted(consentry, "eve")

It denies what nobody permitted. It reads no policies: what they say is tested with
`consentry test`, here a service learns that it obeys the answer. Needs only grpcio and protobuf.
"""

from __future__ import annotations

import hashlib
import queue
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self, TypedDict, Unpack

import grpc

from consentry.v1 import authorization_pb2, consent_pb2, decision_pb2

_AUTHORIZATION: Final = "consentry.v1.AuthorizationService"
_CONSENT: Final = "consentry.v1.ConsentService"
_BEAT_S: Final = 0.25
_MASKS: Final = {
    name.removeprefix("MASK_FUNCTION_").lower(): number
    for name, number in decision_pb2.MaskFunction.items()
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """An answer to the questions that it fits; "" fits all. The last rule that fits decides."""

    is_permitted: bool
    data_subject: str = ""
    purpose: str = ""
    action: str = ""
    data: str = ""
    principal: str = ""
    reason: str = ""
    masks: tuple[tuple[str, str, int], ...] = ()
    obligations: tuple[tuple[str, str], ...] = ()

    def fits(self, asked: authorization_pb2.CheckRequest, data: str) -> bool:
        """Whether it speaks of this field of the question."""
        return all(
            wanted in ("", found)
            for wanted, found in (
                (self.data_subject, asked.subject.id),
                (self.purpose, asked.purpose),
                (self.action, asked.action),
                (self.data, data),
                (self.principal, asked.principal.id),
            )
        )


class Wanted(TypedDict, total=False):
    """What a rule fits; what is left out fits all."""

    data_subject: str
    purpose: str
    action: str
    data: str
    principal: str


class FakeSidecar:
    """Serves from construction to `close`, on a free port of this machine. Any thread may tell it.

    `asked` holds the questions it got, `recorded` the consent events.
    """

    def __init__(
        self, *, address: str = "127.0.0.1:0", tls: grpc.ServerCredentials | None = None
    ) -> None:
        self.asked: Final[list[authorization_pb2.CheckRequest]] = []
        self.recorded: Final[list[consent_pb2.ConsentEvent]] = []
        self._lock: Final = threading.Lock()
        self._rules: list[Rule] = []
        self._failure: grpc.StatusCode | None = None
        self._delay_s = 0.0
        self._position = 0
        self._digest = "fake"
        self._valid_for_s = 30.0
        self._watchers: set[queue.SimpleQueue[authorization_pb2.Moved | str | None]] = set()
        # One thread for each call that stays open, and some for the others.
        self._pool: Final = ThreadPoolExecutor(32, thread_name_prefix="fake-sidecar")
        self._server: Final = grpc.server(self._pool, handlers=[self._handlers()])
        if tls is None:
            port = self._server.add_insecure_port(address)
        else:
            port = self._server.add_secure_port(address, tls)
        host = address.rpartition(":")[0]
        self.target: Final = address if address.startswith("unix:") else f"{host}:{port}"
        self._server.start()

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
        """Leave, as a sidecar that is stopped."""
        for watcher in tuple(self._watchers):
            watcher.put(None)
        self._server.stop(0).wait(5)
        self._pool.shutdown(wait=False)

    def permit(
        self,
        *,
        masks: dict[str, str] | None = None,
        obligations: dict[str, str] | None = None,
        reason: str = "consent_valid",
        **wanted: Unpack[Wanted],
    ) -> None:
        """Permit what fits `wanted` (data_subject, purpose, action, data, principal), from now on.

        `masks` are by field: `redact`, `hash`, `last 4`, … `obligations` are names with texts.

        Raises:
            ValueError: there is no such mask.
        """
        parsed = []
        for data, mask in (masks or {}).items():
            function, _, argument = mask.partition(" ")
            if function not in _MASKS:
                raise ValueError(f"{mask!r} is no mask: {', '.join(sorted(_MASKS))}")
            parsed.append((data, function, int(argument or 0)))
        self._tell(
            Rule(
                is_permitted=True,
                reason=reason,
                masks=tuple(parsed),
                obligations=tuple((obligations or {}).items()),
                **wanted,
            )
        )

    def deny(self, *, reason: str = "consent_missing", **wanted: Unpack[Wanted]) -> None:
        """Deny what fits `wanted`, from now on; see `permit`."""
        self._tell(Rule(is_permitted=False, reason=reason, **wanted))

    def withdraw(self, data_subject: str, *, reason: str = "consent_withdrawn") -> None:
        """Deny everything about a person and push it to those who follow."""
        self.deny(data_subject=data_subject, reason=reason)

    def reload(self, digest: str) -> None:
        """Another policy set decides from now on; those who follow are told."""
        with self._lock:
            self._digest = digest
            self._push(digest)

    def fail(self, code: grpc.StatusCode | None) -> None:
        """Answer nothing but this error, from now on; None: answer again."""
        self._failure = code

    def delay(self, seconds: float) -> None:
        """Answer only after this time, from now on."""
        self._delay_s = seconds

    def _tell(self, rule: Rule) -> None:
        with self._lock:
            self._rules.append(rule)
            self._position += 1
            # A rule may touch anybody: only one about a person is a move of that person alone.
            moved = authorization_pb2.Moved(
                handle=_handle(rule.data_subject), ledger_position=self._position
            )
            self._push(moved if rule.data_subject else "everything")

    def _push(self, news: authorization_pb2.Moved | str) -> None:
        for watcher in self._watchers:
            watcher.put(news)

    def _decide(self, asked: authorization_pb2.CheckRequest, name: str) -> Any:
        with self._lock:
            self.asked.append(asked)
            rules, position, digest = tuple(self._rules), self._position, self._digest
        fitting = [
            (data, next((r for r in reversed(rules) if r.fits(asked, data)), None))
            for data in asked.data
        ]
        is_permitted = bool(fitting) and all(r is not None and r.is_permitted for _, r in fitting)
        message = authorization_pb2.CheckResponse(
            effect=decision_pb2.EFFECT_PERMIT if is_permitted else decision_pb2.EFFECT_DENY,
            policy_digest=digest,
        )
        for data, rule in fitting:
            leaf = message.leaves.add(data=data)
            good = rule is not None and rule.is_permitted
            leaf.effect = decision_pb2.EFFECT_PERMIT if good else decision_pb2.EFFECT_DENY
            leaf.reason = rule.reason if rule is not None else "no_rule"
            if rule is not None and is_permitted:
                _add_duties(message, leaf, rule)
            if not message.reason or (not good and not is_permitted):
                message.reason = leaf.reason
        message.moment.decision_id = f"fake-{len(self.asked)}"
        message.moment.ledger_position = position
        message.moment.correlation_id = name
        message.keeping.instance = b"fake"
        message.keeping.handle = _handle(asked.subject.id)
        message.valid_until.FromNanoseconds(time.time_ns() + int(self._valid_for_s * 1e9))
        return message

    def _handlers(self) -> grpc.GenericRpcHandler:
        wire = authorization_pb2
        unary, stream = grpc.unary_unary_rpc_method_handler, grpc.unary_stream_rpc_method_handler
        both = grpc.stream_stream_rpc_method_handler
        write = _write
        methods = {
            f"/{_AUTHORIZATION}/Check": unary(self._check, wire.CheckRequest.FromString, write),
            f"/{_AUTHORIZATION}/CheckBatch": unary(
                self._check_batch, wire.CheckBatchRequest.FromString, write
            ),
            f"/{_AUTHORIZATION}/CheckStream": both(
                self._check_stream, wire.CheckStreamRequest.FromString, write
            ),
            f"/{_AUTHORIZATION}/Watch": stream(self._watch, wire.WatchRequest.FromString, write),
            f"/{_CONSENT}/RecordConsent": unary(
                self._record, consent_pb2.RecordConsentRequest.FromString, write
            ),
        }
        return _Methods(methods)

    def _hold(self, context: grpc.ServicerContext) -> None:
        if self._delay_s:
            threading.Event().wait(self._delay_s)
        if self._failure is not None:
            context.abort(self._failure, "the fake was told to fail")

    def _check(self, asked: Any, context: grpc.ServicerContext) -> Any:
        self._hold(context)
        given: dict[str, Any] = dict(context.invocation_metadata())
        return self._decide(asked, str(given.get("correlation-id", "")))

    def _check_batch(self, batch: Any, context: grpc.ServicerContext) -> Any:
        self._hold(context)
        answers = [self._decide(item.check, item.correlation_id) for item in batch.items]
        return authorization_pb2.CheckBatchResponse(
            results=[authorization_pb2.BatchResult(response=answer) for answer in answers]
        )

    def _check_stream(self, items: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        for item in items:
            self._hold(context)
            yield authorization_pb2.CheckStreamResponse(
                response=self._decide(item.check, item.correlation_id),
                correlation_id=item.correlation_id,
            )

    def _watch(self, _request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        self._hold(context)
        news: queue.SimpleQueue[authorization_pb2.Moved | str | None] = queue.SimpleQueue()
        with self._lock:
            self._watchers.add(news)
            news.put("everything")
        context.add_callback(lambda: news.put(None))
        try:
            while True:
                try:
                    told = news.get(timeout=_BEAT_S)
                except queue.Empty:
                    told = ""
                if told is None:
                    return
                yield self._news(told)
        finally:
            with self._lock:
                self._watchers.discard(news)

    def _news(self, told: authorization_pb2.Moved | str) -> authorization_pb2.WatchResponse:
        with self._lock:
            message = authorization_pb2.WatchResponse(
                drop_everything=told == "everything",
                moved=[told] if isinstance(told, authorization_pb2.Moved) else [],
                policy_digest=self._digest,
                ledger_position=self._position,
                instance=b"fake",
                valid_for_us=2_000_000,
            )
        message.at.FromNanoseconds(time.time_ns())
        return message

    def _record(self, request: Any, context: grpc.ServicerContext) -> Any:
        self._hold(context)
        with self._lock:
            self.recorded.extend(request.events)
            self._position += len(request.events)
            for event in request.events:
                self._push(
                    authorization_pb2.Moved(
                        handle=_handle(event.subject), ledger_position=self._position
                    )
                )
            return consent_pb2.RecordConsentResponse(ledger_position=self._position)


class _Methods(grpc.GenericRpcHandler):
    def __init__(self, methods: dict[str, Any]) -> None:
        self._methods = methods

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        return self._methods.get(handler_call_details.method)


def _write(message: Any) -> bytes:
    raw: bytes = message.SerializeToString()
    return raw


def _handle(data_subject: str) -> int:
    return int.from_bytes(hashlib.blake2b(data_subject.encode(), digest_size=8).digest(), "big")


def _add_duties(message: Any, leaf: Any, rule: Rule) -> None:
    for data, function, argument in rule.masks:
        if data == leaf.data:
            leaf.mask.function = _MASKS[function]
            leaf.mask.argument = argument
    named = {duty.name for duty in message.obligations}
    for name, text in rule.obligations:
        if name not in named:
            message.obligations.add(name=name, text=text)
