"""Who may ask over HTTP, and what happens when more ask than can be answered."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from consentry.server.addresses import AddressError
from consentry.server.authzen.service import AuthzenService
from consentry.server.callers import (
    OPEN,
    BoundPrincipal,
    Caller,
    Callers,
    Identity,
    NotAuthenticatedError,
    RefusedCause,
    Right,
)
from tests.integration.server_world import World, serving

IDENTITIES = {
    name: Identity(name=name, rights=rights, principal=principal)
    for name, rights, principal in (
        ("mailer", {Right.DECIDE: None}, None),
        ("reporter", {Right.DECIDE: frozenset({"analytics"})}, None),
        ("bound", {Right.DECIDE: None}, BoundPrincipal(id="mailer")),
        ("writer", {Right.WRITE_CONSENT: None}, None),
    )
}


class Tokens:
    """A token is the name of an identity."""

    def verify(self, token: str) -> Caller:
        if token not in IDENTITIES:
            raise NotAuthenticatedError(RefusedCause.BAD_TOKEN)
        return Caller(IDENTITIES[token])


CALLERS = Callers(identities=IDENTITIES, tokens=Tokens())


def request(purpose: str = "marketing.email", asker: str = "mailer") -> dict[str, Any]:
    return {
        "subject": {"type": "service", "id": asker},
        "action": {"name": "read"},
        "resource": {"type": "data", "id": "customer"},
        "context": {"purpose": purpose, "data_subject": {"id": "ada"}},
    }


def authzen(world: World) -> AuthzenService:
    return AuthzenService(
        world.decider, world.policies, address=None, max_body_bytes=65_536, max_items=100
    )


@contextlib.contextmanager
def asked(callers: Callers = OPEN, **options: Any) -> Iterator[World]:
    world = World()
    world.http_services = [authzen(world)]
    world.callers = callers
    with serving(world, **options):
        yield world


def post(
    world: World, path: str, body: Any, token: str = "", **further: str
) -> tuple[int, dict[str, str], Any]:
    assert world.bound.http is not None
    connection = http.client.HTTPConnection(world.bound.http, timeout=20)
    headers = {"content-type": "application/json"} | further
    if token:
        headers["authorization"] = f"Bearer {token}"
    with contextlib.closing(connection):
        connection.request("POST", f"/access/v1/{path}", json.dumps(body), headers)
        response = connection.getresponse()
        told = {name.lower(): value for name, value in response.getheaders()}
        return response.status, told, json.loads(response.read())


def test_who_does_not_say_who_they_are_is_told_how() -> None:
    with asked(CALLERS) as world:
        for token in ("", "nobody"):
            status, headers, message = post(world, "evaluation", request(), token)
            assert (status, headers["www-authenticate"]) == (401, "Bearer")
            assert isinstance(message, str)
        counted = dict(world.metrics.callers_refused.series())

    assert counted[("no_credential",)] == counted[("bad_token",)] == 1
    assert world.decider.asked == []


def test_a_right_and_its_purposes_count_as_over_grpc() -> None:
    with asked(CALLERS) as world:
        assert post(world, "evaluation", request(), "mailer")[0] == 200
        assert post(world, "evaluation", request(), "writer")[0] == 403
        assert post(world, "evaluation", request(), "reporter")[0] == 403
        assert post(world, "search/action", request(), "reporter")[0] == 403
        assert post(world, "evaluation", request("analytics"), "reporter")[0] == 200
        counted = dict(world.metrics.callers_refused.series())

    assert (counted[("right",)], counted[("purpose",)]) == (1, 2)


def test_one_item_that_the_caller_may_not_ask_spoils_no_other() -> None:
    items = {"evaluations": [request("analytics"), request()]}
    with asked(CALLERS) as world:
        status, _, told = post(world, "evaluations", items, "reporter")
        counted = dict(world.metrics.callers_refused.series())

    assert status == 200
    assert [each["decision"] for each in told["evaluations"]] == [True, False]
    assert told["evaluations"][1]["context"]["error"]["status"] == 403
    assert counted[("purpose",)] == 1


def test_a_bound_caller_asks_as_itself_only() -> None:
    with asked(CALLERS) as world:
        assert post(world, "evaluation", request(), "bound")[0] == 200
        assert post(world, "evaluation", request(asker="other"), "bound")[0] == 403


def test_a_full_pool_refuses_at_once_and_other_doors_go_on() -> None:
    with asked(check_threads=1, check_limit=1) as world:
        world.decider.may_answer.clear()
        with ThreadPoolExecutor(1) as threads:
            held = threads.submit(post, world, "evaluation", request())
            assert world.decider.arrived.acquire(timeout=10)

            status, headers, _ = post(world, "evaluation", request())
            assert (status, headers["retry-after"]) == (429, "1")
            assert get(world, "/livez") == 200, "the loop serves on while decisions wait"

            world.decider.may_answer.set()
            assert held.result()[0] == 200
        assert dict(world.metrics.refused.series())[("check",)] == 1


def get(world: World, path: str) -> int:
    assert world.bound.http is not None
    connection = http.client.HTTPConnection(world.bound.http, timeout=20)
    with contextlib.closing(connection):
        connection.request("GET", path)
        return connection.getresponse().status


def test_a_page_in_a_browser_may_not_call() -> None:
    with asked() as world:
        status, _, message = post(world, "evaluation", request(), origin="http://rebound.example")

    assert (status, world.decider.asked) == (403, [])
    assert "browser" in message


def test_a_bug_is_told_by_its_id_only() -> None:
    with asked() as world:
        world.decider.failure = RuntimeError("canary")
        status, _, message = post(world, "evaluation", request())

    assert status == 500
    assert "canary" not in message
    assert "id " in message


def test_without_policies_searches_and_checks_are_unavailable() -> None:
    with asked() as world:
        world.policies.current = None
        status, headers, _ = post(world, "search/action", request())

    assert (status, headers["retry-after"]) == (503, "1")


def test_a_sidecar_that_leaves_answers_what_it_owes() -> None:
    with asked() as world:
        world.decider.may_answer.clear()
        leaving = threading.Thread(target=world.sidecar.stop)
        with ThreadPoolExecutor(1) as threads:
            held = threads.submit(post, world, "evaluation", request())
            assert world.decider.arrived.acquire(timeout=10)
            leaving.start()
            world.decider.may_answer.set()
            assert held.result()[0] == 200
        leaving.join(20)


def test_it_is_off_unless_asked_for() -> None:
    with serving() as world:
        assert get(world, "/access/v1/evaluation") == 404
        assert get(world, "/.well-known/authzen-configuration") == 404


def test_calls_in_clear_text_stay_on_the_machine() -> None:
    with pytest.raises(AddressError), asked(http_listen="0.0.0.0:0"):
        pass
    with asked(http_listen="0.0.0.0:0", insecure_off_loopback=True):
        pass
