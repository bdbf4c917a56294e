"""The gRPC door over real sockets: bytes, limits, errors, health, reflection."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from server_world import (
    AUTHORIZATION,
    CANARY,
    CONSENT,
    POLICY,
    World,
    call,
    channel_to,
    gave,
    outcome,
    question,
    serving,
)

from consentry.consent.errors import (
    EventRefusedError,
    IdempotencyConflictError,
    LedgerUnavailableError,
)
from consentry.pdp.errors import NotReadyError
from consentry.v1 import authorization_pb2, consent_pb2, decision_pb2, policy_pb2

CHECK = AUTHORIZATION + "Check"
BATCH = AUTHORIZATION + "CheckBatch"
ALL_METHODS = [
    CHECK,
    BATCH,
    *(CONSENT + name for name in ("RecordConsent", "GetConsent", "ListConsentEvents")),
    *(POLICY + name for name in ("GetPolicySet", "ValidatePolicies", "ReloadPolicies")),
]


def violations(problem: grpc.RpcError) -> dict[str, str]:
    """Codes by field, from the status details."""
    status = rpc_status.from_call(problem)
    assert status is not None
    details = error_details_pb2.BadRequest()
    assert status.details[0].Unpack(details)
    return {v.field: v.reason for v in details.field_violations}


def test_check_is_answered_over_tcp_with_its_correlation_id() -> None:
    with serving() as world, channel_to(world.bound.grpc[0]) as channel:
        raw = call(
            channel,
            CHECK,
            question().SerializeToString(),
            metadata=(("correlation-id", "order-17"),),
        )

        answer = authorization_pb2.CheckResponse.FromString(raw)

    assert answer.effect == decision_pb2.EFFECT_PERMIT
    assert answer.moment.correlation_id == "order-17"
    assert answer.moment.ledger_position == 7


def test_check_is_answered_over_a_unix_socket_of_the_given_mode(tmp_path: Path) -> None:
    path = tmp_path / "consentry.sock"
    with (
        serving(listen=(f"unix:{path}",), socket_mode=0o660) as world,
        channel_to(world.bound.grpc[0]) as channel,
    ):
        call(channel, CHECK, question().SerializeToString())
        mode = path.stat().st_mode & 0o777

    assert mode == 0o660
    assert not path.exists()


@pytest.fixture(scope="module")
def shared() -> Iterator[World]:
    with serving() as world:
        yield world


@pytest.mark.parametrize("method", ALL_METHODS)
def test_malformed_bytes_are_an_invalid_argument(method: str, shared: World) -> None:
    with channel_to(shared.bound.grpc[0]) as channel:
        problem = outcome(channel, method, b"\xff\xff\xff")

    assert problem.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert violations(problem) == {"": "malformed_message"}


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"\x0a\x7f", id="cut short"),
        pytest.param(b"\x0a\x04\x0a\x02\xc3\x28", id="invalid UTF-8"),
        pytest.param(b"\x0a\x05\x0a\x03\xed\xa0\x80", id="lone surrogate"),
        pytest.param(b"\x4a\x04" * 3 + b"\x12\x7f", id="cut short deep inside"),
    ],
)
def test_malformed_check_is_an_invalid_argument(raw: bytes, shared: World) -> None:
    with channel_to(shared.bound.grpc[0]) as channel:
        problem = outcome(channel, CHECK, raw)

    assert violations(problem) == {"": "malformed_message"}


FAILING: dict[str, bytes] = {
    CHECK: question().SerializeToString(),
    BATCH: authorization_pb2.CheckBatchRequest(
        items=[authorization_pb2.BatchItem(check=question())]
    ).SerializeToString(),
    CONSENT + "RecordConsent": consent_pb2.RecordConsentRequest(
        events=[gave()]
    ).SerializeToString(),
    POLICY + "ReloadPolicies": b"",
}


@pytest.mark.parametrize("method", FAILING)
def test_text_of_an_exception_never_reaches_a_client(
    method: str, caplog: pytest.LogCaptureFixture
) -> None:
    world = World()
    world.decider.failure = world.ledger.failure = ValueError(CANARY)
    world.policies.failure = ValueError(CANARY)
    with (
        caplog.at_level(logging.DEBUG),
        serving(world),
        channel_to(world.bound.grpc[0]) as channel,
    ):
        problem = outcome(channel, method, FAILING[method])

    assert problem.code() is grpc.StatusCode.INTERNAL
    shown = f"{problem.details()}{problem.trailing_metadata()}"
    assert CANARY not in shown
    assert "ValueError" not in shown
    record = next(r for r in caplog.records if r.message == "call_failed")
    assert record.error_id in (problem.details() or "")  # type: ignore[attr-defined]
    assert record.error_class == "ValueError"  # type: ignore[attr-defined]
    assert CANARY not in caplog.text


def test_exit_in_a_handler_is_answered_rather_than_left_hanging() -> None:
    world = World()
    world.decider.failure = SystemExit(CANARY)
    with serving(world), channel_to(world.bound.grpc[0]) as channel:
        problem = outcome(channel, CHECK, question().SerializeToString())

    assert problem.code() is grpc.StatusCode.INTERNAL


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (NotReadyError(CANARY), grpc.StatusCode.UNAVAILABLE),
        (LedgerUnavailableError(CANARY), grpc.StatusCode.UNAVAILABLE),
    ],
)
def test_state_errors_have_their_own_codes(
    failure: Exception, code: grpc.StatusCode, shared: World
) -> None:
    shared.decider.failure = failure
    try:
        with channel_to(shared.bound.grpc[0]) as channel:
            problem = outcome(channel, CHECK, question().SerializeToString())
    finally:
        shared.decider.failure = None

    assert problem.code() is code
    assert CANARY not in (problem.details() or "")


def test_ledger_that_is_behind_the_wanted_position_is_a_failed_precondition(shared: World) -> None:
    with channel_to(shared.bound.grpc[0]) as channel:
        problem = outcome(
            channel,
            CHECK,
            question().SerializeToString(),
            metadata=(("consentry-at-least", "8"),),
        )

    assert problem.code() is grpc.StatusCode.FAILED_PRECONDITION


@pytest.mark.parametrize("value", ["-1", "1e3", "x", "9" * 19, "9" * 30, "1.0"])
def test_malformed_wanted_position_is_refused(value: str, shared: World) -> None:
    with channel_to(shared.bound.grpc[0]) as channel:
        problem = outcome(
            channel,
            CHECK,
            question().SerializeToString(),
            metadata=(("consentry-at-least", value),),
        )

    assert problem.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert violations(problem) == {"consentry-at-least": "bad_position"}


def test_correlation_id_over_128_bytes_is_over_a_limit(shared: World) -> None:
    with channel_to(shared.bound.grpc[0]) as channel:
        problem = outcome(
            channel,
            CHECK,
            question().SerializeToString(),
            metadata=(("correlation-id", "x" * 129),),
        )

    assert problem.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_message_over_the_limit_is_refused(shared: World) -> None:
    message = question()
    message.data.extend(["x" * 1000] * 1100)
    with channel_to(shared.bound.grpc[0]) as channel:
        problem = outcome(channel, CHECK, message.SerializeToString())

    assert problem.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("method", ["/x.Authz/check", "//Check", "/consentry.v1.A%2FCheck"])
def test_unknown_method_is_unimplemented(method: str, shared: World) -> None:
    with channel_to(shared.bound.grpc[0]) as channel:
        problem = outcome(channel, method, b"")

    assert problem.code() is grpc.StatusCode.UNIMPLEMENTED


def test_bad_item_of_a_batch_gets_an_error_and_spoils_no_other(shared: World) -> None:
    items = [
        authorization_pb2.BatchItem(check=question(), correlation_id=f"c{i}") for i in range(5)
    ]
    items[1].check.principal.ClearField("id")
    items[3].correlation_id = "a\nb"
    batch = authorization_pb2.CheckBatchRequest(items=items)
    with channel_to(shared.bound.grpc[0]) as channel:
        raw = call(channel, BATCH, batch.SerializeToString())

    results = authorization_pb2.CheckBatchResponse.FromString(raw).results
    assert [r.WhichOneof("result") for r in results] == [
        "response", "error", "response", "error", "response",
    ]  # fmt: skip
    assert [r.response.moment.correlation_id for r in results] == ["c0", "", "c2", "", "c4"]
    assert results[1].error.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]


@pytest.mark.parametrize(
    ("count", "code"),
    [(0, grpc.StatusCode.INVALID_ARGUMENT), (1_001, grpc.StatusCode.RESOURCE_EXHAUSTED)],
)
def test_batch_of_none_or_too_many_is_refused(
    count: int, code: grpc.StatusCode, shared: World
) -> None:
    items = [authorization_pb2.BatchItem(check=question())] * count
    with channel_to(shared.bound.grpc[0]) as channel:
        problem = outcome(
            channel, BATCH, authorization_pb2.CheckBatchRequest(items=items).SerializeToString()
        )

    assert problem.code() is code


def test_calls_are_counted_by_method_and_code(shared: World) -> None:
    with channel_to(shared.bound.grpc[0]) as channel:
        call(channel, CHECK, question().SerializeToString())
        outcome(channel, CHECK, b"\xff")

    handled = dict(shared.metrics.grpc_handled.series())
    service = "consentry.v1.AuthorizationService"
    assert handled["unary", service, "Check", "OK"] >= 1
    assert handled["unary", service, "Check", "INVALID_ARGUMENT"] >= 1


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (IdempotencyConflictError(0), grpc.StatusCode.ALREADY_EXISTS),
        (EventRefusedError(2, "happened_at", "in_future", "x"), grpc.StatusCode.INVALID_ARGUMENT),
    ],
)
def test_ledger_refusals_have_their_own_codes(
    failure: Exception, code: grpc.StatusCode, shared: World
) -> None:
    shared.ledger.failure = failure
    try:
        with channel_to(shared.bound.grpc[0]) as channel:
            problem = outcome(
                channel,
                CONSENT + "RecordConsent",
                consent_pb2.RecordConsentRequest(events=[gave()]).SerializeToString(),
            )
    finally:
        shared.ledger.failure = None

    assert problem.code() is code
    assert CANARY not in (problem.details() or "")


def test_policy_diagnostics_name_their_place(shared: World) -> None:
    request = policy_pb2.ValidatePoliciesRequest(
        files=[policy_pb2.PolicyFile(name="a.policy", text="permit x {\n    treatmnt")]
    )
    with channel_to(shared.bound.grpc[0]) as channel:
        raw = call(channel, POLICY + "ValidatePolicies", request.SerializeToString())

    answer = policy_pb2.ValidatePoliciesResponse.FromString(raw)
    assert not answer.is_valid
    found = answer.diagnostics[0]
    assert (found.file, found.line, found.column, found.end_line, found.end_column) == (
        "a.policy", 2, 5, 2, 13,
    )  # fmt: skip
    assert "treatmnt" in found.rendered


@pytest.mark.parametrize("name", ["", "/etc/x", "../a.policy", "a/../b", "a\\b", "a//b", "a\nb"])
def test_policy_file_names_stay_below_their_folder(name: str, shared: World) -> None:
    request = policy_pb2.ValidatePoliciesRequest(files=[policy_pb2.PolicyFile(name=name, text="")])
    with channel_to(shared.bound.grpc[0]) as channel:
        problem = outcome(channel, POLICY + "ValidatePolicies", request.SerializeToString())

    assert problem.code() is grpc.StatusCode.INVALID_ARGUMENT
