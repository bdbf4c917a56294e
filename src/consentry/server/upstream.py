"""A ledger that a node keeps: followed by WatchConsent, written by RecordConsent, read by person.

Implements `consent.source.Source`. Several nodes may be named; one is used until it fails, then the
next. A connection on which a session fell silent is given up with the session: it may be one that a
network swallowed, and grpc would keep it for minutes.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import grpc
from google.rpc import code_pb2, error_details_pb2
from grpc_status import rpc_status

from consentry.consent.entries import Entry, Erasure
from consentry.consent.erasure import Erased
from consentry.consent.errors import (
    EventRefusedError,
    IdempotencyConflictError,
    LedgerCorruptError,
    LedgerDivergedError,
    LedgerError,
    LedgerUnavailableError,
    RightsStandError,
)
from consentry.consent.feed import Frame, Place
from consentry.consent.ledger import Recorded
from consentry.consent.recent import Page
from consentry.consent.source import Reading
from consentry.model.consent import ConsentEvent
from consentry.server.calls import AT_LEAST
from consentry.server.consent_codec import decode_recorded, encode_unrecorded
from consentry.server.consent_service import MAX_PAGE
from consentry.server.health import CONSENT_SERVICE
from consentry.server.wire_values import micros_of
from consentry.v1 import consent_pb2 as wire

_READ_S: Final = 1.0
_WRITE_S: Final = 5.0
_MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024
_OPTIONS: Final = (
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
    ("grpc.enable_http_proxy", 0),
)
_EVENT_INDEX: Final = re.compile(r"events\[(\d+)\]\.?(.*)")


class _Stubs:
    """One connection to one node."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._channel = channel
        self.record = self._unary("RecordConsent", wire.RecordConsentResponse)
        self.list = self._unary("ListConsentEvents", wire.ListConsentEventsResponse)
        self.erase = self._unary("ErasePersonalData", wire.ErasePersonalDataResponse)
        self.watch = channel.unary_stream(
            f"/{CONSENT_SERVICE}/WatchConsent",
            request_serializer=wire.WatchConsentRequest.SerializeToString,
            response_deserializer=wire.WatchConsentResponse.FromString,
        )

    def _unary(self, name: str, answer: Any) -> Callable[..., Any]:
        return self._channel.unary_unary(
            f"/{CONSENT_SERVICE}/{name}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer.FromString,
        )

    def close(self) -> None:
        self._channel.close()


class UpstreamSource:
    """Ledger nodes at `targets`, used one at a time; may be used from any thread.

    `read_credentials` gives what the next connection is secured with and shows; without it they are
    plain: for the same host, or a mesh that encrypts.
    Locks: `_lock` guards which node is used and its connection.
    """

    def __init__(
        self,
        targets: Sequence[str],
        *,
        heartbeat_us: int,
        read_us: Callable[[], int],
        read_credentials: Callable[[], grpc.ChannelCredentials] | None = None,
    ) -> None:
        self._targets: Final = tuple(targets)
        self._read_credentials: Final = read_credentials
        self._heartbeat_us: Final = heartbeat_us
        self._read_us: Final = read_us
        self._lock = threading.Lock()
        self._index = 0
        self._stubs: _Stubs | None = None
        self._is_closed = False

    def follow(self, place: Place | None) -> UpstreamSession:
        """A session from `place` on."""
        request = wire.WatchConsentRequest(
            heartbeat_ms=min(10_000, max(50, self._heartbeat_us // 1_000))
        )
        if place is not None:
            request.after_position, request.digest = place.position, place.digest
        return UpstreamSession(self, request, self._read_us, 2 * self._heartbeat_us)

    def record(self, events: Sequence[ConsentEvent]) -> tuple[Recorded, ...]:
        """Stores all events durably, or none; on another node where the first cannot."""
        request = wire.RecordConsentRequest(events=[encode_unrecorded(event) for event in events])
        answer = self._ask_twice(lambda stubs: stubs.record(request, timeout=_WRITE_S))
        return tuple(
            Recorded(
                event_id=entry.event_id,
                position=entry.position,
                received_at_us=micros_of(entry.received_at),
                is_replay=entry.is_replay,
            )
            for entry in answer.recorded
        )

    def read_person(self, data_subject_id: str, at_least: int) -> Reading:
        """All events of a person."""
        found: list[ConsentEvent] = []
        token, position = "", 0
        while True:
            answer = self._list(data_subject_id, token, MAX_PAGE, at_least)
            # The first page's: later pages may show more, never less.
            position = position or answer.ledger_position
            found += _recorded(answer)
            token = answer.next_page_token
            if not token:
                return Reading(tuple(found), position)

    def list_events(
        self, data_subject_id: str, after_position: int, limit: int
    ) -> tuple[ConsentEvent, ...]:
        """The person's events after a position, oldest first, at most `limit`."""
        # A node's page tokens are its own; whoever pages here reads from the beginning.
        events = self.read_person(data_subject_id, 0).events
        return tuple(e for e in events if e.position > after_position)[:limit]

    def data_subjects(self, after: str, limit: int) -> tuple[str, ...]:  # noqa: ARG002 (as below)
        """Never: whoever follows a node is told of those it asks about."""
        raise LedgerUnavailableError("only the ledger's own nodes know everybody")

    def read_after(self, position: int, limit: int) -> Page:  # noqa: ARG002 (the port's shape)
        """Never: who follows a sidecar that follows has what that one holds."""
        raise LedgerUnavailableError("only the ledger's own nodes hold what is so long ago")

    def digest_at(self, position: int) -> bytes | None:  # noqa: ARG002 (the port's shape)
        """Not known here."""
        return b""

    def erase(self, data_subject_id: str, *, with_rights: bool = False) -> Erased:
        """Forgets a person, durably."""
        request = wire.ErasePersonalDataRequest(subject=data_subject_id, with_rights=with_rights)
        answer = self._ask_twice(lambda stubs: stubs.erase(request, timeout=_WRITE_S))
        return Erased(count=answer.erased_count, position=answer.ledger_position)

    def close(self) -> None:
        """Closes the connection; sessions end."""
        with self._lock:
            self._is_closed = True
            stubs, self._stubs = self._stubs, None
        if stubs is not None:
            stubs.close()

    def stubs(self) -> _Stubs:
        """The connection in use.

        Raises:
            LedgerUnavailableError: the ledger is closed.
        """
        with self._lock:
            if self._is_closed:
                raise LedgerUnavailableError("the ledger is closed")
            if self._stubs is None:
                target = self._targets[self._index % len(self._targets)]
                self._stubs = _Stubs(self._open(target))
            return self._stubs

    def _open(self, target: str) -> grpc.Channel:
        if self._read_credentials is None:
            return grpc.insecure_channel(target, options=_OPTIONS)
        try:
            made = self._read_credentials()
        except OSError as problem:
            raise LedgerUnavailableError("what secures the connection cannot be read") from problem
        return grpc.secure_channel(target, made, options=_OPTIONS)

    def give_up(self, stubs: _Stubs) -> None:
        """Uses the next node from now on, unless somebody has given this one up before."""
        with self._lock:
            if self._stubs is not stubs:
                return
            self._index += 1
            self._stubs = None
        stubs.close()

    def _list(
        self, data_subject_id: str, token: str, size: int, at_least: int
    ) -> wire.ListConsentEventsResponse:
        request = wire.ListConsentEventsRequest(
            subject=data_subject_id, page_size=size, page_token=token
        )
        metadata = ((AT_LEAST, str(at_least)),) if at_least else ()
        with _ledger_errors():
            answer: wire.ListConsentEventsResponse = self.stubs().list(
                request, timeout=_READ_S, metadata=metadata
            )
            return answer

    def _ask_twice(self, ask: Callable[[_Stubs], Any]) -> Any:
        stubs = self.stubs()
        try:
            with _ledger_errors():
                return ask(stubs)
        except LedgerUnavailableError:
            if len(self._targets) == 1:
                raise
        # The keys settle what became of the first attempt.
        self.give_up(stubs)
        with _ledger_errors():
            return ask(self.stubs())


class UpstreamSession:
    """One WatchConsent; see `consent.source.Session`."""

    def __init__(
        self,
        source: UpstreamSource,
        request: wire.WatchConsentRequest,
        read_us: Callable[[], int],
        silence_us: int,
    ) -> None:
        self._source: Final = source
        self._request: Final = request
        self._read_us: Final = read_us
        self._silence_us: Final = silence_us
        self._heard_us = read_us()
        self._stubs: _Stubs | None = None
        self._call: Any = None
        # Guards the two above: `close` may come while the call is being made.
        self._lock = threading.Lock()
        self._is_closed = False

    def frames(self) -> Iterator[Frame]:
        """A frame for each message."""
        with self._lock:
            if self._is_closed:
                return
            self._stubs = self._source.stubs()
            self._call = self._stubs.watch(self._request)
        try:
            with _ledger_errors():
                for message in self._call:
                    self._heard_us = self._read_us()
                    yield _frame(message)
        except LedgerUnavailableError:
            self._source.give_up(self._stubs)
            raise

    def close(self) -> None:
        """Ends the call, and the connection where nothing came over it."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            call, stubs = self._call, self._stubs
        if call is not None:
            call.cancel()
        if stubs is not None and self._read_us() - self._heard_us > self._silence_us:
            self._source.give_up(stubs)


def _frame(message: wire.WatchConsentResponse) -> Frame:
    try:
        entries = tuple(_entry(change) for change in message.changes)
    except ValueError as problem:
        raise LedgerUnavailableError("the node tells what this program does not know") from problem
    return Frame(
        after=None if message.is_beginning else message.after_position,
        place=Place(message.ledger_position, message.digest),
        entries=entries,
        elapsed_us=message.elapsed_us,
        age_us=message.age_us,
        is_complete=not message.has_more,
    )


def _entry(change: wire.ConsentChange) -> Entry:
    match change.WhichOneof("change"):
        case "event":
            return decode_recorded(change.event)
        case "erased":
            return Erasure(change.erased.position, micros_of(change.erased.received_at))
        case _:
            raise ValueError("an unknown change")


def _recorded(answer: wire.ListConsentEventsResponse) -> list[ConsentEvent]:
    try:
        return [decode_recorded(event) for event in answer.events]
    except ValueError as problem:
        raise LedgerUnavailableError("the node tells what this program does not know") from problem


class _ledger_errors:  # noqa: N801 (used like a function, as its kin in `consent`)
    """Turns a node's answers into the ledger's errors; no text of theirs goes further."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, problem: BaseException | None, _trace: object) -> None:
        if isinstance(problem, grpc.RpcError):
            raise _error_of(problem) from problem
        if isinstance(problem, ValueError):  # grpc: the channel was closed meanwhile
            raise LedgerUnavailableError("the connection was given up") from problem


def _error_of(problem: grpc.RpcError) -> LedgerError:
    code = problem.code()
    status = rpc_status.from_call(problem)
    reason, fields = "", []
    for detail in () if status is None else status.details:
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            info = error_details_pb2.ErrorInfo()
            detail.Unpack(info)
            reason = info.reason
        elif detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
            bad = error_details_pb2.BadRequest()
            detail.Unpack(bad)
            fields = list(bad.field_violations)
    match code.value[0]:
        case code_pb2.DATA_LOSS if reason == "ledger_diverged":
            return LedgerDivergedError("the node does not hold what was taken from it")
        case code_pb2.DATA_LOSS:
            return LedgerCorruptError("the node's ledger is damaged")
        case code_pb2.ALREADY_EXISTS if fields:
            return IdempotencyConflictError(_place_in(fields[0].field)[0])
        case code_pb2.INVALID_ARGUMENT if fields:
            index, field = _place_in(fields[0].field)
            return EventRefusedError(index, field, fields[0].reason, fields[0].description)
        case code_pb2.FAILED_PRECONDITION if fields and fields[0].reason == "rights_stand":
            return RightsStandError(())
        case _:
            return LedgerUnavailableError(f"the ledger node answered {code.name}")


def _place_in(path: str) -> tuple[int, str]:
    found = _EVENT_INDEX.fullmatch(path)
    return (int(found[1]), found[2]) if found else (0, path)
