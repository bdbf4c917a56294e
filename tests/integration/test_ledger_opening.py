"""Opening a ledger: one owner, the right file, the right schema, a chain that holds."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from consentry.consent.errors import (
    LedgerBusyError,
    LedgerCorruptError,
    LedgerSchemaError,
    LedgerUnavailableError,
)
from consentry.consent.sqlite import SqliteLedger
from consentry.consent.sqlite_schema import migrations
from tests.support.consent_events import FakeClock, FakeIds, gave


def open_ledger(path: Path) -> SqliteLedger:
    return SqliteLedger(path, clock=FakeClock(), ids=FakeIds())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def execute(path: Path, statement: str) -> None:
    connection = apsw.Connection(str(path))
    connection.execute(statement)
    connection.close()


def test_second_owner_is_refused_until_the_first_is_gone(path: Path) -> None:
    ledger = open_ledger(path)
    with pytest.raises(LedgerBusyError):
        open_ledger(path)
    ledger.record([gave(1)])
    ledger.close()

    open_ledger(path).close()


def test_newer_schema_is_refused_and_left_alone(path: Path) -> None:
    open_ledger(path).close()
    execute(path, "PRAGMA user_version = 99")

    with pytest.raises(LedgerSchemaError, match="99"):
        open_ledger(path)

    execute(path, "PRAGMA user_version = 1")
    open_ledger(path).close()


def test_another_programs_database_is_refused(path: Path) -> None:
    execute(path, "CREATE TABLE theirs (x)")

    with pytest.raises(LedgerSchemaError):
        open_ledger(path)


def test_header_that_a_kill_left_behind_becomes_a_ledger(path: Path) -> None:
    execute(path, "PRAGMA journal_mode = WAL")

    open_ledger(path).close()


def test_failed_step_of_the_schema_leaves_nothing_behind(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, script = migrations()[0]
    steps = ((first, script), (2, "CREATE TABLE more (x); CREATE TABLE more (x)"))
    monkeypatch.setattr("consentry.consent.sqlite_schema.migrations", lambda: steps)

    with pytest.raises(LedgerUnavailableError):
        open_ledger(path)

    monkeypatch.undo()
    ledger = open_ledger(path)
    ledger.record([gave(1)])
    ledger.close()
    execute(path, "CREATE TABLE more (x)")


def test_steps_of_the_schema_are_numbered_without_a_gap() -> None:
    numbers = [number for number, _ in migrations()]

    assert numbers == list(range(1, len(numbers) + 1))


def test_file_that_is_no_database_is_corrupt(path: Path) -> None:
    path.write_bytes(b"not a database, but long enough to have a header of its own" * 40)

    with pytest.raises(LedgerCorruptError):
        open_ledger(path)


def test_missing_folder_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(LedgerUnavailableError):
        open_ledger(tmp_path / "none" / "ledger.db")


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (
            "UPDATE event SET public = CAST(replace(public, 'given', 'held') AS BLOB)",
            "chain breaks at position 1",
        ),
        ("DELETE FROM event WHERE position = 2", "position 2 is missing"),
        (
            "UPDATE personal SET personal = CAST(replace(personal, 'ada', 'eve') AS BLOB)",
            "personal part of position 1",
        ),
        ("UPDATE personal SET data_subject_id = 'eve' WHERE position = 3", "position 3"),
    ],
)
def test_changed_row_is_found_at_the_next_opening(path: Path, change: str, found: str) -> None:
    ledger = open_ledger(path)
    ledger.record([gave(n) for n in range(1, 5)])
    ledger.close()
    connection = apsw.Connection(str(path))
    triggers = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'")
    for (trigger,) in triggers.fetchall():
        connection.execute(f"DROP TRIGGER {trigger}")
    connection.execute(change)
    connection.close()

    with pytest.raises(LedgerCorruptError, match=found):
        open_ledger(path)
