"""Collects what is wrong with one message, each with its path on the wire."""

from __future__ import annotations

from typing import Final

from consentry.model.request import FieldViolation, RequestError
from consentry.server.text_checks import (
    MALFORMED_MESSAGE,
    MAX_ID_BYTES,
    MAX_NAME_BYTES,
    REQUIRED,
    SENTENCES,
    TOO_MANY,
    find_name_fault,
    find_text_fault,
)

MAX_REPORTED: Final = 16
"""More violations than this help nobody and would make a reply larger than its question."""


def violation(field: str, code: str) -> FieldViolation:
    """The violation of one rule, with the rule's own sentence; repeats no input."""
    return FieldViolation(field=field, code=code, message=SENTENCES.get(code, code))


def malformed() -> RequestError:
    """The error for bytes that are no message of the expected type."""
    return RequestError(violation("", MALFORMED_MESSAGE))


class Faults:
    """The violations found so far in one message; used by one thread, then thrown away."""

    __slots__ = ("found",)

    def __init__(self) -> None:
        self.found: list[FieldViolation] = []

    def add(self, field: str, code: str) -> None:
        """Note that `field` breaks the rule `code`."""
        if len(self.found) < MAX_REPORTED:
            self.found.append(violation(field, code))

    def raise_if_any(self) -> None:
        """Do nothing if nothing was noted.

        Raises:
            RequestError: with everything noted, in order.
        """
        if self.found:
            raise RequestError(*self.found)

    def check_text(self, text: str, field: str, max_bytes: int = MAX_ID_BYTES) -> None:
        """Note what is wrong with a text that may be empty."""
        if text and (code := find_text_fault(text, max_bytes)) is not None:
            self.add(field, code)

    def check_required(self, text: str, field: str, max_bytes: int = MAX_ID_BYTES) -> None:
        """Note what is wrong with a text that must not be empty."""
        if not text:
            self.add(field, REQUIRED)
        elif (code := find_text_fault(text, max_bytes)) is not None:
            self.add(field, code)

    def check_name(self, name: str, field: str) -> None:
        """Note what is wrong with a policy name that may be empty."""
        if name and (code := find_name_fault(name)) is not None:
            self.add(field, code)

    def names(self, names: tuple[str, ...], field: str, limit: int) -> tuple[str, ...]:
        """The policy names of a list, each once, in order; notes what is wrong with them."""
        # PERF: most lists have one entry, and most entries are fine.
        if len(names) == 1 and names[0] and find_name_fault(names[0]) is None:
            return names
        if len(names) > limit:
            self.add(field, TOO_MANY)
            return ()
        for index, name in enumerate(names):
            if (code := find_name_fault(name) if name else REQUIRED) is not None:
                self.add(f"{field}[{index}]", code)
        return tuple(dict.fromkeys(names))

    def texts(self, texts: tuple[str, ...], field: str, limit: int) -> tuple[str, ...]:
        """The texts of a list (roles, say), each once, in order; notes what is wrong with them."""
        if len(texts) == 1 and texts[0] and find_text_fault(texts[0], MAX_NAME_BYTES) is None:
            return texts
        if len(texts) > limit:
            self.add(field, TOO_MANY)
            return ()
        for index, text in enumerate(texts):
            code = find_text_fault(text, MAX_NAME_BYTES) if text else REQUIRED
            if code is not None:
                self.add(f"{field}[{index}]", code)
        return tuple(dict.fromkeys(texts))
