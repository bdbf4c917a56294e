"""What is called over HTTP, as the settings ask for it."""

from __future__ import annotations

from consentry.app.settings import Settings
from consentry.server.authzen.service import AuthzenService
from consentry.server.http_calls import HttpService
from consentry.server.options import ServerOptions
from consentry.server.ports import Decider, Policies


def http_services(
    settings: Settings, options: ServerOptions, decider: Decider, policies: Policies
) -> tuple[HttpService, ...]:
    """The services that are to be open; none by default."""
    services: list[HttpService] = []
    if settings.authzen.is_enabled:
        services.append(
            AuthzenService(
                decider,
                policies,
                address=settings.authzen.address,
                max_body_bytes=options.max_message_bytes,
                max_items=options.max_batch_items,
            )
        )
    return tuple(services)
