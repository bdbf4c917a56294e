"""A shared ledger under faults: what one sidecar acknowledged, others obey within the bound.

Every test stores what was recorded and answered, and the history is checked: no permit follows an
acknowledged withdrawal, here at once, elsewhere after the bound. Whatever is broken comes back
without a restart of any sidecar.
"""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import pytest

from tests.support.fleet import Member, fleet, until
from tests.support.history import UNAVAILABLE_REASON, History
from tests.support.postgres import Cluster, Clusters
from tests.support.tcp_proxy import TcpProxy, tcp_proxy

BOUND_S = 2.0
RECOVERY_S = 5.0
_NAMES = itertools.count(1)
Figure = Callable[[str, object], None]


@dataclass
class Scene:
    """A ledger with sidecars that use it; `writers` can record, `members` answer."""

    cluster: Cluster
    proxy: TcpProxy
    members: list[Member]
    node: Member | None = None
    history: History = field(default_factory=History)

    def may_mail(self, member: Member, person: str) -> bool:
        return member.check(self.history, person).is_permitted


@contextmanager
def scene(clusters: Clusters, kind: str, count: int = 2) -> Iterator[Scene]:
    """`kind` direct: sidecars on PostgreSQL; node: on one ledger node, which is reached through the
    proxy. The database is always reached through one where it is the thing that breaks.
    """
    with ExitStack() as stack:
        cluster = stack.enter_context(clusters.running())
        conninfo = cluster.create_ledger("ledger")
        if kind == "direct":
            proxy = stack.enter_context(tcp_proxy(cluster.port))
            through = conninfo.replace(f"port={cluster.port}", f"port={proxy.port}")
            # The first goes straight to the database, the others through what can be broken.
            first = stack.enter_context(
                fleet(1, "--ledger", "postgres", CONSENTRY_LEDGER__CONNINFO=conninfo)
            )
            others = stack.enter_context(
                fleet(
                    count - 1, "--ledger", "postgres",
                    first=1, CONSENTRY_LEDGER__CONNINFO=through,
                )
            )  # fmt: skip
            yield Scene(cluster, proxy, first + others)
            return
        flags = ("--ledger", "postgres", "--serves-feed")
        (node,) = stack.enter_context(
            fleet(1, *flags, first=100, CONSENTRY_LEDGER__CONNINFO=conninfo)
        )
        proxy = stack.enter_context(tcp_proxy(int(node.target.rpartition(":")[2])))
        first = stack.enter_context(fleet(1, "--ledger", f"upstream={node.target}"))
        others = stack.enter_context(
            fleet(count - 1, "--ledger", f"upstream=127.0.0.1:{proxy.port}", first=1)
        )
        yield Scene(cluster, proxy, first + others, node)


def give_everywhere(scene: Scene, person: str) -> None:
    scene.members[0].record(scene.history, person, is_given=True)
    for member in scene.members:
        until(lambda m=member: scene.may_mail(m, person), 10, "consent never arrived")  # type: ignore[misc]


@pytest.mark.parametrize("kind", ["direct", "node"])
def test_sidecar_that_is_cut_off_denies_within_the_bound_and_comes_back_by_itself(
    postgres_clusters: Clusters, kind: str, figure: Figure
) -> None:
    """A partition that swallows everything: no error tells the sidecar that it is alone."""
    with scene(postgres_clusters, kind) as stage:
        near, far = stage.members
        give_everywhere(stage, "ada")
        stage.proxy.partition()
        position = near.record(stage.history, "ada", is_given=False)
        assert position is not None

        worst_s = until(lambda: not stage.may_mail(far, "ada"), 10, "permits for ever")

        assert far.check(stage.history, "ada").reason == UNAVAILABLE_REASON
        assert far.metric("consentry_consent_age_seconds") > BOUND_S
        until(lambda: far.metric("consentry_feed_connected") == 0.0, 5, "never noticed")
        until(lambda: far.serves_consent() is False, 5, "health never noticed")
        assert far.is_ready()
        assert not near.check(stage.history, "ada").is_permitted
        stage.proxy.heal()
        healed_s = until(
            lambda: far.check(stage.history, "ada").reason == "consent_withdrawn",
            RECOVERY_S + 5,
            "never came back",
        )

        until(far.serves_consent, 5, "health never came back")
        figure(f"partition ({kind}): withdrawal to last permit, s", round(worst_s, 2))
        figure(f"partition ({kind}): recovery, s", round(healed_s, 2))
        assert stage.history.check(BOUND_S) == []
        assert healed_s <= RECOVERY_S


FAULTS = {
    "restart": (lambda c: c.stop(), lambda c: c.start()),
    "kill": (lambda c: c.kill(), lambda c: c.start()),
    "freeze": (lambda c: c.freeze(), lambda c: c.thaw()),
}


@pytest.mark.parametrize("kind", ["direct", pytest.param("node", marks=pytest.mark.slow)])
def test_database_that_stops_dies_or_freezes_is_found_again(
    postgres_clusters: Clusters, kind: str, figure: Figure
) -> None:
    with scene(postgres_clusters, kind) as stage:
        for name, (break_it, mend_it) in FAULTS.items():
            person = f"person-{name}"
            give_everywhere(stage, person)
            break_it(stage.cluster)
            assert stage.members[0].record(stage.history, person, is_given=False) is None
            for member in stage.members:
                until(
                    lambda m=member, p=person: (  # type: ignore[misc]
                        m.check(stage.history, p).reason == UNAVAILABLE_REASON
                    ),
                    10,
                    "stale",
                )
            mend_it(stage.cluster)
            healed_s = max(
                until(
                    lambda m=member, p=person: (  # type: ignore[misc]
                        m.check(stage.history, p).reason != UNAVAILABLE_REASON
                    ),
                    RECOVERY_S + 10,
                    "never came back",
                )
                for member in stage.members
            )
            assert stage.members[1].record(stage.history, person, is_given=False) is not None

            figure(f"PostgreSQL {name} ({kind}): recovery, s", round(healed_s, 2))
            assert healed_s <= RECOVERY_S
        assert stage.history.check(BOUND_S) == []


def test_frozen_backend_of_one_sidecar_harms_no_other(
    postgres_clusters: Clusters, figure: Figure
) -> None:
    """Not the server but one process of it stands still, as on a bad page or a stuck disk."""
    with scene(postgres_clusters, "direct") as stage:
        near, far = stage.members
        give_everywhere(stage, "ada")
        frozen = stage.cluster.backends()
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        try:
            healed_s = until(
                lambda: far.check(stage.history, "new").reason == "consent_missing",
                RECOVERY_S + 5,
                "never came back",
            )
            until(
                lambda: near.record(stage.history, "ada", is_given=False) is not None,
                20,
                "never recorded",
            )
            until(lambda: not stage.may_mail(far, "ada"), 5, "permits for ever")
        finally:
            for pid in frozen:
                os.kill(pid, signal.SIGCONT)

        figure("frozen backends: a person read again after, s", round(healed_s, 2))
        assert stage.history.check(BOUND_S) == []


@pytest.mark.parametrize("kind", ["direct", pytest.param("node", marks=pytest.mark.slow)])
def test_sidecar_that_was_stopped_does_not_answer_from_its_old_belief(
    postgres_clusters: Clusters, kind: str
) -> None:
    """A question waits in its socket while it stands still; the permit it believed in is old."""
    with scene(postgres_clusters, kind) as stage:
        near, far = stage.members
        give_everywhere(stage, "ada")
        os.kill(far.pid, signal.SIGSTOP)
        asked = threading.Thread(target=far.check, args=(stage.history, "ada"))
        try:
            assert near.record(stage.history, "ada", is_given=False) is not None
            withdrawn_s = time.monotonic()
            until(lambda: time.monotonic() - withdrawn_s > BOUND_S + 0.2, 10, "time stands")
            asked.start()
        finally:
            os.kill(far.pid, signal.SIGCONT)
        asked.join(20)

        assert not stage.history.answers[-1].is_permit
        assert stage.history.check(BOUND_S) == []


def test_ledger_node_that_dies_takes_its_followers_no_further_than_the_bound(
    postgres_clusters: Clusters, figure: Figure
) -> None:
    with postgres_clusters.running() as cluster, ExitStack() as stack:
        conninfo = cluster.create_ledger("ledger")
        nodes = stack.enter_context(
            fleet(
                2, "--ledger", "postgres", "--serves-feed",
                first=100, CONSENTRY_LEDGER__CONNINFO=conninfo,
            )
        )  # fmt: skip
        targets = ",".join(node.target for node in nodes)
        members = stack.enter_context(fleet(2, "--ledger", f"upstream={targets}"))
        stage = Scene(cluster, None, members)  # type: ignore[arg-type]  # nothing is partitioned
        give_everywhere(stage, "ada")
        nodes[0].process.kill()

        until(
            lambda: members[0].record(stage.history, "ada", is_given=False) is not None,
            10,
            "nobody records",
        )
        moved_s = until(lambda: not stage.may_mail(members[1], "ada"), 5, "permits for ever")

        figure("ledger node dies: withdrawal obeyed after, s", round(moved_s, 2))
        assert stage.history.check(BOUND_S) == []
