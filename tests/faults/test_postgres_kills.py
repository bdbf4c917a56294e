"""An acknowledged event is in PostgreSQL exactly once, however often the server is killed."""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from consentry.consent.errors import LedgerUnavailableError
from consentry.consent.postgres import PostgresSource
from consentry.model.consent import ConsentEvent
from tests.support.consent_events import gave
from tests.support.postgres import Clusters
from tests.support.shared_ledgers import open_source

WRITERS = 4


@dataclass
class Writers:
    """Record without end; after a failure the same event again, until it is acknowledged."""

    source: PostgresSource
    acknowledged: dict[str, int] = field(default_factory=dict)
    retried: int = 0
    is_over: threading.Event = field(default_factory=threading.Event)

    def write(self, writer: int) -> None:
        for number in itertools.count():
            if self.is_over.is_set():
                return
            event = gave(1, data_subject_id=f"p{number % 7}", idempotency_key=f"{writer}-{number}")
            self._until_acknowledged(event)

    def _until_acknowledged(self, event: ConsentEvent) -> None:
        while not self.is_over.is_set():
            try:
                (recorded,) = self.source.record([event])
            except LedgerUnavailableError:
                self.retried += 1
                self.is_over.wait(0.02)
            else:
                self.acknowledged[event.idempotency_key] = recorded.position
                return


@pytest.mark.parametrize("rounds", [4, pytest.param(200, marks=pytest.mark.slow)])
def test_nothing_is_lost_or_doubled_when_postgresql_is_killed(
    postgres_clusters: Clusters, rounds: int, figure: Callable[[str, object], None]
) -> None:
    draw = random.Random(11)
    with postgres_clusters.running() as cluster:
        source = open_source(cluster.create_ledger("ledger"))
        writers = Writers(source)
        threads = [threading.Thread(target=writers.write, args=(n,)) for n in range(WRITERS)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(rounds):
                before = len(writers.acknowledged)
                # Killed in the midst of recording: never before it has begun again.
                while len(writers.acknowledged) < before + draw.randrange(1, 60):
                    writers.is_over.wait(0.002)
                cluster.kill()
                cluster.start()
        finally:
            writers.is_over.set()
            for thread in threads:
                thread.join(30)
        count = source.verify()
        found = {
            event.idempotency_key: event.position
            for person in range(7)
            for event in source.list_events(f"p{person}", 0, 10_000_000)
        }
        source.close()

    lost = [key for key in writers.acknowledged if key not in found]
    misplaced = [k for k, at in writers.acknowledged.items() if found.get(k) != at]
    figure("PostgreSQL kills", rounds)
    figure("PostgreSQL kills: events acknowledged", len(writers.acknowledged))
    figure("PostgreSQL kills: events lost or doubled", len(lost) + count - len(found))
    assert (lost, misplaced, count - len(found)) == ([], [], 0)
    assert writers.retried > 0
