"""Durable events a second: the ledger's `record` next to a bare INSERT and commit, same disk.

Wall time, since waiting for the disk is what it is about; sides take turns within each round. The
bare loop has the ledger's own settings (WAL, synchronous FULL), one row of about the same size an
event, and nothing else: no chain, no index by person, no checks.
"""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import apsw

from consentry.app.system import ProcessIds, SystemClock
from consentry.consent.sqlite import SqliteLedger
from consentry.model.consent import ConsentEvent, EventKind, Proof, Scope
from tests.bench.measure import Series, paired_rounds

ROW_BYTES = 500
BATCHES = (1, 100, 1_000)
CALLERS = 6
"""As many as record at once in a sidecar."""


def _event(number: int) -> ConsentEvent:
    return ConsentEvent(
        kind=EventKind.GIVEN if number % 2 else EventKind.WITHDRAWN,
        data_subject_id=f"customer-{number % 10_000}",
        scope=Scope(purpose="marketing.email", channels=("email",)),
        happened_at_us=0,
        notice="2026-03",
        proof=Proof(method="web form", recorded_by="shop"),
        idempotency_key=f"bench-{number}",
    )


def _bare(folder: Path) -> apsw.Connection:
    connection = apsw.Connection(str(folder / "bare.sqlite"))
    connection.pragma("journal_mode", "WAL")
    connection.pragma("synchronous", "FULL")
    connection.execute("CREATE TABLE row (id INTEGER PRIMARY KEY, content BLOB NOT NULL)")
    return connection


def measure(*, rounds: int, events: int, say: Callable[[str], None]) -> dict[int, Series]:
    """Microseconds an event for each size of batch, sides `bare` and `ledger`; for one event a
    batch several callers at once as well, who share commits.
    """
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(CALLERS) as pool:
        folder = Path(name)
        ledger = SqliteLedger(folder / "ledger.sqlite", clock=SystemClock(), ids=ProcessIds())
        bare = _bare(folder)
        numbers = itertools.count()
        content = bytes(ROW_BYTES)

        def timed(run: Callable[[int], None], size: int, count: int) -> float:
            started = time.perf_counter_ns()
            for _ in range(count // size):
                run(size)
            return (time.perf_counter_ns() - started) / 1_000 / (count // size * size)

        def record(size: int) -> None:
            ledger.record([_event(next(numbers)) for _ in range(size)])

        def by_many(callers: int) -> None:
            list(pool.map(record, [1] * callers))

        def insert(size: int) -> None:
            bare.execute("BEGIN IMMEDIATE")
            bare.executemany("INSERT INTO row (content) VALUES (?)", [(content,)] * size)
            bare.execute("COMMIT")

        found = {}
        for size in BATCHES:
            count = events if size == 1 else max(size, events)
            sides = {
                "bare": partial(timed, insert, size, count),
                "ledger": partial(timed, record, size, count),
            }
            if size == 1:
                sides[f"ledger, {CALLERS} callers"] = partial(timed, by_many, CALLERS, events)
            found[size] = paired_rounds(
                sides,
                rounds=rounds,
                progress=lambda text, size=size: say(f"batches of {size}: {text}"),  # type: ignore[misc]  # a default binds what the loop changes
            )
        ledger.close()
        bare.close()
        return found
