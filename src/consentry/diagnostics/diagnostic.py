"""A diagnostic: one thing that is wrong, where, and at most one thing to try.

Values, collected and returned, never raised (house style, point 5). Codes live in `codes.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from consentry.diagnostics.span import Span


class Severity(StrEnum):
    """How much it matters: an error stops the load, a warning does not, a note only informs."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """One message for a policy author.

    `title` starts in lower case, has no full stop, and quotes the author's words in backticks.
    `label` stands beside the underline. `span` is the smallest wrong thing; None only where a
    whole set of files is meant. `related` points at a second place ("first declared here").
    """

    code: str
    title: str
    span: Span | None
    label: str = ""
    help: str = ""
    note: str = ""
    related: tuple[tuple[Span, str], ...] = ()
    severity: Severity = Severity.ERROR

    @property
    def is_error(self) -> bool:
        """Whether this stops a load."""
        return self.severity is Severity.ERROR
