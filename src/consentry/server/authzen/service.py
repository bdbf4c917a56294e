"""AuthZEN on the HTTP port: its paths, its metadata, and how it tells errors."""

from __future__ import annotations

import json
from functools import partial
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from consentry.server.authzen.api import AuthzenApi
from consentry.server.authzen.search import KINDS
from consentry.server.callers import Right
from consentry.server.http_calls import HttpAnswer, HttpFault, HttpMethod
from consentry.server.json_answers import JSON_TYPE
from consentry.server.ports import Decider, Policies

BASE: Final = "/access/v1"
WELL_KNOWN: Final = "/.well-known/authzen-configuration"
PROFILE: Final = "urn:consentry:authzen:purpose-and-consent:1"
"""The capability that says: purposes and consent are carried in `context`, as the docs tell."""
_MAX_AGE: Final = "max-age=300"


class AuthzenService:
    """All paths of AuthZEN. `address` is the URL that callers know this decision point by; without
    one there is no metadata document, for nothing true could stand in it.
    """

    def __init__(
        self,
        decider: Decider,
        policies: Policies,
        *,
        address: str | None,
        max_body_bytes: int,
        max_items: int,
    ) -> None:
        self._api: Final = AuthzenApi(decider, policies, max_items)
        self._address: Final = address and address.rstrip("/")
        self._max_body_bytes: Final = max_body_bytes

    def methods(self) -> tuple[HttpMethod, ...]:
        """Those that decide. Several at once and searches run where calls may take longer."""
        api = self._api

        def method(path: str, behaviour: Any, *, may_wait: bool) -> HttpMethod:
            return HttpMethod(
                path=f"{BASE}/{path}",
                name=f"authzen_{path.replace('/', '_')}",
                behaviour=behaviour,
                tell_fault=tell_fault,
                right=Right.DECIDE,
                max_body_bytes=self._max_body_bytes,
                may_wait=may_wait,
            )

        return (
            method("evaluation", api.evaluation, may_wait=False),
            method("evaluations", api.evaluations, may_wait=True),
            *(
                method(f"search/{kind.name}", partial(api.search, kind), may_wait=True)
                for kind in KINDS
            ),
        )

    def routes(self) -> tuple[Route, ...]:
        """The metadata document."""
        if not self._address:
            return ()
        body = json.dumps(metadata(self._address)).encode()

        async def tell_metadata(_request: Request) -> Response:
            return Response(body, media_type=JSON_TYPE, headers={"cache-control": _MAX_AGE})

        return (Route(WELL_KNOWN, tell_metadata, methods=["GET"]),)


def metadata(address: str) -> dict[str, Any]:
    """The metadata document of the decision point at `address` ("Metadata")."""
    base = f"{address}{BASE}"
    return {
        "policy_decision_point": address,
        "access_evaluation_endpoint": f"{base}/evaluation",
        "access_evaluations_endpoint": f"{base}/evaluations",
        **{f"search_{kind.name}_endpoint": f"{base}/search/{kind.name}" for kind in KINDS},
        "capabilities": [PROFILE],
    }


def tell_fault(fault: HttpFault) -> HttpAnswer:
    """An error is a message, as a JSON text ("Error Responses")."""
    return HttpAnswer(
        body=json.dumps(fault.message).encode(), status=fault.status, headers=fault.headers
    )
