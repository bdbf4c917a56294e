"""Shared ledgers for tests, opened in this process."""

from __future__ import annotations

import time

from consentry.consent.feed import FeedTimes
from consentry.consent.postgres import PostgresSource
from consentry.consent.shared import SharedLedger
from consentry.consent.source import Source
from tests.support.consent_events import FakeClock, FakeIds

TIMES = FeedTimes.within(2_000_000)


def boot_us() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000


class Prefixed(FakeIds):
    def __init__(self, prefix: str) -> None:
        super().__init__()
        self._prefix = prefix

    def new_id(self) -> str:
        return self._prefix + super().new_id()


def open_source(conninfo: str, prefix: str = "") -> PostgresSource:
    return PostgresSource(
        conninfo,
        clock=FakeClock(),
        ids=Prefixed(prefix),
        read_us=boot_us,
        heartbeat_us=TIMES.heartbeat_us,
    )


def open_ledger(
    source: Source | str, prefix: str = "", read_wait_s: float = 5.0, times: FeedTimes = TIMES
) -> SharedLedger:
    """A ledger that follows a source, or PostgreSQL by its conninfo, once it is fresh."""
    ledger = SharedLedger(
        open_source(source, prefix) if isinstance(source, str) else source,
        clock=FakeClock(),
        read_us=boot_us,
        times=times,
        read_wait_s=read_wait_s,
    )
    ledger.start()
    assert ledger.wait_until_fresh(10)
    return ledger
