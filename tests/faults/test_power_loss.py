"""No acknowledged event is lost when the power goes, and the test would see it if one were."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from power_loss import Findings, live, recording, try_states

from consentry.consent import sqlite_schema


@pytest.fixture
def folder() -> Iterator[Path]:
    """In memory where there is such a place: each state is opened, synced and thrown away."""
    memory = Path("/dev/shm")
    made = Path(tempfile.mkdtemp(prefix="power-", dir=memory if memory.is_dir() else None))
    yield made
    shutil.rmtree(made)


def lose_power(
    folder: Path, *, states: int, seed: int, events: int = 120, is_deaf: bool = False
) -> Findings:
    (folder / "life").mkdir()
    with recording(is_deaf=is_deaf) as made:
        live(folder / "life" / "ledger.db", made, count=events, seed=seed)
    return try_states(made.steps, folder, count=states, seed=seed, told=lambda _: None)


def test_power_loss_takes_no_acknowledged_event(
    folder: Path, figure: Callable[[str, object], None]
) -> None:
    found = lose_power(folder, states=300, seed=1)

    assert found.problems == []
    assert found.states == 300
    figure("power loss, fast: states tried", found.states)
    figure("power loss, fast: states with a lost or unreadable event", 0)


@pytest.mark.slow
def test_power_loss_takes_no_acknowledged_event_in_ten_thousand_states(
    folder: Path, figure: Callable[[str, object], None]
) -> None:
    states = 0
    for seed in range(20):
        place = folder / f"seed-{seed}"
        place.mkdir()
        found = lose_power(place, states=500, seed=seed, events=60 + 20 * seed)
        assert found.problems == []
        states += found.states
        shutil.rmtree(place)

    assert states >= 10_000
    figure("power loss: states tried", states)
    figure("power loss: states with a lost or unreadable event", 0)


def test_the_detector_sees_that_normal_is_not_enough(
    folder: Path, monkeypatch: pytest.MonkeyPatch, figure: Callable[[str, object], None]
) -> None:
    weaker = tuple(
        ("synchronous", "NORMAL", 1) if name == "synchronous" else (name, value, expected)
        for name, value, expected in sqlite_schema._SETTINGS
    )
    monkeypatch.setattr(sqlite_schema, "_SETTINGS", weaker)

    found = lose_power(folder, states=100, seed=2)

    assert found.with_loss + found.unreadable > 20
    figure("power loss, synchronous=NORMAL: bad states of 100", found.with_loss + found.unreadable)


def test_the_detector_sees_a_sync_that_never_happened(
    folder: Path, figure: Callable[[str, object], None]
) -> None:
    found = lose_power(folder, states=100, seed=3, is_deaf=True)

    assert found.with_loss + found.unreadable > 20
    figure("power loss, no fsync: bad states of 100", found.with_loss + found.unreadable)
