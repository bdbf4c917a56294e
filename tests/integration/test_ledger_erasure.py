"""Forgetting a person: gone from the file and every view, and the chain still proves the rest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from consentry.consent.chain import Verification
from consentry.consent.errors import (
    IdempotencyConflictError,
    LedgerCorruptError,
    RightsStandError,
)
from consentry.consent.sqlite import SqliteLedger
from consentry.model.consent import EventKind
from tests.support.consent_events import FakeClock, FakeIds, event, gave, query, withdrew

BEA = "bea-4711-of-the-harbour"


def open_ledger(path: Path) -> SqliteLedger:
    return SqliteLedger(path, clock=FakeClock(), ids=FakeIds(), reserve_bytes=0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def ledger(path: Path) -> Iterator[SqliteLedger]:
    """Two events of ada around one of bea."""
    opened = open_ledger(path)
    opened.record([gave(1)])
    opened.record([gave(1, data_subject_id=BEA, idempotency_key="of-bea")])
    opened.record([withdrew(2)])
    yield opened
    opened.close()


def tamper(path: Path, *statements: str) -> None:
    connection = apsw.Connection(str(path))
    triggers = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'")
    for (trigger,) in triggers.fetchall():
        connection.execute(f"DROP TRIGGER {trigger}")
    for statement in statements:
        connection.execute(statement)
    connection.close()


def test_forgotten_person_has_no_events_and_all_others_keep_theirs(ledger: SqliteLedger) -> None:
    cell, before = ledger.cell(BEA), ledger.view(BEA)
    assert before.consent(query()).standings

    erased = ledger.erase(BEA)

    assert (erased.count, erased.position, ledger.position()) == (1, 4, 4)
    assert cell.view is None
    assert ledger.view(BEA).consent(query()).absence == "consent_missing"
    assert ledger.list_events(BEA, 0, 9) == ()
    assert [e.position for e in ledger.list_events("ada", 0, 9)] == [1, 3]


def test_nothing_of_the_person_stays_in_any_file(ledger: SqliteLedger, path: Path) -> None:
    ledger.erase(BEA)

    files = [file for file in path.parent.iterdir() if file.name.startswith("ledger.db")]
    assert files
    assert not [file.name for file in files if BEA.encode() in file.read_bytes()]


def test_chain_holds_after_an_erasure_and_goes_on(ledger: SqliteLedger, path: Path) -> None:
    ledger.erase(BEA)
    ledger.record([gave(3)])

    assert ledger.verify() == 5
    ledger.close()
    again = open_ledger(path)
    assert (again.verify(), again.position()) == (5, 5)
    again.close()


def test_what_remains_of_the_event_is_what_and_when(ledger: SqliteLedger) -> None:
    ledger.erase(BEA)

    row = ledger.read_rows(1, 1)[0]
    assert row[5:] == (None, None, None)
    assert b'"purpose":"marketing"' in row[3]
    walk = Verification(ledger.ledger_id)
    walk.feed(ledger.read_rows(0, 10))
    assert walk.erased_count == 1


def test_key_of_a_forgotten_event_stays_used(ledger: SqliteLedger) -> None:
    ledger.erase(BEA)

    with pytest.raises(IdempotencyConflictError):
        ledger.record([gave(1, data_subject_id=BEA, idempotency_key="of-bea")])


def test_person_who_comes_back_begins_anew(ledger: SqliteLedger) -> None:
    ledger.erase(BEA)
    ledger.record([gave(5, data_subject_id=BEA, idempotency_key="of-bea-again")])

    assert ledger.view(BEA).consent(query()).standings
    assert ledger.erase(BEA).count == 1
    assert ledger.verify() == 6


def test_person_whom_nobody_knows_leaves_no_trace(ledger: SqliteLedger) -> None:
    assert ledger.erase("nobody").count == 0
    assert ledger.position() == 3


def test_objection_is_not_forgotten_by_the_way(ledger: SqliteLedger) -> None:
    ledger.record([event(EventKind.OPTED_OUT, 3, data_subject_id=BEA)])

    with pytest.raises(RightsStandError) as refused:
        ledger.erase(BEA)

    assert refused.value.kinds == ("opted_out",)
    assert len(ledger.list_events(BEA, 0, 9)) == 2
    assert ledger.erase(BEA, with_rights=True).count == 2


def test_objection_that_was_lifted_is_in_nobodys_way(ledger: SqliteLedger) -> None:
    ledger.record([event(EventKind.OBJECTED, 3, data_subject_id=BEA)])
    ledger.record([event(EventKind.OBJECTION_LIFTED, 4, data_subject_id=BEA)])

    assert ledger.erase(BEA).count == 3


def test_personal_part_that_nobody_erased_is_missed(ledger: SqliteLedger, path: Path) -> None:
    """Without this, whoever has the file could make a withdrawal vanish."""
    ledger.close()
    tamper(path, "DELETE FROM personal WHERE position = 3")

    with pytest.raises(LedgerCorruptError, match="position 3 is gone") as found:
        open_ledger(path)

    assert (found.value.position, found.value.code) == (3, "personal_missing")


@pytest.mark.parametrize("column", ["key_digest", "content_digest"])
def test_what_remains_of_an_erased_row_cannot_be_changed(
    ledger: SqliteLedger, path: Path, column: str
) -> None:
    ledger.erase(BEA)
    ledger.close()
    tamper(path, f"UPDATE event SET {column} = randomblob(32) WHERE position = 2")

    with pytest.raises(LedgerCorruptError) as found:
        open_ledger(path)

    assert (found.value.position, found.value.code) == (4, "erasure_changed")


@pytest.mark.parametrize("column", ["key_digest", "content_digest"])
@pytest.mark.parametrize("position", [2, 4])
def test_digests_beside_the_chain_are_checked_too(
    ledger: SqliteLedger, path: Path, column: str, position: int
) -> None:
    ledger.erase("ada")
    ledger.close()
    tamper(path, f"UPDATE event SET {column} = randomblob(32) WHERE position = {position}")

    with pytest.raises(LedgerCorruptError) as found:
        open_ledger(path)

    assert (found.value.position, found.value.code) == (position, "row_changed")


def test_event_without_a_time_of_its_own_is_checked_by_what_was_sent(ledger: SqliteLedger) -> None:
    ledger.record([gave(1, happened_at_us=0, idempotency_key="timeless")])

    assert ledger.verify() == 4
