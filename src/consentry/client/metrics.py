"""What the client counts, for whatever metrics library a service has."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Protocol


class ClientMetrics(Protocol):
    """Told of everything that a service may want to count; called from any thread.

    What it raises would reach the caller of `check`: it must not raise.
    """

    def called(self, method: str, code: str, seconds: float) -> None:
        """A call of `method` (Check, CheckBatch, …) ended with the gRPC status `code`.

        With each further try and with a hedge it is told once, at the end.
        """
        ...

    def retried(self, method: str) -> None:
        """A failed call is tried again, or a slow one is asked a second time."""
        ...

    def cached(self, result: str) -> None:
        """The cache had the answer (`hit`), or not (`miss`)."""
        ...

    def followed(self, event: str) -> None:
        """The cache's Watch: `connected`, `lost`, `dropped_all`, `moved` or `policy`."""
        ...


class Counts:
    """Counts in memory: for tests, and as an example. `counts` by name and labels."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.counts: Counter[tuple[str, ...]] = Counter()
        self.call_seconds = 0.0

    def called(self, method: str, code: str, seconds: float) -> None:
        """See `ClientMetrics`."""
        with self._lock:
            self.counts["called", method, code] += 1
            self.call_seconds += seconds

    def retried(self, method: str) -> None:
        """See `ClientMetrics`."""
        self._count("retried", method)

    def cached(self, result: str) -> None:
        """See `ClientMetrics`."""
        self._count("cached", result)

    def followed(self, event: str) -> None:
        """See `ClientMetrics`."""
        self._count("followed", event)

    def _count(self, *labels: str) -> None:
        with self._lock:
            self.counts[labels] += 1


class NoMetrics:
    """Counts nothing."""

    def called(self, method: str, code: str, seconds: float) -> None:
        """See `ClientMetrics`."""

    def retried(self, method: str) -> None:
        """See `ClientMetrics`."""

    def cached(self, result: str) -> None:
        """See `ClientMetrics`."""

    def followed(self, event: str) -> None:
        """See `ClientMetrics`."""
