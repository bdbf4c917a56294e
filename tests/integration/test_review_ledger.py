"""Faults found by attacking a running sidecar: the ledger's file and what the log says of it."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from consentry.consent.errors import LedgerCorruptError, LedgerUnavailableError
from consentry.consent.sqlite import SqliteLedger
from tests.support.consent_events import FakeClock, FakeIds, gave, withdrew

# The bytes that a connection in WAL mode keeps locked while it is open (sqlite3: SHARED_FIRST).
_SHARED_FIRST, _SHARED_SIZE = 0x40000002, 510
_TRY_LOCK = """
import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
try:
    fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, int(sys.argv[3]), int(sys.argv[2]))
except OSError:
    sys.exit(7)
"""


class Failing:
    """Raises at one point of a recording, as long as it is told to."""

    def __init__(self) -> None:
        self.point = ""

    def __call__(self, point: str) -> None:
        if point == self.point:
            raise OSError(errno.EIO, "canary-text-of-the-system")


def open_ledger(path: Path, failing: Failing | None = None) -> SqliteLedger:
    return SqliteLedger(path, clock=FakeClock(), ids=FakeIds(), failpoint=failing or Failing())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def test_event_is_not_acknowledged_into_a_file_that_was_moved_away(path: Path) -> None:
    ledger = open_ledger(path)
    ledger.record([gave(1)])
    known = ledger.view("ada")
    path.rename(path.with_name("moved.db"))

    with pytest.raises(LedgerUnavailableError, match="gone"):
        ledger.record([withdrew(2)])

    # What was acknowledged is still told, and no empty ledger has taken the place.
    assert ledger.view("ada") is known
    assert not path.exists()
    path.with_name("moved.db").rename(path)
    assert ledger.record([withdrew(2)])[0].position == 2
    ledger.close()


def test_event_is_not_acknowledged_beside_a_file_that_was_put_in_the_place(path: Path) -> None:
    ledger = open_ledger(path)
    ledger.record([gave(1)])
    path.rename(path.with_name("moved.db"))
    path.write_bytes(b"")

    with pytest.raises(LedgerUnavailableError, match="replaced"):
        ledger.record([withdrew(2)])

    assert path.read_bytes() == b""
    ledger.close()


def test_another_file_in_the_place_is_not_read_for_an_unseen_person(path: Path) -> None:
    ledger = open_ledger(path)
    ledger.record([gave(1)])
    path.rename(path.with_name("moved.db"))
    path.write_bytes(b"")

    assert not ledger.view("ada").is_available
    ledger.close()


def test_ledger_that_lost_acknowledged_events_is_not_taken_up_again(path: Path) -> None:
    """After a failure the file is opened again: it must still hold what was acknowledged."""
    failing = Failing()
    ledger = open_ledger(path, failing)
    ledger.record([gave(1)])
    failing.point = "before_commit"
    with pytest.raises(OSError, match="canary"):
        ledger.record([gave(2)])
    failing.point = ""
    ledger._position = 2  # as if a second event had been acknowledged and then lost

    with pytest.raises(LedgerCorruptError, match="acknowledged events are gone"):
        ledger.record([gave(3)])
    ledger.close()


def is_locked_for_others(path: Path) -> bool:
    done = subprocess.run(
        [sys.executable, "-c", _TRY_LOCK, str(path), str(_SHARED_FIRST), str(_SHARED_SIZE)],
        check=False,
    )
    return done.returncode == 7


def test_opening_again_after_a_failure_keeps_the_locks_of_readers(path: Path) -> None:
    """Without them a tool that opens and closes the file would take away the WAL under us."""
    failing = Failing()
    ledger = open_ledger(path, failing)
    ledger.record([gave(1)])
    assert ledger.view("ada").is_available  # a reader is open from here on
    failing.point = "before_commit"
    with pytest.raises(OSError, match="canary"):
        ledger.record([gave(2)])
    failing.point = ""

    # Opened again, a recording works; the reader's lock alone is what is looked at then.
    ledger.record([gave(2)])
    ledger._writer.close()

    assert is_locked_for_others(path)
    ledger.close()


def test_failing_and_recovering_are_told_once_each(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    ledger = open_ledger(path)
    ledger.record([gave(1)])
    away = path.with_name("moved.db")
    path.rename(away)
    for _ in range(3):
        with pytest.raises(LedgerUnavailableError):
            ledger.record([withdrew(2)])
    for number in range(3):
        assert not ledger.view(f"unseen-{number}").is_available
    away.rename(path)
    for number in range(2):
        ledger.record([withdrew(2)])
        assert ledger.view(f"unseen-{number}").is_available

    told = [record.getMessage() for record in caplog.records]
    assert told == [
        "ledger_write_failed", "ledger_read_failed", "ledger_write_recovered",
        "ledger_read_recovered",
    ]  # fmt: skip
    assert "unseen" not in caplog.text
    ledger.close()


def test_descriptor_locks_are_what_this_file_thinks(tmp_path: Path) -> None:
    """The probe of the test above can fail: it sees a lock of another process and its absence."""
    file = tmp_path / "file"
    file.write_bytes(b"")
    descriptor = os.open(file, os.O_RDWR)
    fcntl.lockf(descriptor, fcntl.LOCK_EX, _SHARED_SIZE, _SHARED_FIRST)
    assert is_locked_for_others(file)
    os.close(descriptor)

    assert not is_locked_for_others(file)
