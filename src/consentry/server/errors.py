"""What each family of errors becomes on the wire. No exception's text ever goes out.

| family                    | status                                                              |
| ------------------------- | ------------------------------------------------------------------- |
| request errors            | INVALID_ARGUMENT, or RESOURCE_EXHAUSTED where only limits are broken |
| unknown names in an event | FAILED_PRECONDITION                                                 |
| state errors              | UNAVAILABLE or FAILED_PRECONDITION                                  |
| a key used twice          | ALREADY_EXISTS                                                      |
| an unknown caller         | UNAUTHENTICATED, whatever was wrong with what it showed             |
| a right it does not have  | PERMISSION_DENIED, without a word about who has it                  |
| nothing found             | NOT_FOUND                                                           |
| bugs                      | INTERNAL with an opaque id, found again in the log                  |
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterable
from typing import Final

import grpc
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from consentry.consent.errors import (
    EventRefusedError,
    IdempotencyConflictError,
    LedgerCorruptError,
    LedgerDivergedError,
    LedgerError,
    LedgerFullError,
    LedgerReadOnlyError,
    LedgerUnavailableError,
    RightsStandError,
)
from consentry.model.request import FieldViolation, RequestError
from consentry.pdp.errors import NotReadyError, NotYetThereError, UnknownPolicySetError
from consentry.plan.errors import Obstacle, PlanRefusedError
from consentry.server.callers import NotAuthenticatedError, NotPermittedError
from consentry.server.faults import violation
from consentry.server.text_checks import LIMIT_CODES
from consentry.telemetry.audit.strict import AuditUnavailableError
from consentry.v1 import decision_pb2

log = logging.getLogger(__name__)

ERROR_DOMAIN: Final = "consentry"


class DeadlineError(Exception):
    """The caller's time was up before the question was looked at."""


class UnknownEventError(Exception):
    """The person has no such event."""


class NoSigningKeyError(Exception):
    """Something is to be signed, and there is no key."""


class SqlRefusedError(Exception):
    """A plan cannot be said in the wanted SQL; `why` says what of it, without anybody's data."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class LeavingError(Exception):
    """The sidecar leaves, and this stream with it."""


class TooManyCallsError(Exception):
    """As many calls of a kind are under way as may be; `call_class` names it."""

    def __init__(self, call_class: str) -> None:
        super().__init__(call_class)
        self.call_class = call_class


class UnknownNameError(Exception):
    """A well-formed message names something that the active policy set does not have."""

    def __init__(self, *violations: FieldViolation) -> None:
        super().__init__("unknown names")
        self.violations = violations


def status_of(problem: BaseException, method: str) -> status_pb2.Status:
    """The status to answer with; a bug is logged by its class name and the id that goes out."""
    match problem:
        case RequestError():
            return request_error_status(problem)
        case UnknownNameError():
            return _bad_request(code_pb2.FAILED_PRECONDITION, "unknown names", problem.violations)
        case EventRefusedError():
            return _bad_request(
                code_pb2.INVALID_ARGUMENT, "event refused", (event_violation(problem),)
            )
        case IdempotencyConflictError():
            field = f"events[{problem.index}].idempotency_key"
            return _bad_request(
                code_pb2.ALREADY_EXISTS,
                "used before",
                (violation(field, "idempotency_conflict"),),
            )
        case NotYetThereError():
            return _plain(
                code_pb2.FAILED_PRECONDITION, "ledger_behind",
                f"the ledger stands at position {problem.position}",
            )  # fmt: skip
        case TooManyCallsError(call_class=call_class):
            return refusal_status(call_class)
        case PlanRefusedError():
            return _bad_request(
                code_pb2.FAILED_PRECONDITION, "no filter", _obstacles(problem.obstacles)
            )
        case SqlRefusedError():
            return _plain(code_pb2.FAILED_PRECONDITION, "no_sql", problem.why)
        case RightsStandError():
            return _bad_request(
                code_pb2.FAILED_PRECONDITION,
                "rights stand",
                [violation("with_rights", "rights_stand")],
            )
    for kind, code, reason, message in _PLAIN:
        if isinstance(problem, kind):
            return _plain(code, reason, message)
    return _bug(problem, method)


# A class stands before those it is derived from.
_PLAIN: Final[tuple[tuple[type[BaseException], int, str, str], ...]] = (
    (NotReadyError, code_pb2.UNAVAILABLE, "no_policies", "no policy set is loaded"),
    (
        UnknownPolicySetError, code_pb2.NOT_FOUND,
        "policy_set_unknown", "this policy set cannot be asked",
    ),
    (UnknownEventError, code_pb2.NOT_FOUND, "event_unknown", "the person has no such event"),
    (
        NoSigningKeyError, code_pb2.FAILED_PRECONDITION,
        "no_signing_key", "there is no key to sign with",
    ),
    (
        LedgerFullError, code_pb2.RESOURCE_EXHAUSTED,
        "ledger_full", "no space is left for the consent ledger; what narrows is recorded last",
    ),
    (
        LedgerReadOnlyError, code_pb2.UNAVAILABLE,
        "ledger_read_only", "the consent ledger cannot be written",
    ),
    (
        LedgerUnavailableError, code_pb2.UNAVAILABLE,
        "ledger_unavailable", "the consent ledger cannot be used now",
    ),
    (
        LedgerDivergedError, code_pb2.DATA_LOSS,
        "ledger_diverged", "the consent ledger does not hold what was taken from it",
    ),
    (LedgerCorruptError, code_pb2.DATA_LOSS, "ledger_corrupt", "the consent ledger is damaged"),
    (
        NotAuthenticatedError, code_pb2.UNAUTHENTICATED,
        "unauthenticated", "it is not known who calls",
    ),
    (
        NotPermittedError, code_pb2.PERMISSION_DENIED,
        "not_permitted", "this caller may not do this",
    ),
    (
        AuditUnavailableError, code_pb2.UNAVAILABLE,
        "audit_unavailable", "the record of this decision cannot be stored",
    ),
    (LeavingError, code_pb2.UNAVAILABLE, "draining", "this sidecar leaves; ask another"),
    (DeadlineError, code_pb2.DEADLINE_EXCEEDED, "deadline_exceeded", "the time was up"),
)  # fmt: skip


def request_error_status(problem: RequestError) -> status_pb2.Status:
    """INVALID_ARGUMENT with the violations; RESOURCE_EXHAUSTED where all are about sizes."""
    is_limit = bool(problem.violations) and all(v.code in LIMIT_CODES for v in problem.violations)
    code = code_pb2.RESOURCE_EXHAUSTED if is_limit else code_pb2.INVALID_ARGUMENT
    return _bad_request(code, "over a limit" if is_limit else "bad request", problem.violations)


def item_error(problem: Exception) -> decision_pb2.ItemError:
    """What an item of a batch gets in place of an answer."""
    status = status_of(problem, "batch item")
    violations = problem.violations if isinstance(problem, RequestError) else ()
    return decision_pb2.ItemError(
        code=status.code,
        message=status.message,
        violations=[
            decision_pb2.FieldViolation(field=v.field, code=v.code, description=v.message)
            for v in violations
        ],
    )


def _obstacles(obstacles: Iterable[Obstacle]) -> Iterable[FieldViolation]:
    """What keeps a plan from being made: the rule, its place, and why; not what it says."""
    for one in obstacles:
        place = f" ({one.file}:{one.line})" if one.file else ""
        yield FieldViolation(
            field=one.rule, code="inexpressible", message=f"{one.rule}{place}: {one.why}"
        )


def event_violation(problem: EventRefusedError) -> FieldViolation:
    """The violation of one event of a batch, with its path from the request on."""
    path = f"events[{problem.index}]" + (f".{problem.field}" if problem.field else "")
    return FieldViolation(field=path, code=problem.code, message=problem.message)


def refusal_status(call_class: str) -> status_pb2.Status:
    """RESOURCE_EXHAUSTED: as many calls of this class are under way as are allowed."""
    return _plain(
        code_pb2.RESOURCE_EXHAUSTED, "too_many_calls",
        f"too many {call_class} calls are under way; try again",
    )  # fmt: skip


def grpc_status(status: status_pb2.Status) -> grpc.Status:
    """The same, as `ServicerContext.abort_with_status` takes it."""
    made: grpc.Status = rpc_status.to_status(status)
    return made


def _bad_request(
    code: int, summary: str, violations: Iterable[FieldViolation]
) -> status_pb2.Status:
    violations = tuple(violations)
    details = error_details_pb2.BadRequest(
        field_violations=[
            error_details_pb2.BadRequest.FieldViolation(
                field=v.field, description=v.message, reason=v.code
            )
            for v in violations
        ]
    )
    first = "; ".join(f"{v.field or 'message'}: {v.code}" for v in violations[:4])
    status = status_pb2.Status(code=code, message=f"{summary}: {first}" if first else summary)
    status.details.add().Pack(details)
    return status


def _plain(code: int, reason: str, message: str) -> status_pb2.Status:
    status = status_pb2.Status(code=code, message=message)
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason=reason, domain=ERROR_DOMAIN))
    return status


def _bug(problem: BaseException, method: str) -> status_pb2.Status:
    error_id = secrets.token_hex(8)
    # The text of an exception may hold what a caller sent or a password of ours: only its class
    # and the place it was raised at are logged.
    place = ""
    trace = problem.__traceback__
    while trace is not None:
        place = f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}"
        trace = trace.tb_next
    event = "ledger_failed" if isinstance(problem, LedgerError) else "call_failed"
    log.error(
        event,
        extra={
            "error_id": error_id,
            "error_class": type(problem).__name__,
            "method": method,
            "place": place,
        },
    )
    return _plain(code_pb2.INTERNAL, "internal", f"internal error, id {error_id}")
