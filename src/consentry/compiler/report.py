"""Collects what is wrong with a policy set, bounded, with one message for one cause."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from consentry.diagnostics.diagnostic import Diagnostic, Severity
from consentry.diagnostics.span import Span
from consentry.diagnostics.suggest import closest
from consentry.lang.tree import Name

MAX_DIAGNOSTICS: Final = 200
"""Errors kept, and warnings kept: a broken folder must not become an endless list."""

MAX_SPELLINGS: Final = 20_000
"""Spellings compared for suggestions; unknown names after that get none."""


class Report:
    """The diagnostics of one compilation.

    With `hides_unknown`, unknown names raise nothing: a file with a syntax error has lost
    declarations, and a name of theirs is not wrong.
    """

    def __init__(self) -> None:
        self._errors: list[Diagnostic] = []
        self._warnings: list[Diagnostic] = []
        self.hides_unknown = False
        self._spellings_left = MAX_SPELLINGS

    @property
    def has_errors(self) -> bool:
        """Whether anything stops the load."""
        return bool(self._errors)

    def extend(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Take over what another pass found."""
        for diagnostic in diagnostics:
            kept = self._errors if diagnostic.is_error else self._warnings
            if len(kept) < MAX_DIAGNOSTICS:
                kept.append(diagnostic)

    def error(
        self,
        code: str,
        title: str,
        span: Span | None,
        *,
        label: str = "",
        help: str = "",  # noqa: A002 - the name of the diagnostic's own part
        note: str = "",
        related: tuple[tuple[Span, str], ...] = (),
    ) -> None:
        """Note an error."""
        self.extend(
            [
                Diagnostic(
                    code=code,
                    title=title,
                    span=span,
                    label=label,
                    help=help,
                    note=note,
                    related=related,
                )
            ]
        )

    def warning(
        self,
        code: str,
        title: str,
        span: Span | None,
        *,
        label: str = "",
        help: str = "",  # noqa: A002 - the name of the diagnostic's own part
        related: tuple[tuple[Span, str], ...] = (),
    ) -> None:
        """Note a warning."""
        self.extend(
            [
                Diagnostic(
                    code=code,
                    title=title,
                    span=span,
                    label=label,
                    help=help,
                    related=related,
                    severity=Severity.WARNING,
                )
            ]
        )

    def unknown(
        self,
        code: str,
        what: str,
        name: Name,
        candidates: Iterable[str],
        *,
        places: Mapping[str, Span] | None = None,
    ) -> None:
        """Note that `name` is no `what`, with the nearest spelling that would be one.

        `places` maps candidates to where they are declared, for the help.
        """
        if self.hides_unknown or len(self._errors) >= MAX_DIAGNOSTICS:
            return
        nearest = self._find_nearest(name.text, list(candidates))
        help_text = ""
        if nearest is not None:
            help_text = f"did you mean `{nearest}`?"
            if places is not None and (place := places.get(nearest)) is not None:
                help_text += f" it is declared in {place.file}:{place.line}"
        self.error(
            code,
            f"unknown {what} `{name.text}`",
            name.span,
            label=f"no {what} with this name",
            help=help_text,
        )

    def _find_nearest(self, word: str, candidates: list[str]) -> str | None:
        """The nearest spelling, as long as the budget lasts."""
        # PERF: a comparison takes microseconds, and hundreds of wrong names in a set that
        # declares thousands would take tens of seconds.
        if len(candidates) > self._spellings_left:
            return None
        self._spellings_left -= len(candidates)
        return closest(word, candidates)

    def ordered(self, file_order: Mapping[str, int]) -> tuple[Diagnostic, ...]:
        """Everything noted, by file and place; what concerns the whole set comes last."""

        def place(diagnostic: Diagnostic) -> tuple[int, int]:
            span = diagnostic.span
            if span is None:
                return (len(file_order) + 1, 0)
            return (file_order.get(span.file, len(file_order)), span.start)

        return tuple(sorted([*self._errors, *self._warnings], key=place))
