"""Calls for those who keep the ledger: verify, forget, receipts, and recording in bulk.

Not what a microservice needs: refusals are read from the status details, whose messages come with
grpcio-status.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import grpc

from consentry.client.errors import ConsentryError
from consentry.client.transport import Tls, Token, open_channel
from consentry.v1 import consent_pb2, consent_pb2_grpc

_Request = TypeVar("_Request")
_Answer = TypeVar("_Answer")
_NO_RECEIPT: Final = (
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.UNIMPLEMENTED,
)


class RefusedError(ConsentryError):
    """The sidecar looked at it and said no; `violations` are pairs of field and code."""

    def __init__(
        self, message: str, code: grpc.StatusCode, violations: tuple[tuple[str, str], ...]
    ) -> None:
        super().__init__(message, code)
        self.violations = violations


class LedgerKeeper:
    """One sidecar, for whoever keeps its ledger; each call may take `timeout_s`."""

    def __init__(
        self,
        target: str,
        *,
        timeout_s: float = 60.0,
        tls: Tls | None = None,
        token: Token | None = None,
        channel: grpc.Channel | None = None,
    ) -> None:
        self._channel: Final = channel or open_channel(target, tls, token)
        self._stub: Final = consent_pb2_grpc.ConsentServiceStub(self._channel)
        self._timeout_s: Final = timeout_s

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._channel.close()

    def record(
        self, events: Iterable[consent_pb2.ConsentEvent]
    ) -> consent_pb2.RecordConsentResponse:
        """Records up to 1,000 events, all or none.

        Raises:
            RefusedError: one of them is malformed or names what the policies do not have.
            ConsentryError: no answer came.
        """
        request = consent_pb2.RecordConsentRequest(events=events)
        return self._ask(self._stub.RecordConsent, request)

    def verify_ledger(self, *, again: bool = False) -> consent_pb2.VerifyLedgerResponse:
        """How far the chain has been verified; `again` begins another walk.

        Raises:
            ConsentryError: no answer came.
        """
        return self._ask(self._stub.VerifyLedger, consent_pb2.VerifyLedgerRequest(again=again))

    def erase_personal_data(
        self, data_subject: str, *, with_rights: bool = False
    ) -> consent_pb2.ErasePersonalDataResponse:
        """Forgets a person.

        Raises:
            RefusedError: an objection or the like would be forgotten with them.
            ConsentryError: no answer came.
        """
        request = consent_pb2.ErasePersonalDataRequest(
            subject=data_subject, with_rights=with_rights
        )
        return self._ask(self._stub.ErasePersonalData, request)

    def get_receipt(self, data_subject: str, event_id: str) -> consent_pb2.GetReceiptResponse:
        """A signed receipt of one event.

        Raises:
            RefusedError: the person has no such event, or there is no key to sign with.
            ConsentryError: no answer came.
        """
        request = consent_pb2.GetReceiptRequest(subject=data_subject, event_id=event_id)
        return self._ask(self._stub.GetReceipt, request)

    def find_receipt(self, data_subject: str, event_id: str) -> str | None:
        """The signed text; None where the sidecar signs none.

        Raises:
            ConsentryError: no answer came.
        """
        try:
            return self.get_receipt(data_subject, event_id).receipt
        except ConsentryError as problem:
            if problem.code in _NO_RECEIPT:
                return None
            raise

    def list_events(self, data_subject: str) -> Iterator[consent_pb2.RecordedConsentEvent]:
        """All events of one person, oldest first, a page at a time.

        Raises:
            ConsentryError: no answer came.
        """
        request = consent_pb2.ListConsentEventsRequest(subject=data_subject, page_size=1_000)
        while True:
            answer = self._ask(self._stub.ListConsentEvents, request)
            yield from answer.events
            if not answer.next_page_token:
                return
            request.page_token = answer.next_page_token

    def _ask(self, method: Callable[..., _Answer], request: _Request) -> _Answer:
        try:
            return method(request, timeout=self._timeout_s)
        except grpc.RpcError as problem:
            code = problem.code()
            text = f"{code.name}: {problem.details()}"
            violations = _violations(problem)
            if violations:
                raise RefusedError(text, code, violations) from None
            raise ConsentryError(text, code) from None


def _violations(problem: Any) -> tuple[tuple[str, str], ...]:
    try:
        from google.rpc import error_details_pb2, status_pb2  # noqa: PLC0415 (only where refused)
    except ImportError:  # the client's own wheel does without: the status' text says what is wrong
        return ()
    metadata: dict[str, bytes] = dict(problem.trailing_metadata() or ())
    raw = metadata.get("grpc-status-details-bin", b"")
    found = error_details_pb2.BadRequest()
    for detail in status_pb2.Status.FromString(raw).details:
        if detail.Unpack(found):
            return tuple((v.field, v.reason) for v in found.field_violations)
    return ()
