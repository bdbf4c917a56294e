"""The settings of Envoy's door as what the door needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consentry.server.ext_authz.asked import ClaimsPlace
from consentry.server.ext_authz.mapping import RouteMapping
from consentry.server.ext_authz.methods import ExtAuthzMethods
from consentry.server.ext_authz.routes import PARTS, RouteTexts
from consentry.server.ports import Decider
from consentry.telemetry.metrics import Metrics

if TYPE_CHECKING:  # the settings ask this module whether a mapping is one
    from consentry.app.settings_doors import EnvoyRouteSettings, EnvoySettings


def build_mapping(settings: EnvoySettings) -> RouteMapping:
    """The mapping of the settings.

    Raises:
        MappingError: it is wrong.
    """
    return RouteMapping([_texts(route) for route in settings.routes])


def claims_place(settings: EnvoySettings) -> ClaimsPlace:
    """Where the claims of a token stand."""
    return ClaimsPlace(filter=settings.claims_filter, key=settings.claims_key)


def envoy_services(
    settings: EnvoySettings, decider: Decider, metrics: Metrics
) -> tuple[ExtAuthzMethods, ...]:
    """The door, where it is to be open."""
    if not settings.is_enabled:
        return ()
    return (ExtAuthzMethods(decider, build_mapping(settings), claims_place(settings), metrics),)


def _texts(route: EnvoyRouteSettings) -> RouteTexts:
    return RouteTexts(
        name=route.name,
        path=route.path,
        methods=route.methods,
        principal_type=route.principal_type,
        partial=route.partial,
        parts={name: found for name in PARTS if (found := getattr(route, name))},
        attributes=route.attributes,
    )
