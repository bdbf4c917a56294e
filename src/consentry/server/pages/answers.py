"""What every page for people goes out with, and how forms come in."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from consentry.publish.html import style_source
from consentry.publish.wording import languages
from consentry.server.transparency import preferred_language

MAX_FORM_BYTES: Final = 64 * 1024
_FORM_TYPE: Final = "application/x-www-form-urlencoded"
_MAX_FIELDS: Final = 512


class BadFormError(Exception):
    """What was sent is no form of ours."""


def page_headers(style: str) -> dict[str, str]:
    """Headers of a page about one person: kept nowhere, framed nowhere, nothing but its style."""
    return {
        "content-security-policy": (
            f"default-src 'none'; style-src {style_source(style)}; form-action 'self'; "
            "base-uri 'none'; frame-ancestors 'none'"
        ),
        "x-frame-options": "DENY",
        # Forms name their origin only where referrers are allowed to name it.
        "referrer-policy": "same-origin",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": "interest-cohort=(), browsing-topics=()",
        "cache-control": "no-store",
        "vary": "accept-language, cookie",
        "x-robots-tag": "noindex",
    }


def page_answer(text: str, language: str, style: str, status: int = 200) -> Response:
    """A page as it goes out."""
    headers = page_headers(style) | {"content-language": language}
    return HTMLResponse(text, status_code=status, headers=headers)


def language_of(request: Request, wanted: str | None = None) -> str:
    """The language that is asked for, if we have it; else the one that the browser prefers."""
    asked = wanted if wanted is not None else request.query_params.get("language")
    if asked in languages():
        return str(asked)
    return preferred_language(request.headers.get("accept-language", ""))


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form; of a field that stands twice the last; raises as `read_fields`."""
    return dict(await read_fields(request))


async def read_fields(request: Request) -> list[tuple[str, str]]:
    """The fields of a form with their values, in order.

    Raises:
        BadFormError: it is too large, or no form.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM_TYPE:
        raise BadFormError
    raw = b""
    async for part in request.stream():
        raw += part
        if len(raw) > MAX_FORM_BYTES:
            raise BadFormError
    try:
        return parse_qsl(
            raw.decode("ascii"),
            keep_blank_values=True,
            max_num_fields=_MAX_FIELDS,
            errors="strict",
        )
    except ValueError as problem:
        raise BadFormError from problem
