"""No permit follows an acknowledged withdrawal, in a great many decisions while people withdraw.

Writers give and withdraw on any sidecar of several, askers ask all of them about everybody, in
batches; nothing is broken here but the quiet. The whole history is checked.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache, partial

import pytest

from consentry.client import Subject, question
from consentry.v1.authorization_pb2 import CheckRequest
from tests.support.fleet import MAILER, PURPOSE, Member, fleet
from tests.support.history import Answer, History
from tests.support.postgres import Cluster

WINDOW = 60
CHANGES = 10
WRITERS = 3
BOUND_S = 2.0


@contextmanager
def sidecars(postgres: Cluster, kind: str, name: str) -> Iterator[list[Member]]:
    """Three of them: directly on PostgreSQL, or on one ledger node."""
    conninfo = postgres.create_ledger(name)
    with ExitStack() as stack:
        if kind == "direct":
            yield stack.enter_context(
                fleet(3, "--ledger", "postgres", CONSENTRY_LEDGER__CONNINFO=conninfo)
            )
            return
        (node,) = stack.enter_context(
            fleet(
                1, "--ledger", "postgres", "--serves-feed",
                first=100, CONSENTRY_LEDGER__CONNINFO=conninfo,
            )
        )  # fmt: skip
        yield stack.enter_context(fleet(3, "--ledger", f"upstream={node.target}"))


class Load:
    """Writers and askers, until enough has been withdrawn and decided."""

    def __init__(self, members: list[Member], withdrawals: int, decisions: int) -> None:
        self.members = members
        self.history = History()
        self.withdrawals = 0
        self.decisions = 0
        self.problem: Exception | None = None
        self._wanted = (withdrawals, decisions)
        self._moved = threading.Condition()

    def window(self) -> range:
        """Who is being asked about: as many persons as a call asks, and others after a while."""
        first = self.withdrawals // CHANGES
        return range(first, first + WINDOW)

    def run(self) -> None:
        work = [partial(self._write, n) for n in range(WRITERS)]
        work += [partial(self._ask, member) for member in self.members]
        threads = [threading.Thread(target=self._until_over, args=(do,)) for do in work]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self.problem is not None:
            raise self.problem

    def _until_over(self, do: Callable[[], None]) -> None:
        try:
            do()
        except Exception as problem:  # noqa: BLE001  # raised again by `run`
            self.problem = self.problem or problem
            self._count()

    def _is_enough(self) -> bool:
        if self.problem is not None:
            return True
        return self.withdrawals >= self._wanted[0] and self.decisions >= self._wanted[1]

    def _is_ahead(self) -> bool:
        withdrawals, decisions = self._wanted
        return self.decisions * withdrawals > (self.withdrawals + 10) * decisions

    def _count(self, *, withdrawals: int = 0, decisions: int = 0) -> None:
        with self._moved:
            self.withdrawals += withdrawals
            self.decisions += decisions
            self._moved.notify_all()

    def _write(self, number: int) -> None:
        # Each writer has persons of its own, so that what stands is what it did last.
        dice, given = random.Random(number), set[int]()
        while not self._is_enough():
            one = dice.choice([n for n in self.window() if n % WRITERS == number])
            given ^= {one}
            member, person = dice.choice(self.members), f"person-{one}"
            member.record(self.history, person, is_given=one in given)
            if one not in given:
                # The one who took the withdrawal is asked at once.
                member.check(self.history, person)
                self._count(withdrawals=1, decisions=1)

    def _ask(self, member: Member) -> None:
        while not self._is_enough():
            persons = [f"person-{n}" for n in self.window()]
            questions = [about(person) for person in persons]
            asked_s = time.monotonic()
            decisions = member.client.check_batch(questions)
            answered_s = time.monotonic()
            self.history.add(
                *(
                    Answer(
                        person=person,
                        sidecar=member.number,
                        is_permit=decision.is_permitted,
                        reason=decision.reason,
                        position=decision.ledger_position,
                        asked_s=asked_s,
                        answered_s=answered_s,
                    )
                    for person, decision in zip(persons, decisions, strict=True)
                )
            )
            self._count(decisions=len(decisions))
            with self._moved:
                # Askers would take the whole machine: both are to be done at about the same time.
                self._moved.wait_for(lambda: self._is_enough() or not self._is_ahead())


@cache
def about(person: str) -> CheckRequest:
    """The question whether this person's consent permits."""
    return question(
        principal=MAILER,
        action="read",
        data="email",
        subject=Subject(id=person, attributes={"country": "DE"}),
        purpose=PURPOSE,
    )


@pytest.mark.parametrize(
    ("withdrawals", "decisions"),
    [
        pytest.param(150, 10_000, id="some"),
        pytest.param(20_000, 1_000_000, id="a-million", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("kind", ["direct", "node"])
def test_no_permit_follows_an_acknowledged_withdrawal(
    postgres: Cluster, kind: str, withdrawals: int, decisions: int, figure: Callable[..., None]
) -> None:
    with sidecars(postgres, kind, f"load_{kind}_{withdrawals}") as members:
        load = Load(members, withdrawals, decisions)
        load.run()

    found = load.history.check(BOUND_S)

    permits = sum(answer.is_permit for answer in load.history.answers)
    figure(f"under load ({kind}): decisions", f"{load.decisions:,}, of which {permits:,} permits")
    figure(f"under load ({kind}): withdrawals", f"{load.withdrawals:,}")
    figure(f"under load ({kind}): permits after an acknowledged withdrawal", len(found))
    assert found == []
    assert permits > 0
    assert all(recording.position is not None for recording in load.history.recordings)
