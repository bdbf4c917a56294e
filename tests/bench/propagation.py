"""How long a withdrawal takes to every one of eight sidecars, and PostgreSQL's share of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from tests.bench.measure import LEAST_ROUNDS, has_time
from tests.support.fleet import Member, ask, fleet, say
from tests.support.postgres import clusters

SIDECARS = 8


@contextmanager
def sidecars(kind: str) -> Iterator[list[Member]]:
    """Eight of them: directly on PostgreSQL, or on one ledger node."""
    with ExitStack() as stack:
        made = stack.enter_context(clusters())
        conninfo = stack.enter_context(made.running()).create_ledger("ledger")
        if kind == "direct":
            yield stack.enter_context(
                fleet(SIDECARS, "--ledger", "postgres", CONSENTRY_LEDGER__CONNINFO=conninfo)
            )
            return
        (node,) = stack.enter_context(
            fleet(
                1, "--ledger", "postgres", "--serves-feed",
                first=100, CONSENTRY_LEDGER__CONNINFO=conninfo,
            )
        )  # fmt: skip
        yield stack.enter_context(fleet(SIDECARS, "--ledger", f"upstream={node.target}"))


def measure(kind: str, rounds: int, tell: Callable[[str], None]) -> list[float]:
    """Seconds from the acknowledgement of a withdrawal to the first denial, for each sidecar.

    Each is asked without pause by a thread of its own, so the figure includes the time of a check;
    0 where it denied before the acknowledgement had come back.
    """
    taken: list[float] = []
    with sidecars(kind) as members:
        for number in range(rounds):
            if number >= LEAST_ROUNDS and not has_time():
                break
            tell(f"propagation, {kind}: {number + 1} of {rounds}")
            person = f"person-{number}"
            say(members[0].client, person, is_given=True)
            taken += _one_round(members, person)
    return sorted(taken)


def _one_round(members: list[Member], person: str) -> list[float]:
    denied_s: dict[int, float] = {}
    acknowledged_s = 0.0
    has_begun = threading.Barrier(len(members) + 1)

    def watch(member: Member) -> None:
        while not ask(member.client, person):
            pass
        has_begun.wait()
        while ask(member.client, person):
            pass
        denied_s[member.number] = time.perf_counter()

    threads = [threading.Thread(target=watch, args=(member,)) for member in members]
    for thread in threads:
        thread.start()
    has_begun.wait()
    say(members[0].client, person, is_given=False)
    acknowledged_s = time.perf_counter()
    for thread in threads:
        thread.join()
    return [max(0.0, at_s - acknowledged_s) for at_s in denied_s.values()]
