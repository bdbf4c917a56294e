"""When something that was asked may change by time alone."""

from __future__ import annotations

from typing import Self

from consentry.engine.run import Run


class Timing:
    """Notes when what is asked within it may change by time alone."""

    def __init__(self, run: Run) -> None:
        self._facts = run.facts
        self._before_us: int | None = None
        self.changes_at_us: int | None = None

    def __enter__(self) -> Self:
        self._before_us, self._facts.horizon_us = self._facts.horizon_us, None
        return self

    def __exit__(self, *_: object) -> None:
        self.changes_at_us, self._facts.horizon_us = self._facts.horizon_us, self._before_us

    def add(self, other: Timing) -> None:
        """Count in what `other` noted."""
        found = [at for at in (self.changes_at_us, other.changes_at_us) if at is not None]
        self.changes_at_us = min(found, default=None)
