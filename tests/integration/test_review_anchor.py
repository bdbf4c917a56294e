"""A ledger that is not the one that was here is not served from."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from consentry.consent.errors import LedgerCorruptError
from consentry.consent.sqlite import SqliteLedger
from tests.support.consent_events import FakeClock, FakeIds, gave, withdrew


def open_ledger(path: Path) -> SqliteLedger:
    return SqliteLedger(path, clock=FakeClock(), ids=FakeIds())


def anchor_of(path: Path) -> Path:
    return path.with_name(path.name + ".anchor")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger with one event, closed."""
    path = tmp_path / "ledger.db"
    ledger = open_ledger(path)
    ledger.record([gave(1)])
    ledger.close()
    return path


def test_emptied_file_is_not_taken_for_a_new_ledger(path: Path) -> None:
    path.write_bytes(b"")

    with pytest.raises(LedgerCorruptError, match="another ledger"):
        open_ledger(path)


def test_deleted_file_is_not_replaced_by_a_new_ledger(path: Path) -> None:
    path.unlink()

    with pytest.raises(LedgerCorruptError, match="another ledger"):
        open_ledger(path)


def test_older_copy_is_refused(path: Path) -> None:
    copy = path.with_name("copy")
    shutil.copy(path, copy)
    ledger = open_ledger(path)
    ledger.record([withdrew(2)])
    ledger.close()
    shutil.copy(copy, path)

    with pytest.raises(LedgerCorruptError, match="position 2"):
        open_ledger(path)


def test_ledger_with_another_past_is_refused(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    ledger = open_ledger(other)
    ledger.record([gave(1), withdrew(2)])
    ledger.close()
    shutil.copy(other, path)

    with pytest.raises(LedgerCorruptError, match="another ledger"):
        open_ledger(path)


def test_backup_is_taken_once_the_operator_removed_the_anchor(path: Path) -> None:
    copy = path.with_name("copy")
    shutil.copy(path, copy)
    ledger = open_ledger(path)
    ledger.record([withdrew(2)])
    ledger.close()
    shutil.copy(copy, path)
    anchor_of(path).unlink()

    ledger = open_ledger(path)

    assert ledger.position() == 1
    ledger.close()


def test_events_after_the_anchor_need_no_new_one(path: Path) -> None:
    """A killed process leaves the anchor of its start, which every later head contains."""
    of_start = anchor_of(path).read_bytes()
    ledger = open_ledger(path)
    ledger.record([withdrew(2)])
    ledger.close()
    anchor_of(path).write_bytes(of_start)

    ledger = open_ledger(path)

    assert ledger.position() == 2
    ledger.close()


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"ledger_id": "x", "position": "y"}'])
def test_anchor_that_cannot_be_read_is_no_anchor_to_trust(path: Path, text: str) -> None:
    anchor_of(path).write_text(text)

    with pytest.raises(LedgerCorruptError, match="cannot be read"):
        open_ledger(path)
