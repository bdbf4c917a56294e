"""What a proxy, a service and a client are told of a decision."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any, NoReturn

import pytest
from google.protobuf.json_format import MessageToDict

from consentry.envoy.v3 import external_auth_pb2 as wire
from consentry.model.request import FieldViolation, RequestError
from consentry.pdp.errors import NotReadyError
from consentry.server.authzen.decisions import tell_decision
from consentry.server.callers import Caller, Identity, Right
from consentry.server.calls import NO_CALL, Call
from consentry.server.ext_authz.answers import answer_decision, answer_refusal
from consentry.server.ext_authz.asked import AskedRequest, ClaimsPlace
from consentry.server.ext_authz.mapping import RouteMapping
from consentry.server.ext_authz.methods import ExtAuthzMethods
from consentry.server.ext_authz.refusals import Refusal, prefers_html, write_refusal
from consentry.server.ext_authz.routes import RouteTexts
from consentry.telemetry.metrics import Metrics
from consentry.v1 import authorization_pb2 as answers
from consentry.v1 import decision_pb2 as shapes


def answer(**changes: Any) -> answers.CheckResponse:
    message = answers.CheckResponse(
        effect=shapes.EFFECT_PERMIT,
        reason="consent_valid",
        policy_digest="d" * 64,
        leaves=[
            shapes.LeafDecision(data="a.name", effect=shapes.EFFECT_PERMIT),
            shapes.LeafDecision(
                data="a.card",
                effect=shapes.EFFECT_PERMIT,
                mask=shapes.Mask(function=shapes.MASK_FUNCTION_LAST, argument=4),
            ),
        ],
        obligations=[shapes.Obligation(name="unsubscribe_link", text="…")],
        moment=shapes.Moment(decision_id="id-1", ledger_position=7, consent_age_us=5),
    )
    message.valid_until.FromJsonString("2026-05-04T09:00:30Z")
    for name, value in changes.items():
        message.ClearField(name)  # type: ignore[arg-type]
        message.MergeFrom(answers.CheckResponse(**{name: value}))
    return message


def headers_of(options: Any) -> dict[str, str]:
    assert all(option.HasField("append") and not option.append.value for option in options)
    return {option.header.key: option.header.value for option in options}


def test_a_service_finds_everything_in_headers() -> None:
    response = answer_decision(answer(), {})

    assert response.status.code == 0
    assert headers_of(response.ok_response.headers) == {
        "x-consentry-decision-id": "id-1",
        "x-consentry-reason": "consent_valid",
        "x-consentry-valid-until": "2026-05-04T09:00:30Z",
        "x-consentry-consent-age-us": "5",
        "x-consentry-ledger-position": "7",
        "x-consentry-policy-digest": "d" * 64,
        "x-consentry-fields": "a.name,a.card",
        "x-consentry-masks": "a.card=last:4",
        "x-consentry-obligations": "unsubscribe_link",
    }
    assert headers_of(response.ok_response.response_headers_to_add) == {
        "x-consentry-decision-id": "id-1"
    }
    assert MessageToDict(response.dynamic_metadata)["reason"] == "consent_valid"
    assert MessageToDict(response.dynamic_metadata)["masks"] == "a.card=last:4"


def test_every_name_of_ours_is_removed_where_it_is_not_set() -> None:
    sent = {"x-consentry-invented": "1", "x_consentry_reason": "2", "x-other": "3"}
    response = answer_decision(answer(obligations=[]), sent)
    removed = set(response.ok_response.headers_to_remove)
    written = headers_of(response.ok_response.headers)

    assert removed >= {"x-consentry-invented", "x_consentry_reason", "x-consentry-obligations"}
    assert not removed & set(written), "what is set stays"
    assert "x-other" not in removed


def test_a_denial_carries_no_fields_to_the_client() -> None:
    denied = answer_decision(answer(effect=shapes.EFFECT_DENY, reason="consent_withdrawn"), {})

    assert denied.status.code == 7
    assert denied.denied_response.status.code == 403
    told = json.loads(denied.denied_response.body)
    assert (told["reason"], told["decision_id"]) == ("consent_withdrawn", "id-1")
    assert "a.card" not in denied.denied_response.body
    assert set(headers_of(denied.denied_response.headers)) == {
        "content-type", "cache-control", "x-consentry-reason", "x-consentry-decision-id",
    }  # fmt: skip


def test_an_effect_of_a_later_version_is_a_denial() -> None:
    unknown = answer()
    unknown.effect = 99  # type: ignore[assignment]

    assert answer_decision(unknown, {}).status.code == 7


def test_undecided_is_an_error_that_no_setting_of_the_proxy_lets_through() -> None:
    stale = answer_decision(
        answer(effect=shapes.EFFECT_DENY, reason="consent_state_unavailable"), {}
    )

    assert stale.status.code == 14
    assert stale.WhichOneof("http_response") == "denied_response", "never an error_response"
    assert stale.denied_response.status.code == 503
    assert headers_of(stale.denied_response.headers)["retry-after"] == "1"


@pytest.mark.parametrize("number", [0, 99])
def test_a_mask_of_a_later_version_redacts(number: int) -> None:
    mask = shapes.Mask(argument=4)
    mask.function = number  # type: ignore[assignment]
    leaf = shapes.LeafDecision(data="a.x", effect=shapes.EFFECT_PERMIT, mask=mask)

    response = answer_decision(answer(leaves=[leaf]), {})
    assert headers_of(response.ok_response.headers)["x-consentry-masks"] == "a.x=redact"
    told = tell_decision(answer(leaves=[leaf]))["context"]["fields"]
    assert told[0]["mask"] == {"function": "redact"}


@pytest.mark.parametrize(
    ("accept", "is_html"),
    [
        ("", False), ("*/*", False), ("application/json", False), ("text/html", True),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", True),
        ("application/json, text/html;q=0.9", False), ("text/html;q=0", False),
        ("text/html;q=nonsense", False), ("text/html, application/json", False),
    ],
)  # fmt: skip
def test_the_form_of_a_refusal_is_what_the_client_likes(accept: str, is_html: bool) -> None:
    assert prefers_html(accept) is is_html


def test_a_page_escapes_what_it_shows() -> None:
    body, _ = write_refusal(Refusal(HTTPStatus.FORBIDDEN, "<b>", "<i>"), "text/html")

    assert "<b>" not in body
    assert "&lt;b&gt;" in body
    assert "&lt;i&gt;" in body


ROOT = RouteMapping(
    [
        RouteTexts(
            name="r", path="/", parts={"action": ("read",), "data": ("a",), "principal": ("p",)}
        )
    ]
)


class Failing:
    def __init__(self, problem: Exception) -> None:
        self.problem = problem

    def check_bytes(
        self, raw: bytes, *, correlation_id: str = "", at_least: int = 0, caller: str = ""
    ) -> bytes:
        raise self.problem

    def check_batch(self, items: object, *, at_least: int = 0) -> list[bytes | Exception]:
        raise self.problem


@pytest.mark.parametrize(
    ("problem", "status", "code"),
    [
        (RequestError(FieldViolation(field="x", code="y", message="secret")), 400, 3),
        (NotReadyError("secret"), 503, 14),
        (RuntimeError("secret"), 500, 13),
    ],
)
def test_no_failure_is_a_permission(problem: Exception, status: int, code: int) -> None:
    metrics = Metrics()
    methods = ExtAuthzMethods(Failing(problem), ROOT, ClaimsPlace(), metrics)
    message = wire.CheckRequest()
    message.attributes.request.http.path = "/"

    response = methods.check(message, NO_CALL)

    assert response.WhichOneof("http_response") == "denied_response"
    assert (response.denied_response.status.code, response.status.code) == (status, code)
    assert "secret" not in str(response)
    outcome = "invalid" if status == 400 else "unavailable"
    counted = {key: count for key, count in metrics.proxy_requests.series() if count}
    assert counted == {(outcome,): 1}


class BrokenMapping(RouteMapping):
    """One whose questions cannot be found: a bug."""

    def __init__(self) -> None:
        super().__init__([])

    def find(self, asked: AskedRequest) -> NoReturn:
        raise RuntimeError("secret")


class Nonsense(Failing):
    """Answers what is no answer."""

    def check_bytes(
        self, raw: bytes, *, correlation_id: str = "", at_least: int = 0, caller: str = ""
    ) -> bytes:
        return b"\xff"


@pytest.mark.parametrize("mapping", [BrokenMapping(), ROOT], ids=["mapping", "answer"])
def test_what_breaks_before_or_after_the_decision_is_no_permission(
    mapping: RouteMapping, caplog: pytest.LogCaptureFixture
) -> None:
    metrics = Metrics()
    methods = ExtAuthzMethods(Nonsense(RuntimeError()), mapping, ClaimsPlace(), metrics)
    message = wire.CheckRequest()
    message.attributes.request.http.path = "/"
    message.attributes.request.http.headers["accept"] = "text/html"

    response = methods.check(message, NO_CALL)

    assert response.WhichOneof("http_response") == "denied_response"
    assert (response.denied_response.status.code, response.status.code) == (500, 13)
    assert response.denied_response.body.startswith("<!doctype html>"), "as the client likes it"
    assert {key: n for key, n in metrics.proxy_requests.series() if n} == {("unavailable",): 1}
    assert [record.getMessage() for record in caplog.records] == ["call_failed"]
    assert "secret" not in f"{response}{caplog.text}"


def test_bytes_that_are_no_request_are_no_permission() -> None:
    methods = ExtAuthzMethods(Failing(RuntimeError()), ROOT, ClaimsPlace(), Metrics())
    (behaviour,) = methods.behaviours().values()

    response = wire.CheckResponse.FromString(behaviour(b"\xff", NO_CALL))

    assert response.WhichOneof("http_response") == "denied_response"
    assert (response.denied_response.status.code, response.status.code) == (400, 3)


def test_a_proxy_that_may_not_ask_gets_no_permission() -> None:
    parts = {"action": ("read",), "data": ("a",), "principal": ("p",), "purpose": ("marketing",)}
    mapping = RouteMapping([RouteTexts(name="r", path="/", parts=parts)])
    metrics = Metrics()
    methods = ExtAuthzMethods(Failing(RuntimeError()), mapping, ClaimsPlace(), metrics)
    message = wire.CheckRequest()
    message.attributes.request.http.path = "/"
    rights = {Right.DECIDE: frozenset({"analytics"})}
    proxy = Caller(Identity(name="envoy", rights=rights))

    response = methods.check(message, Call(caller=proxy))

    assert response.WhichOneof("http_response") == "denied_response"
    assert response.denied_response.status.code == 503
    assert dict(metrics.callers_refused.series())[("purpose",)] == 1


def test_what_permits_have_in_common_is_kept_without_what_differs() -> None:
    first = answer_decision(answer(), {})
    other = answer()
    other.moment.decision_id = "id-2"
    other.ClearField("valid_until")
    other.keeping.handle = 7
    second = answer_decision(other, {"x-consentry-invented": "1"})

    assert headers_of(first.ok_response.headers)["x-consentry-decision-id"] == "id-1"
    assert headers_of(second.ok_response.headers)["x-consentry-decision-id"] == "id-2"
    assert "x-consentry-valid-until" in second.ok_response.headers_to_remove
    assert "x-consentry-valid-until" not in first.ok_response.headers_to_remove
    assert "x-consentry-invented" not in first.ok_response.headers_to_remove
    again = answer_decision(answer(), {})
    assert again == first, "nothing of the answer between stays"


def test_refusals_name_no_decision_that_was_not_made() -> None:
    refused = answer_refusal(Refusal(HTTPStatus.FORBIDDEN, "request_unmapped"), {})

    assert "decision_id" not in json.loads(refused.denied_response.body)
    assert "x-consentry-decision-id" not in headers_of(refused.denied_response.headers)
