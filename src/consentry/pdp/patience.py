"""How long the questions of one call may wait, all of them together, for persons to be read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from consentry.model.consent import ConsentView

BATCH_WAIT_S: Final = 0.1
"""Of one call with many questions; each waits no longer than a single check, while this lasts."""


class Views(Protocol):
    """Where persons are read."""

    def view(self, data_subject_id: str, *, wait_s: float | None = None) -> ConsentView:
        """This person's view, waited for at most so long; None: as long as one check may."""
        ...


class Patience:
    """What is left of one call's waiting, in seconds; used by that call's thread alone."""

    __slots__ = ("_left_s", "_monotonic_s", "_views")

    def __init__(self, views: Views, monotonic_s: Callable[[], float]) -> None:
        self._views: Final = views
        self._monotonic_s: Final = monotonic_s
        self._left_s = BATCH_WAIT_S

    def view(self, data_subject_id: str) -> ConsentView:
        """The person's view, or an unavailable one once all patience is spent."""
        began_s = self._monotonic_s()
        view = self._views.view(data_subject_id, wait_s=self._left_s)
        self._left_s = max(0.0, self._left_s - (self._monotonic_s() - began_s))
        return view
