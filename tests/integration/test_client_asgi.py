"""Handlers of FastAPI and Starlette that ask before they run."""

from __future__ import annotations

import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from http.client import HTTPConnection
from typing import Annotated, Any

import grpc
import pytest
import uvicorn
from fastapi import Depends, FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from consentry.client import AsyncClient, Decision, apply, service
from consentry.client.asgi import Guard, current_decision, requires, unchecked
from consentry.client.requirement import NoRequirementError
from consentry.client.testing import FakeSidecar

CRM = service("crm")


@pytest.fixture
def sidecar() -> Iterator[FakeSidecar]:
    with FakeSidecar() as fake:
        fake.permit(data_subject="ada")
        yield fake


READS: dict[str, Any] = {
    "principal": CRM, "action": "read", "data": "customer.contact.email",
    "data_subject": "customer_id", "purpose": "support",
}  # fmt: skip


def living(guard: Guard, sidecar: FakeSidecar) -> Any:
    """The life of an application whose guard asks the sidecar."""

    @asynccontextmanager
    async def lifespan(_app: Any) -> AsyncIterator[None]:
        async with AsyncClient(sidecar.target, timeout_s=20) as client:
            guard.use(client)
            yield

    return lifespan


@contextmanager
def running(app: Any) -> Iterator[Any]:
    """Serves the application on a free port; gives a function from paths to (status, text)."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="on"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()

    def get(path: str) -> tuple[int, str]:
        connection = HTTPConnection(*listener.getsockname(), timeout=20)
        connection.request("GET", path)
        answer = connection.getresponse()
        found = answer.status, answer.read().decode()
        connection.close()
        return found

    try:
        yield get
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()


def fastapi_app(sidecar: FakeSidecar) -> FastAPI:
    guard = Guard()
    app = FastAPI(lifespan=living(guard, sidecar))

    async def email(customer_id: int, decision: Any) -> Any:
        return apply(decision, {"email": f"{customer_id}@example.org", "name": "x"})

    email.__annotations__["decision"] = Annotated[Decision, Depends(guard(**READS))]
    app.get("/customers/{customer_id}/email")(email)
    return app


def test_fastapi_dependency_gives_the_decision_or_answers_itself(sidecar: FakeSidecar) -> None:
    sidecar.permit(data_subject="7", masks={"customer.contact.email": "redact"})
    with running(fastapi_app(sidecar)) as get:
        permitted = get("/customers/7/email")
        denied = get("/customers/8/email")
        sidecar.fail(grpc.StatusCode.INTERNAL)
        unanswered = get("/customers/7/email")

    assert permitted == (200, '{"email":"[redacted]"}')
    assert denied == (403, '{"detail":"no_rule"}')
    assert unanswered[0] == 503
    assert sidecar.asked[0].subject.id == "7"


def decorated_app(sidecar: FakeSidecar) -> FastAPI:
    guard = Guard()
    app = FastAPI(lifespan=living(guard, sidecar), dependencies=[Depends(guard.declared())])

    @app.get("/customers/{customer_id}/email")
    @requires(**READS)
    async def email(customer_id: str) -> Any:
        return apply(current_decision(), {"email": customer_id, "name": "x"})

    @app.get("/threads/{customer_id}")
    @requires(**READS)
    def in_a_thread(customer_id: str) -> Any:
        return {"reason": current_decision().reason}

    @app.get("/version")
    @unchecked("no data")
    async def version() -> Any:
        return {"reason": current_decision().reason}

    @app.get("/forgotten")
    async def forgotten() -> Any:
        raise AssertionError("must not run")

    @app.get("/masked/{customer_id}")
    @requires(**READS, is_masked=True)
    async def masked(customer_id: str) -> Any:
        raise AssertionError("must not run")

    return app


def test_fastapi_application_goes_by_the_decorators_of_its_endpoints(sidecar: FakeSidecar) -> None:
    paths = (
        "/customers/ada/email", "/customers/eve/email", "/threads/ada", "/version", "/forgotten",
        "/masked/ada", "/nowhere",
    )  # fmt: skip
    with running(decorated_app(sidecar)) as get:
        answers = [get(path) for path in paths]

    assert [status for status, _ in answers] == [200, 403, 200, 200, 403, 500, 404]
    assert [text for _, text in answers[:5]] == [
        '{"email":"ada"}', '{"detail":"no_rule"}', '{"reason":"consent_valid"}',
        '{"reason":"unavailable"}', '{"detail":"requirement_missing"}',
    ]  # fmt: skip


def starlette_app(sidecar: FakeSidecar) -> Starlette:
    guard = Guard()

    @requires(**READS, is_masked=True)
    async def email(request: Request) -> Any:
        assert current_decision().is_permitted
        return {"email": "a@example.org", "name": "x"}

    @requires(**(READS | {"data_subject": lambda request, _: request.query_params["who"]}))
    def plain(request: Request) -> Any:
        raise AssertionError("must not run")

    @unchecked("no data")
    async def version(request: Request) -> Any:
        from starlette.responses import PlainTextResponse  # noqa: PLC0415

        return PlainTextResponse(current_decision().reason)

    return Starlette(
        routes=[
            Route("/customers/{customer_id}/email", guard.checked(email)),
            Route("/plain", guard.checked(plain)),
            Route("/version", guard.checked(version)),
        ],
        lifespan=living(guard, sidecar),
    )


def test_starlette_endpoint_is_checked_and_masked(sidecar: FakeSidecar) -> None:
    paths = ("/customers/ada/email", "/plain?who=eve", "/plain", "/version")
    with running(starlette_app(sidecar)) as get:
        answers = [get(path) for path in paths]

    assert [status for status, _ in answers] == [200, 403, 400, 200]
    assert answers[0][1] == '{"email":"a@example.org"}'
    assert answers[3][1] == "unavailable"


def test_guard_without_a_client_lets_nobody_in() -> None:
    app = Starlette(routes=[Route("/customers/{customer_id}", Guard().checked(never))])
    with running(app) as get:
        assert get("/customers/ada")[0] == 503


@requires(**READS)
def never(request: Request) -> Any:
    raise AssertionError("must not run")


def test_starlette_endpoint_that_says_nothing_is_refused_when_it_is_added() -> None:
    def forgotten(request: Request) -> Any:
        return None

    with pytest.raises(NoRequirementError):
        Guard().checked(forgotten)


def test_dependency_cannot_mask() -> None:
    with pytest.raises(TypeError, match="apply"):
        Guard()(**READS, is_masked=True)
