"""The small HTTP port: metrics, liveness, readiness, version, and pages for people.

One request a connection and a bounded life for each: whoever is slow, silent or endless is cut off
and costs no more than a connection. Runs in a thread and an event loop of its own.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Sequence
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from consentry.server.json_answers import JSON_TYPE
from consentry.server.options import ServerOptions

_START_TIMEOUT_S: Final = 30.0
_STOP_TIMEOUT_S: Final = 10.0

Expose = Callable[[str], tuple[bytes, str]]
"""Metrics in the form that an Accept header asks for, and their content type."""


def build_app(
    *,
    expose: Expose,
    find_unreadiness: Callable[[], str | None],
    version: dict[str, str],
    pages: Sequence[Route] = (),
) -> Starlette:
    """The application. `find_unreadiness` gives a reason code, None when ready; `pages` are for
    people.
    """

    async def metrics(request: Request) -> Response:
        # Rendered on the loop: many scrapes at once wait for each other and for nobody else.
        body, content_type = expose(request.headers.get("accept", ""))
        return Response(body, headers={"content-type": content_type})

    async def livez(_request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_request: Request) -> Response:
        reason = find_unreadiness()
        if reason is None:
            return PlainTextResponse("ok\n")
        return PlainTextResponse(f"{reason}\n", status_code=503)

    async def tell_version(_request: Request) -> Response:
        return Response(json.dumps(version) + "\n", media_type=JSON_TYPE)

    app = Starlette(
        routes=[
            Route("/metrics", metrics),
            Route("/livez", livez),
            Route("/readyz", readyz),
            Route("/version", tell_version),
            *pages,
        ]
    )
    app.router.redirect_slashes = False
    return app


class _BoundedProtocol(H11Protocol):
    """A connection that is cut off when its time is up, whatever it is doing.

    So is one too many at once: twice as many as are answered may stand and be told 503.
    """

    max_life_s: float = 10.0
    max_count: int = 128
    _end_of_life: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.max_count:
            transport.abort()
            return
        self._end_of_life = self.loop.call_later(self.max_life_s, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._end_of_life is not None:
            self._end_of_life.cancel()
            self._end_of_life = None
        super().connection_lost(exc)


class _Server(uvicorn.Server):
    """uvicorn's server, with an event that says when it accepts."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_accepting: Final = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_accepting.set()


class HttpDoor:
    """The HTTP server; `start` and `stop` are called by one thread."""

    def __init__(self, app: Starlette, listener: socket.socket, options: ServerOptions) -> None:
        bounds = {
            "max_life_s": options.http_idle_s,
            "max_count": 2 * options.http_connection_limit,
        }
        protocol = type("BoundedProtocol", (_BoundedProtocol,), bounds)
        self._listener: Final = listener
        self._server: Final = _Server(
            uvicorn.Config(
                app,
                http=protocol,
                ws="none",
                lifespan="off",
                loop="asyncio",
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                date_header=False,
                proxy_headers=False,
                headers=[("connection", "close"), ("x-content-type-options", "nosniff")],
                limit_concurrency=options.http_connection_limit,
                h11_max_incomplete_event_size=options.http_header_bytes,
                timeout_graceful_shutdown=1,
            )
        )
        # A daemon: a stuck scrape must not keep a stopped sidecar alive.
        self._thread: Final = threading.Thread(target=self._run, name="consentry-http", daemon=True)

    def start(self) -> None:
        """Serve; back when connections are accepted.

        Raises:
            RuntimeError: the server did not come up.
        """
        self._thread.start()
        if not self._server.is_accepting.wait(_START_TIMEOUT_S):
            raise RuntimeError("the HTTP server did not start")

    def stop(self) -> None:
        """Stop serving and close the port."""
        self._server.should_exit = True
        if self._thread.ident is not None:
            self._thread.join(_STOP_TIMEOUT_S)
        self._listener.close()

    def _run(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._listener]))
