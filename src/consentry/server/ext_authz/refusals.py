"""What somebody whose request was not let through is told: problem details, or a small page.

Source: RFC 9457 (problem details); RFC 9110, section 12.5.1 (Accept).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from html import escape
from http import HTTPStatus
from typing import Final

from consentry.server.json_answers import JSON_TYPE, PROBLEM_TYPE, problem_details

HTML_TYPE: Final = "text/html; charset=utf-8"
PAGE_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
_MAX_RANGES: Final = 32
# Named outright: who takes anything gets JSON.
_JSON: Final = (PROBLEM_TYPE, JSON_TYPE)
_HTML: Final = ("text/html", "application/xhtml+xml")
_SENTENCES: Final = {
    HTTPStatus.BAD_REQUEST: "The request cannot be understood in one way only.",
    HTTPStatus.FORBIDDEN: "The rules for these data do not allow this.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Whether this is allowed could not be decided.",
    HTTPStatus.SERVICE_UNAVAILABLE: "Whether this is allowed cannot be decided just now.",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request was not let through: status, stable reason code, and the decision, if any."""

    status: HTTPStatus
    reason: str
    decision_id: str = ""


def write_refusal(refusal: Refusal, accept: str) -> tuple[str, str]:
    """The body and its content type, in the form that `accept` likes better; JSON in doubt."""
    if prefers_html(accept):
        return _page(refusal), HTML_TYPE
    told = problem_details(
        refusal.status,
        _SENTENCES[refusal.status],
        reason=refusal.reason,
        decision_id=refusal.decision_id,
    )
    return json.dumps(told), PROBLEM_TYPE


def prefers_html(accept: str) -> bool:
    """Whether an Accept header likes a page better than JSON."""
    best = {True: 0.0, False: 0.0}
    for part in accept.split(",")[:_MAX_RANGES]:
        name, *parameters = (text.strip().lower() for text in part.split(";"))
        for is_html, names in ((True, _HTML), (False, _JSON)):
            if name in names:
                best[is_html] = max(best[is_html], _quality(parameters))
    return best[True] > best[False]


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return min(max(float(value), 0.0), 1.0)
            except ValueError:
                return 0.0
    return 1.0


def _page(refusal: Refusal) -> str:
    title = escape(refusal.status.phrase)
    rows = [("Reason", refusal.reason), ("Decision", refusal.decision_id)]
    told = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in rows if value
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{title}</title>"
        "<style>body{font:1rem/1.5 sans-serif;max-width:40rem;margin:4rem auto;padding:0 1rem}"
        "dt{font-weight:bold}dd{margin:0 0 .5rem}</style></head>"
        f"<body><h1>{title}</h1><p>{escape(_SENTENCES[refusal.status])}</p><dl>{told}</dl></body>"
        "</html>\n"
    )
