"""A page for policy authors and operators: pick or paste a request, see how its answer comes about.

    GET  /explain    lists to pick from, made of the active policy set
    POST /explain    the tree of the answer, as `Explain` tells it; nothing is changed by it

It shows what a person consented to, so it is off by default and there for known addresses alone,
under known names alone (a page elsewhere whose name was made to lead here is refused), and where
callers are known, to those with the right to explain, by the bearer token that a proxy passes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Protocol
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from consentry.author.explain_json import explanation_json
from consentry.model.program import Program
from consentry.model.request import RequestError
from consentry.pdp.errors import NotReadyError
from consentry.publish.html import render_page
from consentry.server.callers import (
    Caller,
    Callers,
    NotAuthenticatedError,
    NotPermittedError,
    Right,
)
from consentry.server.calls import Call
from consentry.server.errors import TooManyCallsError
from consentry.server.explain_service import ExplainMethods
from consentry.server.pages.answers import BadFormError, page_answer, read_fields
from consentry.server.pages.asking import NoQuestionError, askable, pick, read_json, write_json
from consentry.server.pages.visitors import is_within, networks, peer_of
from consentry.v1 import authorization_pb2 as wire

PATH: Final = "/explain"
_STYLE: Final = "explain.css"
_KINDS: Final = ("service", "person", "agent", "job")

Fields = Sequence[tuple[str, str]]


class ActiveSet(Protocol):
    """An active policy set."""

    @property
    def program(self) -> Program:
        """What decides."""
        ...


class Policies(Protocol):
    """Where the active policy set stands."""

    @property
    def current(self) -> ActiveSet | None:
        """The set that decides now; None before the first load."""
        ...


class ExplainPages:
    """The routes; explaining runs in a thread of the pool, two at once at most."""

    def __init__(
        self,
        explaining: ExplainMethods,
        policies: Policies,
        callers: Callers,
        *,
        allowed: Sequence[str],
        hosts: Sequence[str],
    ) -> None:
        """Raises ValueError where one of `allowed` is no address or network."""
        self._explaining: Final = explaining
        self._policies: Final = policies
        self._callers: Final = callers
        self._allowed: Final = networks(allowed)
        self._hosts: Final = frozenset(hosts)

    def routes(self) -> list[Route]:
        """Both of them."""
        return [
            Route(PATH, self._look, methods=["GET"]),
            Route(PATH, self._ask, methods=["POST"]),
        ]

    async def _look(self, request: Request) -> Response:
        caller = self._admit(request)
        if isinstance(caller, Response):
            return caller
        return await self._answer(partial(self._page, None, None, ""))

    async def _ask(self, request: Request) -> Response:
        caller = self._admit(request)
        if isinstance(caller, Response):
            return caller
        try:
            fields = await read_fields(request)
        except BadFormError:
            return PlainTextResponse("no form\n", status_code=400)
        return await self._answer(partial(self._explain, fields, caller))

    def _admit(self, request: Request) -> Caller | Response:
        """Who asks, or what they are told instead."""
        host = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
        is_ours = request.headers.get("sec-fetch-site", "none") in ("none", "same-origin")
        if not is_within(peer_of(request), self._allowed) or host not in self._hosts or not is_ours:
            return PlainTextResponse("not from here\n", status_code=403)
        sent = request.headers.getlist("authorization")
        try:
            caller = self._callers.of_headers(sent[0] if len(sent) == 1 else None)
            caller.require(Right.EXPLAIN)
        except NotAuthenticatedError:
            headers = {"www-authenticate": "Bearer"}
            return PlainTextResponse("who are you?\n", status_code=401, headers=headers)
        except NotPermittedError:
            return PlainTextResponse("not permitted\n", status_code=403)
        return caller

    async def _answer(self, work: Callable[[], Response]) -> Response:
        try:
            return await run_in_threadpool(work)
        except NotReadyError:
            return PlainTextResponse("no policies\n", status_code=503)
        except NotPermittedError:
            return PlainTextResponse("not permitted\n", status_code=403)
        except TooManyCallsError:
            return PlainTextResponse(
                "other explanations are being made\n",
                status_code=429,
                headers={"retry-after": "1"},
            )

    # --- work, in threads -------------------------------------------------------------------

    def _explain(self, fields: Fields, caller: Caller) -> Response:
        program = self._program()
        text = dict(fields).get("json", "")
        try:
            check = read_json(text) if text.strip() else pick(program, fields)
            request = wire.ExplainRequest(check=check)
            told = explanation_json(self._explaining.told(request, Call(caller=caller)))
        except NoQuestionError as problem:
            return self._page(None, text or None, str(problem), status=400)
        except RequestError as problem:
            wrong = "; ".join(f"{v.field or 'request'}: {v.message}" for v in problem.violations)
            return self._page(None, text or write_json(check), wrong, status=400)
        return self._page(told, write_json(check), "")

    def _page(
        self, told: dict[str, object] | None, text: str | None, wrong: str, status: int = 200
    ) -> Response:
        program = self._program()
        page = render_page(
            "explain.html.j2",
            style=_STYLE,
            told=told,
            text=text or "",
            wrong=wrong,
            digest=program.digest,
            kinds=_KINDS,
            actions=tuple(program.actions),
            purposes=program.purposes,
            data=program.data,
            channels=tuple(program.channels),
            attributes=askable(program),
        )
        return page_answer(page, "en", _STYLE, status)

    def _program(self) -> Program:
        active = self._policies.current
        if active is None:
            raise NotReadyError("no policy set is loaded")
        return active.program
