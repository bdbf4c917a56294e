"""How many durable events a second PostgreSQL takes from us, next to what it takes from anybody."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg

from tests.support.consent_events import gave
from tests.support.postgres import Cluster
from tests.support.shared_ledgers import open_source


def test_record_throughput_next_to_bare_inserts(
    postgres: Cluster, figure: Callable[[str, object], None]
) -> None:
    """Both durable, in the same run; the bare loop is one connection that inserts and commits."""
    conninfo = postgres.create_ledger("ledger_throughput")
    source = open_source(conninfo)
    count = 300
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("CREATE TABLE bare (id bigint PRIMARY KEY, body bytea)")
        began_s = time.perf_counter()
        for n in range(count):
            connection.execute("INSERT INTO bare VALUES (%s, %s)", (n, b"x" * 400))
        bare = count / (time.perf_counter() - began_s)

    def measure(threads: int, size: int, total: int, mark: str) -> float:
        batches = [
            [
                gave(1, data_subject_id=f"p{n}", idempotency_key=f"{mark}{n}")
                for n in range(first, first + size)
            ]
            for first in range(0, total, size)
        ]
        began_s = time.perf_counter()
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(source.record, batches))
        return total / (time.perf_counter() - began_s)

    figure("PostgreSQL: bare INSERT + commit a second", round(bare))
    one = measure(1, 1, count, "a")
    figure("PostgreSQL: events a second, one caller", f"{one:.0f} ({one / bare:.2f} of bare)")
    many = measure(16, 1, 4 * count, "b")
    figure("PostgreSQL: events a second, 16 callers", f"{many:.0f} ({many / bare:.2f} of bare)")
    bulk = measure(1, 1_000, 5_000, "c")
    figure("PostgreSQL: events a second, batches of 1,000", round(bulk))
    source.close()
