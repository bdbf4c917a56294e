"""Which question a proxied request asks. The first route that fits is used.

A request that fits none, or whose path has two readings, asks nothing and is not let through.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from consentry.consent.signals.gpp import read_gpc
from consentry.server.ext_authz.asked import AskedRequest, Claim
from consentry.server.ext_authz.paths import split_path
from consentry.server.ext_authz.routes import Alternatives, Route, RouteTexts, compile_routes

ROUTE_EXTENSION: Final = "consentry-route"
"""The entry of `context_extensions` that names the route to use."""
GPC_HEADER: Final = "sec-gpc"
GPC_SIGNAL: Final = ("signal", "gpc")

PATH_AMBIGUOUS: Final = "path_ambiguous"
REQUEST_UNMAPPED: Final = "request_unmapped"
REQUEST_INCOMPLETE: Final = "request_incomplete"


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedQuestion:
    """What a request asks. Lists are in order; `attributes` by owner and name."""

    route: str
    action: str
    data: tuple[str, ...]
    purpose: str
    data_subject_id: str
    principal_id: str
    principal_type: str
    roles: tuple[str, ...] = ()
    channel: str = ""
    recipient_id: str = ""
    recipient_roles: tuple[str, ...] = ()
    recipient_country: str = ""
    resource_id: str = ""
    attributes: Mapping[tuple[str, str], Claim] = field(default_factory=dict)
    partial: bool = False


@dataclass(frozen=True, slots=True)
class Unmapped:
    """Why a request asks nothing: a reason code; the route and the part where one is missing."""

    reason: str
    route: str = ""
    part: str = ""


class RouteMapping:
    """The routes of a mapping. Frozen once built; any thread may ask it."""

    def __init__(self, routes: Sequence[RouteTexts]) -> None:
        """Compiles the routes.

        Raises:
            MappingError: with everything that is wrong.
        """
        self._routes: Final = compile_routes(routes)
        self._by_name: Final = {route.name: route for route in self._routes}

    def find(self, asked: AskedRequest) -> MappedQuestion | Unmapped:
        """The question that a request asks, or why it asks none."""
        segments = split_path(asked.path)
        if segments is None:
            return Unmapped(PATH_AMBIGUOUS)
        named = asked.extensions.get(ROUTE_EXTENSION)
        if named is None:
            candidates = self._routes
        else:
            candidates = (self._by_name[named],) if named in self._by_name else ()
        for route in candidates:
            if route.path is None and named is None:
                continue
            variables = route.match(asked.method, segments)
            if variables is not None:
                return _fill(route, asked, variables)
        return Unmapped(REQUEST_UNMAPPED)


def _fill(
    route: Route, asked: AskedRequest, variables: Mapping[str, str]
) -> MappedQuestion | Unmapped:
    def one(name: str) -> str:
        found = _first(route.parts.get(name, ()), asked, variables)
        # A flag or a list names nothing.
        return "" if found is None or isinstance(found, bool | tuple) else str(found)

    def many(name: str) -> tuple[str, ...]:
        found = _first(route.parts.get(name, ()), asked, variables)
        texts = found if isinstance(found, tuple) else str(found or "").split(",")
        return tuple(text for each in texts if (text := each.strip()))

    question = MappedQuestion(
        route=route.name,
        action=one("action"),
        data=many("data"),
        purpose=one("purpose"),
        data_subject_id=one("subject"),
        principal_id=one("principal"),
        principal_type=route.principal_type,
        roles=many("roles"),
        channel=one("channel"),
        recipient_id=one("recipient"),
        recipient_roles=many("recipient_roles"),
        recipient_country=one("recipient_country"),
        resource_id=one("resource"),
        attributes=_attributes(route, asked, variables),
        partial=route.partial,
    )
    for part, found in (
        ("action", question.action),
        ("data", question.data),
        ("principal", question.principal_id),
    ):
        if not found:
            return Unmapped(REQUEST_INCOMPLETE, route.name, part)
    return question


def _attributes(
    route: Route, asked: AskedRequest, variables: Mapping[str, str]
) -> dict[tuple[str, str], Claim]:
    found: dict[tuple[str, str], Claim] = {}
    for key, alternatives in route.attributes.items():
        claim = _first(alternatives, asked, variables)
        if claim is not None:
            found[key] = claim
    # The browser's own word always counts, whatever a route says.
    if read_gpc(asked.headers.get(GPC_HEADER, "")):
        found[GPC_SIGNAL] = True
    return found


def _first(
    alternatives: Alternatives, asked: AskedRequest, variables: Mapping[str, str]
) -> Claim | None:
    for template in alternatives:
        found = template.fill(asked, variables)
        if found is not None:
            return found
    return None
