"""An acknowledged event is there exactly once, in order, however the process ends.

A kill does not test the disk: what it loses is what the process still held (durability under power
loss is another test's matter). It does test the order of commit and acknowledgement, recovery of
the log at every start, and ownership of the file after an owner that said no goodbye.
"""

from __future__ import annotations

import os
import random
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from consentry.consent.sqlite import SqliteLedger
from tests.support.consent_events import FakeClock, FakeIds

ROUNDS = 55
CHILD = Path(__file__).with_name("kill_nine_child.py")


@dataclass
class Run:
    """What the victims acknowledged, and how many were killed."""

    rounds: int = 0
    acknowledged: list[tuple[str, int]] = field(default_factory=list)


class Killer:
    """Starts victims and kills each at a moment drawn from a seeded source."""

    def __init__(self, path: Path, mode: str, seed: int) -> None:
        self._draw = random.Random(seed)
        self._buffer = b""
        self._process = subprocess.Popen(
            [sys.executable, str(CHILD), str(path), mode],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )

    def round(self, run: Run, after_acks: int) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(b"go\n")
        pid, count = 0, 0
        kill_at_s: float | None = None
        while True:
            line = self._line(kill_at_s)
            if line == "dead":
                run.rounds += 1
                return
            if line.startswith("pid "):
                pid = int(line.split()[1])
                if not after_acks:  # somewhere in the opening of the ledger
                    kill_at_s = time.monotonic() + self._draw.random() * 0.03
            elif line.startswith("ack "):
                _, key, position = line.split()
                run.acknowledged.append((key, int(position)))
                count += 1
                if count == after_acks:  # somewhere in the next recordings
                    kill_at_s = time.monotonic() + self._draw.random() * 0.003
            if kill_at_s is not None and time.monotonic() >= kill_at_s:
                os.kill(pid, signal.SIGKILL)
                kill_at_s = None

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    def _line(self, until_s: float | None) -> str:
        """The next line; empty when none came in time."""
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        while b"\n" not in self._buffer:
            wait_s = 20.0 if until_s is None else max(0.0, until_s - time.monotonic())
            ready, _, _ = select.select([descriptor], [], [], wait_s)
            if not ready and until_s is not None:
                return ""
            chunk = os.read(descriptor, 65_536) if ready else b""
            assert chunk, "the victims' parent has stopped"
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode()


@dataclass(frozen=True)
class Findings:
    """What differs between what was acknowledged and what is there."""

    lost: int
    doubled: int
    misplaced: int
    unacknowledged: int


def compare(path: Path, run: Run) -> Findings:
    """Opens the ledger as the next owner would, verifies the whole chain, and compares."""
    ledger = SqliteLedger(path, clock=FakeClock(), ids=FakeIds())
    try:
        count = ledger.verify()
        found = [
            (event.idempotency_key, event.position)
            for person in range(7)
            for event in ledger.list_events(f"person-{person}", 0, 1_000_000)
        ]
    finally:
        ledger.close()
    assert sorted(position for _, position in found) == list(range(1, count + 1))
    places = dict(found)
    return Findings(
        lost=sum(key not in places for key, _ in run.acknowledged),
        doubled=len(found) - len(places),
        misplaced=sum(places.get(key, at) != at for key, at in run.acknowledged),
        unacknowledged=len(places.keys() - dict(run.acknowledged).keys()),
    )


@pytest.mark.parametrize("rounds", [ROUNDS, pytest.param(1_000, marks=pytest.mark.slow)])
def test_no_acknowledged_event_is_lost_when_the_process_is_killed(
    tmp_path: Path,
    record_property: Callable[[str, object], None],
    figure: Callable[[str, object], None],
    rounds: int,
) -> None:
    path, run, draw = tmp_path / "ledger.db", Run(), random.Random(9)
    killer = Killer(path, "honest", seed=9)
    try:
        for _ in range(rounds):
            killer.round(run, after_acks=draw.randrange(0, 40))
    finally:
        killer.close()

    findings = compare(path, run)

    for name, value in (
        (f"kill -9, {rounds} rounds: events acknowledged", len(run.acknowledged)),
        (f"kill -9, {rounds} rounds: acknowledged events lost", findings.lost),
        (f"kill -9, {rounds} rounds: events doubled", findings.doubled),
        (f"kill -9, {rounds} rounds: present unacknowledged", findings.unacknowledged),
    ):
        record_property(name, value)
        figure(name, value)
        print(f"{name}: {value}")
    assert (findings.lost, findings.doubled, findings.misplaced) == (0, 0, 0)
    assert run.rounds == rounds
    assert len(run.acknowledged) > run.rounds
    assert findings.unacknowledged <= run.rounds


def test_an_acknowledgement_before_the_commit_is_noticed(tmp_path: Path) -> None:
    path, run = tmp_path / "ledger.db", Run()
    killer = Killer(path, "liar", seed=1)
    try:
        for _ in range(2):
            killer.round(run, after_acks=5)
    finally:
        killer.close()

    # The liar's position is used again by the next round, so every later one is out of place too.
    assert compare(path, run).lost == 2


@pytest.mark.parametrize("point", ["before_commit", "after_commit", "published"])
def test_a_recording_cut_short_is_settled_by_its_key(tmp_path: Path, point: str) -> None:
    """Whatever was reached, the same key afterwards gives one event and one position."""
    from tests.support.consent_events import gave  # noqa: PLC0415 (only here)

    class Cut(Exception):  # noqa: N818 (not an error of ours)
        pass

    cuts = [point]

    def failpoint(reached: str) -> None:
        if cuts and reached == cuts[0]:
            cuts.pop()
            raise Cut

    ledger = SqliteLedger(
        tmp_path / "ledger.db", clock=FakeClock(), ids=FakeIds(), failpoint=failpoint
    )
    before = ledger.view("ada")
    with pytest.raises(Cut):
        ledger.record([gave(1)])
    cell = ledger.cell("ada")

    (recorded,) = ledger.record([gave(1)])

    assert recorded.position == 1
    assert recorded.is_replay is (point != "before_commit")
    assert cell.view is None or cell.view is not before
    assert ledger.view("ada").revision == 1
    assert (ledger.verify(), ledger.position()) == (1, 1)
    ledger.close()
