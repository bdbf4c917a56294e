"""AuthorizationService: checks, one or many. The hot path: bytes go through unparsed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Final

from google.protobuf.message import DecodeError

from consentry.model.request import RequestError
from consentry.server.admission import admitted
from consentry.server.at_least import MAX_WAIT_S, WaitFor
from consentry.server.callers import ANYBODY, Caller, NotPermittedError
from consentry.server.calls import Call, RawBehaviour, check_correlation_id
from consentry.server.errors import item_error
from consentry.server.faults import malformed, violation
from consentry.server.health import AUTHORIZATION_SERVICE
from consentry.server.ports import Decider
from consentry.server.streams import OpenStream, StreamBehaviour
from consentry.server.text_checks import REQUIRED, TOO_MANY
from consentry.server.wire_cuts import lone_field, tag_of
from consentry.v1 import wire_pb2

_CHECK: Final = tag_of(wire_pb2.RawStreamRequest.CHECK_FIELD_NUMBER)


class AuthorizationMethods:
    """Behaviours of the service; any thread may run them."""

    def __init__(
        self,
        decider: Decider,
        max_batch_items: int,
        *,
        wait_for: WaitFor | None = None,
        note_refusal: Callable[[NotPermittedError], None] = lambda _: None,
    ) -> None:
        """`wait_for` waits for a ledger position that a question in a stream names; `note_refusal`
        is told of a question that its caller may not ask, where that does not end the call.
        """
        self._note_refusal: Final = note_refusal
        self._decider: Final = decider
        self._wait_for: Final = wait_for
        self._max_batch_items: Final = max_batch_items

    def behaviours(self) -> dict[str, RawBehaviour]:
        """By full method name."""
        return {
            f"/{AUTHORIZATION_SERVICE}/Check": self.check,
            f"/{AUTHORIZATION_SERVICE}/CheckBatch": self.check_batch,
        }

    def streams(self) -> dict[str, StreamBehaviour]:
        """Those that stay open, by full method name."""
        return {f"/{AUTHORIZATION_SERVICE}/CheckStream": self.check_stream}

    def check_stream(self, requests: Iterator[bytes], stream: OpenStream) -> Iterator[bytes]:
        """The answers of one CheckStream, in the order of the questions; none ends it."""
        stream.wait()
        for raw in requests:
            stream.idle_since_s = None
            yield self._stream_item(raw, stream.call)
            stream.wait()

    def _stream_item(self, raw: bytes, call: Call) -> bytes:
        name, at_least = "", call.at_least
        try:
            # PERF: usually the question is all there is.
            check = lone_field(raw, _CHECK)
            if check is None:
                item = wire_pb2.RawStreamRequest.FromString(raw)
                check, at_least = item.check, max(at_least, item.at_least)
                name = check_correlation_id(item.correlation_id, "correlation_id")
            if call.caller is not ANYBODY:
                check = self._admitted(check, call.caller)
            if at_least and self._wait_for is not None:
                self._wait_for(at_least, MAX_WAIT_S)
            answer = self._decider.check_bytes(
                check, correlation_id=name, at_least=at_least, caller=call.caller.identity.name
            )
        except DecodeError:
            error = item_error(malformed())
        except Exception as problem:  # noqa: BLE001  # told to who asked, and logged if it is a bug
            error = item_error(problem)
        else:
            if not name:  # PERF: the answer is all there is, behind its length.
                return _before_answer(len(answer)) + answer
            return wire_pb2.RawStreamResponse(
                response=answer, correlation_id=name
            ).SerializeToString()
        return wire_pb2.RawStreamResponse(error=error, correlation_id=name).SerializeToString()

    def check(self, raw: bytes, call: Call) -> bytes:
        """The answer to one question."""
        if call.caller is not ANYBODY:
            raw = admitted(raw, call.caller)
        return self._decider.check_bytes(
            raw,
            correlation_id=call.correlation_id,
            at_least=call.at_least,
            caller=call.caller.identity.name,
        )

    def check_batch(self, raw: bytes, call: Call) -> bytes:
        """Answers in the order of the items; a bad item gets an error of its own.

        Raises:
            RequestError: there are no items, too many, or the whole is malformed.
        """
        try:
            # An embedded message and a bytes field have one form on the wire: the items stay bytes.
            batch = wire_pb2.RawBatchRequest.FromString(raw)
        except DecodeError:
            raise malformed() from None
        asked = batch.items[:]  # PERF: a list is cheaper to go through than what protobuf gives.
        if not asked:
            raise RequestError(violation("items", REQUIRED))
        if len(asked) > self._max_batch_items:
            raise RequestError(violation("items", TOO_MANY))
        bad: list[tuple[int, Exception]] = []
        caller = call.caller
        items: list[tuple[bytes, str]] = []
        for index, item in enumerate(asked):
            check, name = item.check, item.correlation_id
            if name or caller is not ANYBODY:
                try:
                    check_correlation_id(name, "correlation_id")
                    if caller is not ANYBODY:
                        check = self._admitted(check, caller)
                except (RequestError, NotPermittedError) as problem:
                    bad.append((index, problem))
                    continue
            items.append((check, name))
        answers = self._decider.check_batch(
            items, at_least=call.at_least, caller=caller.identity.name
        )
        for index, wrong in bad:  # from the first on, so that each comes to its own place
            answers.insert(index, wrong)
        reply = wire_pb2.RawBatchResponse()
        add = reply.results.add
        for answer in answers:
            if isinstance(answer, bytes):
                add().response = answer
            else:
                add().error.CopyFrom(item_error(answer))
        return reply.SerializeToString()

    def _admitted(self, raw: bytes, caller: Caller) -> bytes:
        try:
            return admitted(raw, caller)
        except NotPermittedError as problem:
            self._note_refusal(problem)
            raise


@lru_cache(maxsize=1_024)
def _before_answer(length: int) -> bytes:
    """What stands before an answer of `length` bytes in a message of a stream."""
    whole = wire_pb2.RawStreamResponse(response=bytes(length)).SerializeToString()
    return whole[: len(whole) - length]
