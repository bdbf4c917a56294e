"""How long what a ledger shows may still be used: the lease on the freshness bound.

A ledger that is fed from elsewhere has, at any moment, a *proof*: a time at which it was known to
show everything that had been acknowledged. A withdrawal acknowledged after that time may be missing
here; one acknowledged before it is not. So an answer given at most the bound after the proof is no
older than the bound, whatever has happened to the feed since, and whatever any wall clock says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

DEFAULT_BOUND_US: Final = 2_000_000


@dataclass(frozen=True, slots=True)
class Lease:
    """One proof, and the bound on its use. Replaced as a whole by the next proof.

    Whoever answers from a view reads the lease *before* the view and asks `is_over` *after* the
    answer is made: then the view is at least as new as the proof, and a process that was stopped in
    between finds the time gone. `read_us` is a clock that runs on while the machine sleeps.
    """

    proven_at_us: int
    bound_us: int
    read_us: Callable[[], int]

    def age_us(self) -> int:
        """Microseconds since the proof."""
        return max(0, self.read_us() - self.proven_at_us)

    def is_over(self) -> bool:
        """Whether the bound has passed."""
        return self.read_us() - self.proven_at_us > self.bound_us
