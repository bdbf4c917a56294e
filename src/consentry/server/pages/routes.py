"""All pages for people, as routes."""

from __future__ import annotations

from typing import Protocol

from starlette.routing import Route

from consentry.server.transparency import StatementSource, transparency_routes


class Pages(Protocol):
    """Some pages."""

    def routes(self) -> list[Route]:
        """Where they are."""
        ...


def page_routes(statements: StatementSource, *more: Pages | None) -> list[Route]:
    """The statement's routes, and those of the pages that are switched on."""
    routes = transparency_routes(statements)
    for pages in more:
        routes += pages.routes() if pages is not None else []
    return routes
