"""What both modes of the decision log have in common: their account, and their housekeeping."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final, Protocol

from consentry.model.values import MICROS_PER_SECOND
from consentry.telemetry.audit.keys import AuditKey
from consentry.telemetry.audit.record import RecordWriter
from consentry.telemetry.cells import Amount

log = logging.getLogger(__name__)

_TEND_EVERY_US: Final = 60 * MICROS_PER_SECOND


class Tended(Protocol):
    """What wants to keep house once in a while."""

    def tend(self, now_us: int) -> None:
        """Keep house; raises OSError where it cannot now."""
        ...


class Keys(Protocol):
    """Where the key to write with comes from."""

    def current(self, now_us: int) -> AuditKey:
        """The key to write with now; raises OSError or AuditKeyError."""
        ...


class Account:
    """What became of the records, and what both modes write them with."""

    def __init__(
        self, sink: Tended, *, keys: Keys, now_us: Callable[[], int], writer: RecordWriter | None
    ) -> None:
        self._keys: Final = keys
        self._now_us: Final = now_us
        self._writer: Final = writer if writer is not None else RecordWriter()
        self._tender: Final = Tender(sink, now_us)
        self.written: Final = Amount()
        """Records stored."""
        self.dropped: Final = Amount()
        """Records lost; none are in strict mode."""
        self.sampled_out: Final = Amount()
        """Records that sampling left out; none are in strict mode."""
        self.withheld: Final = Amount()
        """Calls without an answer because of their record; none are in buffered mode."""


class Tender:
    """Has a sink keep house about once a minute. For the thread that writes to it."""

    def __init__(self, sink: Tended, now_us: Callable[[], int]) -> None:
        self._sink: Final = sink
        self._now_us: Final = now_us
        self._last_us = 0

    def tend_if_due(self) -> None:
        """Once a minute; what fails then is tried again a minute later."""
        now_us = self._now_us()
        if self._last_us <= now_us < self._last_us + _TEND_EVERY_US:
            return
        self._last_us = now_us
        try:
            self._sink.tend(now_us)
        except OSError as problem:
            log.warning("audit_not_tended", extra={"error_number": problem.errno})


def tell_failure(problem: Exception) -> None:
    """Says in the sidecar's own log that a sink refused."""
    number = problem.errno if isinstance(problem, OSError) else None
    log.error("audit_sink_failed", extra={"error_number": number or 0})
