"""What the decision point needs of the rooms beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from consentry.model.consent import ConsentView
from consentry.pdp.cache import SubjectCell
from consentry.pdp.snapshot import Snapshot
from consentry.telemetry.audit.record import AuditFields


class Lease(Protocol):
    """One proof that the ledger showed everything, and the bound on its use; never changes."""

    def age_us(self) -> int:
        """Microseconds since the proof."""
        ...

    def is_over(self) -> bool:
        """Whether the bound has passed."""
        ...


class Ledger(Protocol):
    """What a check needs of the ledger.

    INVARIANT: once `position()` has returned n, the view in every person's cell shows all events up
    to n.
    """

    def cell(self, data_subject_id: str) -> SubjectCell:
        """The one cell of this person."""
        ...

    def view(self, data_subject_id: str, *, wait_s: float | None = None) -> ConsentView:
        """This person's view; an unavailable one when it cannot be read.

        Where reading may wait, it does so at most `wait_s`, if that is less than its own limit.
        """
        ...

    def position(self) -> int:
        """Position of the newest event that all views show."""
        ...

    @property
    def lease(self) -> Lease | None:
        """How long what it shows may be used; None: for ever."""
        ...


class Policies(Protocol):
    """Where the active policy set stands."""

    @property
    def current(self) -> Snapshot | None:
        """The set that decides now; None before the first load."""
        ...

    def on_change(self, listener: Callable[[Snapshot], None]) -> None:
        """Call `listener` after each change."""
        ...


class DecisionLog(Protocol):
    """Takes note of every answer."""

    @property
    def is_strict(self) -> bool:
        """Whether an answer waits until its record is durable."""
        ...

    def append(  # noqa: PLR0917 - a hot call: positional is what is cheap
        self,
        fields: AuditFields,
        now_us: int,
        decision_id: str,
        position: int,
        correlation_id: str,
        is_hit: bool,  # noqa: FBT001 - as above
        caller: str,
        trace_id: str,
    ) -> None:
        """Take note of one answer; never waits, never raises."""
        ...

    def commit(self) -> None:
        """In strict mode, back when what this thread appended is durable.

        Raises:
            AuditUnavailableError: it is not, and no answer may be given.
        """
        ...
