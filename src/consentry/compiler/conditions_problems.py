"""Collects what is wrong with conditions."""

from __future__ import annotations

from collections.abc import Iterable

from consentry.diagnostics.diagnostic import Diagnostic, Severity
from consentry.diagnostics.span import Span
from consentry.diagnostics.suggest import closest


class Problems:
    """A growing list of diagnostics; the same one at the same place is kept once."""

    def __init__(self) -> None:
        self.diagnostics: list[Diagnostic] = []

    def error(self, code: str, title: str, span: Span, label: str = "", help_: str = "") -> None:
        """Add an error."""
        self._add(Diagnostic(code=code, title=title, span=span, label=label, help=help_))

    def warning(self, code: str, title: str, span: Span, label: str = "", help_: str = "") -> None:
        """Add a warning."""
        self._add(
            Diagnostic(
                code=code,
                title=title,
                span=span,
                label=label,
                help=help_,
                severity=Severity.WARNING,
            )
        )

    def unknown(
        self, code: str, what: str, name: str, span: Span, candidates: Iterable[str]
    ) -> None:
        """Add an error for a name that nothing declares, with the nearest spelling."""
        near = closest(name, tuple(candidates))
        help_ = f"did you mean `{near}`?" if near else ""
        self.error(code, f"unknown {what} `{name}`", span, f"no {what} with this name", help_)

    def has_told(self, span: Span) -> bool:
        """Whether one of the last diagnostics is about this place."""
        return any(diagnostic.span == span for diagnostic in self.diagnostics[-8:])

    def _add(self, diagnostic: Diagnostic) -> None:
        if diagnostic not in self.diagnostics[-8:]:
            self.diagnostics.append(diagnostic)
