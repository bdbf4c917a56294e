"""Who shares a filter with whom: classes of people by what the ledger says of them.

Class 0 is everybody of whom it holds nothing, or nothing that matters to the question; nobody needs
to be named for it. Each further class has a filter of its own and the people it is for.
"""

from __future__ import annotations

from typing import Final

from consentry.model.consent import ConsentView
from consentry.plan.filters import Filter
from consentry.plan.planner import NOBODY, Planner


class Classes:
    """The filters of one plan, found as people are looked at. Not shared between threads."""

    def __init__(self, planner: Planner) -> None:
        """Plans for people of whom the ledger holds nothing.

        Raises:
            PlanRefusedError: a condition that matters cannot be expressed.
        """
        self._planner: Final = planner
        self._numbers: dict[Filter, int] = {planner.filter_for(NOBODY): 0}

    @property
    def filters(self) -> tuple[Filter, ...]:
        """The filter of each class seen so far, by its number."""
        return tuple(self._numbers)

    def number_of(self, view: ConsentView) -> int:
        """The class of a person of whom the ledger shows `view`.

        Raises:
            PlanRefusedError: a condition that matters for this person cannot be expressed.
        """
        filter_ = self._planner.filter_for(view)
        return self._numbers.setdefault(filter_, len(self._numbers))
