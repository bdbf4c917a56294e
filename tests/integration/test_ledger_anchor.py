"""The anchor follows the head, wherever it stands, and outlives what happens to the file."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest

from consentry.consent.anchor import Anchor, AnchorKeeper, find_anchor
from consentry.consent.errors import LedgerCorruptError
from consentry.consent.sqlite import SqliteLedger
from tests.support.consent_events import FakeClock, FakeIds, gave, withdrew


def open_ledger(path: Path, anchor: Path | None = None) -> SqliteLedger:
    return SqliteLedger(path, clock=FakeClock(), ids=FakeIds(), anchor=anchor, reserve_bytes=0)


def wait_for(anchor: Path, position: int) -> None:
    pause = threading.Event()
    for _ in range(3_000):
        found = find_anchor(anchor)
        if found is not None and found.position == position:
            return
        pause.wait(0.01)
    raise AssertionError(f"the anchor never came to {position}")


def test_anchor_follows_without_an_end_of_the_process(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path / "ledger.db")
    ledger.record([gave(1)])
    wait_for(tmp_path / "ledger.db.anchor", 1)

    ledger.record([withdrew(2)])

    wait_for(tmp_path / "ledger.db.anchor", 2)
    ledger.close()


def test_withdrawal_that_is_rolled_back_between_two_starts_is_missed(tmp_path: Path) -> None:
    """The case that a head written at start and end only does not see."""
    path, copy = tmp_path / "ledger.db", tmp_path / "copy"
    ledger = open_ledger(path)
    ledger.record([gave(1)])
    shutil.copy(path, copy)
    shutil.copy(path.with_name("ledger.db-wal"), tmp_path / "copy-wal")
    ledger.record([withdrew(2)])
    wait_for(tmp_path / "ledger.db.anchor", 2)
    anchor = (tmp_path / "ledger.db.anchor").read_bytes()
    ledger.close()  # what follows is as if it had been killed instead
    (tmp_path / "ledger.db.anchor").write_bytes(anchor)
    shutil.copy(copy, path)
    shutil.copy(tmp_path / "copy-wal", path.with_name("ledger.db-wal"))

    with pytest.raises(LedgerCorruptError) as found:
        open_ledger(path)

    assert (found.value.position, found.value.code) == (2, "rolled_back")


def test_anchor_on_another_disk_sees_the_whole_folder_set_back(tmp_path: Path) -> None:
    here, safe = tmp_path / "state", tmp_path / "elsewhere.anchor"
    here.mkdir()
    ledger = open_ledger(here / "ledger.db", safe)
    ledger.record([gave(1)])
    ledger.close()
    shutil.copytree(here, tmp_path / "snapshot")
    ledger = open_ledger(here / "ledger.db", safe)
    ledger.record([withdrew(2)])
    ledger.close()
    shutil.rmtree(here)
    shutil.copytree(tmp_path / "snapshot", here)

    with pytest.raises(LedgerCorruptError, match="ends at position 1"):
        open_ledger(here / "ledger.db", safe)
    assert not (here / "ledger.db.anchor").exists()


def test_anchor_that_cannot_be_written_keeps_nobody_from_recording(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    ledger = open_ledger(tmp_path / "ledger.db", gone / "anchor")
    shutil.rmtree(gone)

    ledger.record([gave(1)])

    assert ledger.position() == 1
    ledger.close()


def test_keeper_writes_the_newest_and_passes_over_those_between(tmp_path: Path) -> None:
    keeper = AnchorKeeper(tmp_path / "anchor", interval_s=0.0)
    keeper.start(Anchor("here", 0, b"0"))
    for position in range(1, 200):
        keeper.move(Anchor("here", position, b"x"))

    keeper.close()

    assert find_anchor(tmp_path / "anchor") == Anchor("here", 199, b"x")
