"""Backups are whole, are one file, and hold what was acknowledged when they were begun."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from consentry.consent.anchor import anchor_path, find_anchor
from consentry.consent.errors import LedgerBusyError, LedgerCorruptError
from consentry.consent.sqlite import SqliteLedger
from consentry.consent.sqlite_file import backup_file, restore_file, verify_file
from tests.support.consent_events import FakeClock, FakeIds, gave


def quiet(_done: int, _total: int) -> None:
    """Progress that nobody looks at."""


def open_ledger(path: Path) -> SqliteLedger:
    return SqliteLedger(path, clock=FakeClock(), ids=FakeIds(), reserve_bytes=0)


def test_backup_of_a_ledger_at_work_is_one_moment_of_it(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path / "ledger.db")
    ledger.record([gave(1, idempotency_key=f"first-{n}") for n in range(500)])
    stop = threading.Event()

    def work() -> None:
        number = 0
        while not stop.is_set():
            ledger.record([gave(1, idempotency_key=f"more-{number}")])
            number += 1

    worker = threading.Thread(target=work)
    worker.start()
    try:
        checked = backup_file(tmp_path / "ledger.db", tmp_path / "backup.db", quiet)
    finally:
        stop.set()
        worker.join()
        ledger.close()

    assert checked.head.position >= 500
    again = verify_file(
        tmp_path / "backup.db", find_anchor(anchor_path(tmp_path / "backup.db")), quiet
    )
    assert again.head == checked.head


def test_backup_is_one_file_for_its_owner_only(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path / "ledger.db")
    ledger.record([gave(1)])
    (tmp_path / "safe").mkdir()

    backup_file(tmp_path / "ledger.db", tmp_path / "safe" / "backup.db", quiet)
    ledger.close()

    found = {file.name: file.stat().st_mode & 0o077 for file in (tmp_path / "safe").iterdir()}
    assert found == {"backup.db": 0, "backup.db.anchor": 0}


def test_backup_never_takes_the_place_of_another_file(tmp_path: Path) -> None:
    open_ledger(tmp_path / "ledger.db").close()
    (tmp_path / "backup.db").write_text("the backup of last week")

    with pytest.raises(FileExistsError):
        backup_file(tmp_path / "ledger.db", tmp_path / "backup.db", quiet)

    assert (tmp_path / "backup.db").read_text() == "the backup of last week"


def test_damaged_backup_is_not_restored(tmp_path: Path) -> None:
    path, backup = tmp_path / "ledger.db", tmp_path / "backup.db"
    ledger = open_ledger(path)
    ledger.record([gave(1)])
    ledger.close()
    backup_file(path, backup, quiet)
    content = bytearray(backup.read_bytes())
    place = content.index(b'"kind":"given"')
    content[place + 8 : place + 13] = b"taken"
    backup.write_bytes(content)

    with pytest.raises(LedgerCorruptError, match="chain breaks at position 1"):
        restore_file(backup, path, anchor_path(path), quiet, accepts_loss=True)

    again = open_ledger(path)
    assert again.position() == 1
    again.close()


def test_running_owner_keeps_its_place(tmp_path: Path) -> None:
    path, backup = tmp_path / "ledger.db", tmp_path / "backup.db"
    ledger = open_ledger(path)
    ledger.record([gave(1)])
    backup_file(path, backup, quiet)

    with pytest.raises(LedgerBusyError):
        restore_file(backup, path, anchor_path(path), quiet, accepts_loss=True)

    ledger.close()


def test_restored_ledger_goes_on_where_the_backup_ended(tmp_path: Path) -> None:
    path, backup = tmp_path / "ledger.db", tmp_path / "backup.db"
    ledger = open_ledger(path)
    ledger.record([gave(1)])
    backup_file(path, backup, quiet)
    ledger.record([gave(2)])
    ledger.close()

    restored = restore_file(backup, path, anchor_path(path), quiet, accepts_loss=True)

    assert restored.lost_count == 1
    again = open_ledger(path)
    assert again.record([gave(3)])[0].position == 2
    assert again.verify() == 2
    again.close()
    assert restored.kept_as is not None
    assert verify_file(restored.kept_as, None, quiet).head.position == 2
