"""The public statement on the HTTP port: a page, Markdown and JSON-LD.

/transparency?language=th    the page; without `language` as the browser prefers
/transparency.md             Markdown
/transparency.jsonld         for machines
"""

from __future__ import annotations

import hashlib
from typing import Final, Protocol

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from consentry.pdp.errors import NotReadyError
from consentry.publish.html import style_source
from consentry.publish.publisher import Format
from consentry.publish.wording import OWN_LANGUAGE, languages
from consentry.server.statements import PAGE, Served

_HEADERS: Final = {
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
    "vary": "accept-language",
}
_MAX_PREFERENCES: Final = 16


class StatementSource(Protocol):
    """Where statements of the active set come from."""

    def get(self, kind: Format, language: str) -> Served:
        """The statement.

        Raises:
            NotReadyError: there is no policy set.
        """
        ...


def transparency_routes(statements: StatementSource) -> list[Route]:
    """The routes of the statement."""

    def route(path: str, kind: Format) -> Route:
        async def serve(request: Request) -> Response:
            return await _serve(statements, kind, request)

        return Route(path, serve)

    return [
        route(PAGE, Format.HTML),
        route(f"{PAGE}.md", Format.MARKDOWN),
        route(f"{PAGE}.jsonld", Format.JSONLD),
    ]


async def _serve(statements: StatementSource, kind: Format, request: Request) -> Response:
    language = request.query_params.get("language")
    if language is None:
        language = preferred_language(request.headers.get("accept-language", ""))
    if language not in languages():
        return PlainTextResponse("no such language\n", status_code=404)
    try:
        # Writing a page may take a while; the loop must go on serving metrics and health.
        served = await run_in_threadpool(statements.get, kind, language)
    except NotReadyError:
        return PlainTextResponse("no policies\n", status_code=503)
    etag = hashlib.blake2b(served.text.encode(), digest_size=16).hexdigest()
    headers = {
        **_HEADERS,
        # The page needs its own style and nothing else, and is nobody's frame.
        "content-security-policy": (
            f"default-src 'none'; style-src {style_source('style.css')}; base-uri 'none'; "
            "form-action 'none'; frame-ancestors 'none'"
        ),
        "content-type": served.media_type,
        "content-language": language,
        "consentry-policy-digest": served.digest,
        "etag": f'"{etag}"',
    }
    return Response(served.text, headers=headers)


def preferred_language(accepted: str) -> str:
    """The language of ours that an Accept-Language header likes best; else that of the policies."""
    known = languages()
    best, weight = OWN_LANGUAGE, 0.0
    for part in accepted.split(",")[:_MAX_PREFERENCES]:
        tag, _, rest = part.partition(";")
        language = tag.strip().lower().partition("-")[0]
        quality = _quality(rest)
        if language in known and quality > weight:
            best, weight = language, quality
    return best


def _quality(text: str) -> float:
    name, equals, value = text.strip().partition("=")
    if not equals or name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
