"""Answers in JSON over HTTP, errors among them.

Source: RFC 9457 (problem details).
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

JSON_TYPE: Final = "application/json"
PROBLEM_TYPE: Final = "application/problem+json"


def problem_details(status: HTTPStatus, detail: str, **further: str) -> dict[str, Any]:
    """An error as problem details; what is empty of `further` is left out."""
    told = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "detail": detail,
    }
    return told | {name: value for name, value in further.items() if value}
