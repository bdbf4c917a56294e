"""A shared ledger whose server is replaced by its standby, and one on a slow disk."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tests.support.consent_events import gave
from tests.support.fleet import Member, fleet, until
from tests.support.history import History
from tests.support.postgres import Clusters
from tests.support.shared_ledgers import open_source

BOUND_S = 2.0
RECOVERY_S = 5.0


def test_failover_to_a_synchronous_standby_loses_nothing_and_needs_no_restart(
    postgres_clusters: Clusters, figure: Callable[[str, object], None]
) -> None:
    history = History()
    with (
        postgres_clusters.running() as primary,
        postgres_clusters.standby_of(primary, "second") as standby,
    ):
        conninfo = primary.create_ledger("ledger").replace(
            f"host=127.0.0.1 port={primary.port}",
            f"host=127.0.0.1,127.0.0.1 port={primary.port},{standby.port}",
        )
        primary.execute("ALTER SYSTEM SET synchronous_standby_names = 'second'")
        primary.execute("SELECT pg_reload_conf()")
        with fleet(2, "--ledger", "postgres", CONSENTRY_LEDGER__CONNINFO=conninfo) as members:
            near, far = members
            near.record(history, "ada", is_given=True)
            until(lambda: far.check(history, "ada").is_permitted, 10)
            withdrawn = near.record(history, "ada", is_given=False)
            assert withdrawn is not None

            primary.kill()
            standby.execute("SELECT pg_promote()")
            recovered_s = until(lambda: may_record(near, history), RECOVERY_S + 10)
            until(lambda: far.check(history, "bob").is_permitted, 10)

            # Somebody new is read from the source at once, while what is held of others may be as
            # old as the bound: the history below is held to that.
            until(lambda: far.check(history, "ada").reason == "consent_withdrawn", 10)
        source = open_source(standby.conninfo("ledger"))
        assert source.verify() >= withdrawn + 1
        source.close()

    figure("failover: recovery, s", round(recovered_s, 2))
    assert recovered_s <= RECOVERY_S
    assert history.check(BOUND_S) == []


def may_record(member: Member, history: History) -> bool:
    return member.record(history, "bob", is_given=True) is not None


def test_a_slow_disk_slows_recording_and_nothing_else(
    postgres_clusters: Clusters, figure: Callable[[str, object], None]
) -> None:
    """Every commit takes a tenth of a second longer. Recordings share it; following goes on."""
    with postgres_clusters.running(commit_delay="100000", commit_siblings="0") as cluster:
        conninfo = cluster.create_ledger("ledger")
        source = open_source(conninfo)
        began_s = time.monotonic()
        with ThreadPoolExecutor(20) as pool:
            list(
                pool.map(
                    lambda n: source.record([gave(1, idempotency_key=f"k{n}")]),
                    range(100),
                )
            )
        taken_s = time.monotonic() - began_s
        assert source.verify() == 100
        source.close()

        history = History()
        with fleet(2, "--ledger", "postgres", CONSENTRY_LEDGER__CONNINFO=conninfo) as (near, far):
            for _ in range(3):
                near.record(history, "ada", is_given=True)
                until(lambda: far.check(history, "ada").is_permitted, 10)
                near.record(history, "ada", is_given=False)
                until(lambda: not far.check(history, "ada").is_permitted, 10)

    figure("slow disk: 100 recordings of 20 callers at 0.1 s a commit, s", round(taken_s, 2))
    # One after the other they would take ten seconds.
    assert taken_s < 8
    assert history.check(BOUND_S) == []
