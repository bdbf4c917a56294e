"""Ports to what the pure rooms must not have: time and identity.

`app` supplies the real ones; tests supply their own.
"""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """The wall clock and a clock that never goes back."""

    def now_us(self) -> int:
        """Microseconds since the epoch, UTC."""
        ...

    def monotonic_s(self) -> float:
        """Seconds on a clock that only goes forward, for measuring lengths of time."""
        ...


class IdSource(Protocol):
    """Names that never repeat."""

    def new_id(self) -> str:
        """A fresh id: short, URL-safe, sortable by the time of its making where that is free."""
        ...
