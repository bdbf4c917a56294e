"""Checks before the handlers of a FastAPI or Starlette application run.

    guard = Guard(consentry)                      # an AsyncClient

    @app.get("/customers/{customer_id}/email")
    async def email(
        customer_id: str,
        decision: Annotated[Decision, Depends(guard(
            principal=CRM, action="read", data="customer.contact.email",
            data_subject="customer_id", purpose="support"))],
    ): ...

Or once for all: `FastAPI(dependencies=[Depends(guard.declared())])` asks what each endpoint says by
`requires`, and refuses one that says neither that nor `unchecked`; `current_decision()` tells the
endpoint what it runs under.

In Starlette, `requires` from here stands on the endpoint and `guard.checked(endpoint)` in the
route. A denial is 403 with the reason, no answer 503. Starlette is needed only where this is used.
"""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Final

from consentry.client.aio import AsyncClient
from consentry.client.apply import apply
from consentry.client.decision import Decision
from consentry.client.requirement import (
    NoRequirementError,
    Requirement,
    current_decision,
    find_requirement,
    keep_for_task,
    requires,
    running_under,
    unchecked,
)

__all__ = ["Guard", "current_decision", "requires", "unchecked"]

_DENIED: Final = 403
_UNKNOWN: Final = 400
_UNAVAILABLE: Final = 503


def _path_parameter(request: Any, name: str) -> Any:
    return request.path_params[name]


class Guard:
    """Asks before a handler runs. `client` may be made later, with the event loop: `use`."""

    def __init__(self, client: AsyncClient | None = None) -> None:
        self._client = client

    def use(self, client: AsyncClient) -> None:
        """Ask `client` from now on."""
        self._client = client

    def __call__(self, **parts: Any) -> Callable[[Any], Awaitable[Decision]]:
        """A dependency for `fastapi.Depends` that gives the decision; parts as in `requires`.

        It answers the request itself where it is not permitted, so a handler never sees a denial.
        `is_masked` has no place here: what a dependency guards is not seen by it; use `apply`.

        Raises:
            TypeError: parts are missing or unknown, or `is_masked` is among them.
        """
        if "is_masked" in parts:
            raise TypeError("a dependency does not see the answer: mask it with `apply`")
        requirement = find_requirement(requires(**parts)(lambda: None))
        assert requirement is not None  # `requires` has just said it

        async def decide(request: Any) -> Decision:
            return await self._admit(requirement, request)

        # FastAPI hands the request to what is annotated with its class, which is named here only
        # because this is where it is needed.
        decide.__annotations__["request"] = importlib.import_module("starlette.requests").Request
        return decide

    def declared(self) -> Callable[[Any], Awaitable[None]]:
        """A dependency for a whole application, which goes by the decorators of its endpoints.

        Raises, for each request to such an endpoint:
            TypeError: it says `is_masked`, which only `checked` can do.
        """

        async def decide(request: Any) -> None:
            try:
                requirement = find_requirement(request.scope.get("endpoint"))
            except NoRequirementError:
                raise _http_error(_DENIED, "requirement_missing") from None
            if requirement is None:
                return
            if requirement.is_masked:
                raise TypeError("a dependency does not see the answer: mask it with `apply`")
            keep_for_task(await self._admit(requirement, request))

        decide.__annotations__["request"] = importlib.import_module("starlette.requests").Request
        return decide

    def checked(self, endpoint: Callable[[Any], Any]) -> Callable[[Any], Awaitable[Any]]:
        """The endpoint of a Starlette route with the check before it.

        With `is_masked` it may give a mapping, a dataclass or a list of them, which goes out as
        JSON, masked.

        Raises:
            NoRequirementError: the endpoint says neither `requires` nor `unchecked`.
        """
        requirement = find_requirement(endpoint)

        @functools.wraps(endpoint)
        async def guarded(request: Any) -> Any:
            if requirement is None:
                return await _called(endpoint, request)
            decision = await self._admit(requirement, request)
            with running_under(decision):
                answer = await _called(endpoint, request)
            if not requirement.is_masked:
                return answer
            usable = (
                [apply(decision, one) for one in answer]
                if isinstance(answer, list)
                else apply(decision, answer)
            )
            return importlib.import_module("starlette.responses").JSONResponse(usable)

        return guarded

    async def _admit(self, requirement: Requirement, request: Any) -> Decision:
        try:
            asked = requirement.question(request, None, _path_parameter)
        except Exception:  # noqa: BLE001  # whatever it is, there is no question and so no yes
            raise _http_error(_UNKNOWN, "data_subject_unknown") from None
        if self._client is None:
            raise _http_error(_UNAVAILABLE, "unavailable")
        decision = await self._client.check(**asked)
        if not decision:
            status = _DENIED if decision.is_answered else _UNAVAILABLE
            raise _http_error(status, decision.reason)
        return decision


async def _called(endpoint: Callable[[Any], Any], request: Any) -> Any:
    answer = endpoint(request)
    return await answer if inspect.isawaitable(answer) else answer


def _http_error(status: int, reason: str) -> Exception:
    made: Exception = importlib.import_module("starlette.exceptions").HTTPException(
        status_code=status, detail=reason
    )
    return made
