"""What one parse found wrong: kept up to a limit, counted beyond it."""

from __future__ import annotations

from consentry.diagnostics.diagnostic import Diagnostic
from consentry.diagnostics.span import Span


class Problems:
    """The diagnostics of one file, in the order found. Owned by one parse; not shared."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: list[Diagnostic] = []
        self._first_dropped: Span | None = None
        self.count = 0

    @property
    def is_full(self) -> bool:
        """Whether further problems are only counted, so that explaining them is wasted work."""
        return len(self._kept) >= self._limit

    def add(self, diagnostic: Diagnostic) -> None:
        """Keeps the diagnostic, or counts it when there are too many; the same one once."""
        # PERF: only while problems are kept, for a hostile text has a million of them.
        if not self.is_full and diagnostic in self._kept:
            return
        self.count += 1
        if not self.is_full:
            self._kept.append(diagnostic)
        elif self._first_dropped is None:
            self._first_dropped = diagnostic.span

    def take_back(self, code: str, span: Span) -> Diagnostic | None:
        """The last problem, no longer kept, if it is this one."""
        if not self._kept or (self._kept[-1].code, self._kept[-1].span) != (code, span):
            return None
        self.count -= 1
        return self._kept.pop()

    def count_more(self, number: int) -> None:
        """Counts problems that nobody will see, where looking at each would take too long."""
        self.count += number

    def error(
        self, code: str, title: str, span: Span | None, *, label: str = "", try_this: str = ""
    ) -> None:
        """Adds an error; `try_this` becomes its help."""
        self.add(Diagnostic(code=code, title=title, span=span, label=label, help=try_this))

    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """By place in the file; where some were only counted, a last one tells how many."""
        ordered = sorted(self._kept, key=lambda one: one.span.start if one.span else -1)
        dropped = self.count - len(self._kept)
        if dropped:
            ordered.append(
                Diagnostic(
                    code="P114",
                    title=f"{dropped} more problems in this file are not shown",
                    span=self._first_dropped,
                    label="the first of them is here",
                )
            )
        return tuple(ordered)
