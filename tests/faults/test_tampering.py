"""Whatever is changed in a ledger's files is found, or changes nothing that the ledger says."""

from __future__ import annotations

import random
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import apsw
import pytest

from consentry.consent.anchor import anchor_path, find_anchor
from consentry.consent.errors import LedgerCorruptError, LedgerError
from consentry.consent.sqlite import SqliteLedger
from consentry.consent.sqlite_file import reading, verify_file
from consentry.consent.sqlite_rows import events_of, rows_after
from tests.support.consent_events import FakeClock, FakeIds, gave, withdrew

PERSONS = tuple(f"person-{n}" for n in range(6))
EVENTS = 40


@dataclass(frozen=True)
class Kept:
    """A ledger's files as an attacker finds them, and what the ledger says."""

    files: dict[str, bytes]
    said: object
    size: int


def said_in(path: Path) -> object:
    with reading(path) as connection:
        persons = tuple(events_of(connection, name) for name in PERSONS)
        return tuple(rows_after(connection, 0)), persons


def fill(ledger: SqliteLedger, count: int = EVENTS) -> None:
    for number in range(count):
        make = gave if number % 3 else withdrew
        person = PERSONS[number % len(PERSONS)]
        ledger.record([make(1, data_subject_id=person, idempotency_key=f"k{number}")])
        if number == count // 2:
            ledger.erase(PERSONS[0])


def keep(folder: Path, path: Path) -> Kept:
    names = ("ledger.db", "ledger.db-wal", "ledger.db.anchor")
    files = {name: (folder / name).read_bytes() for name in names if (folder / name).exists()}
    return Kept(files=files, said=said_in(path), size=len(files["ledger.db"]))


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    memory = Path("/dev/shm")
    made = Path(tempfile.mkdtemp(prefix="tamper-", dir=memory if memory.is_dir() else None))
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def closed(folder: Path) -> Kept:
    """A ledger that was closed: one file and its anchor."""
    place = folder / "closed"
    place.mkdir()
    path = place / "ledger.db"
    ledger = SqliteLedger(path, clock=FakeClock(), ids=FakeIds(), reserve_bytes=0)
    fill(ledger)
    ledger.close()
    return keep(place, path)


@pytest.fixture(scope="module")
def killed(folder: Path) -> Kept:
    """A ledger whose process was killed: its last events stand in the log only."""
    place = folder / "killed"
    place.mkdir()
    path = place / "ledger.db"
    ledger = SqliteLedger(path, clock=FakeClock(), ids=FakeIds(), reserve_bytes=0)
    fill(ledger)
    pause = threading.Event()
    for _ in range(500):
        anchor = find_anchor(anchor_path(path))
        if anchor is not None and anchor.position == ledger.position():
            break
        pause.wait(0.01)
    kept = keep(place, path)
    ledger.close()
    return kept


def judge(folder: Path, kept: Kept, files: dict[str, bytes]) -> str:
    """`found`, `unchanged`, or what the ledger says wrongly without anybody noticing."""
    place = Path(tempfile.mkdtemp(dir=folder))
    try:
        for name, content in (kept.files | files).items():
            (place / name).write_bytes(content)
        path = place / "ledger.db"
        try:
            verify_file(path, find_anchor(anchor_path(path)), lambda _done, _total: None)
        except LedgerError:
            return "found"
        return "unchanged" if said_in(path) == kept.said else "WRONG"
    finally:
        shutil.rmtree(place)


def flipped(content: bytes, draw: random.Random) -> bytes:
    bit = draw.randrange(len(content) * 8)
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << (bit % 8)
    return bytes(changed)


def flip_bits(folder: Path, kept: Kept, name: str, count: int, seed: int) -> dict[str, int]:
    draw = random.Random(seed)
    verdicts: dict[str, int] = {}
    for _ in range(count):
        verdict = judge(folder, kept, {name: flipped(kept.files[name], draw)})
        verdicts[verdict] = verdicts.get(verdict, 0) + 1
    return verdicts


def test_no_flipped_bit_changes_what_a_ledger_says_unnoticed(
    folder: Path, closed: Kept, killed: Kept, figure: Callable[[str, object], None]
) -> None:
    for kept, name in ((closed, "ledger.db"), (killed, "ledger.db-wal")):
        verdicts = flip_bits(folder, kept, name, 200, seed=1)

        assert "WRONG" not in verdicts
        assert verdicts["found"] > 0
        figure(f"tampering, fast: bits flipped in {name}", verdicts)


@pytest.mark.slow
def test_ten_thousand_trials_of_tampering_are_found(
    folder: Path, closed: Kept, killed: Kept, figure: Callable[[str, object], None]
) -> None:
    in_file = flip_bits(folder, closed, "ledger.db", 6_000, seed=2)
    in_log = flip_bits(folder, killed, "ledger.db-wal", 3_000, seed=3)
    cut = {"found": 0, "unchanged": 0, "WRONG": 0}
    draw = random.Random(4)
    for _ in range(1_000):
        content = closed.files["ledger.db"][: draw.randrange(closed.size)]
        cut[judge(folder, closed, {"ledger.db": content})] += 1

    assert "WRONG" not in in_file
    assert "WRONG" not in in_log
    assert cut == {"found": 1_000, "unchanged": 0, "WRONG": 0}
    figure("tampering: bits flipped in the file", in_file)
    figure("tampering: bits flipped in the log", in_log)
    figure("tampering: truncations", cut)


def test_the_judge_sees_a_change_that_no_check_would_see(folder: Path, closed: Kept) -> None:
    """A file that verifies and says something else must not come out as `unchanged`."""
    other = Kept(files=closed.files, said="something else", size=closed.size)

    assert judge(folder, other, {}) == "WRONG"


def test_truncated_file_is_found(folder: Path, closed: Kept) -> None:
    for size in range(0, closed.size, closed.size // 16):
        assert judge(folder, closed, {"ledger.db": closed.files["ledger.db"][:size]}) == "found"


def test_log_that_was_cut_off_or_taken_away_is_found(folder: Path, killed: Kept) -> None:
    log = killed.files["ledger.db-wal"]

    for size in (0, 32, len(log) // 2, len(log) - 1):
        assert judge(folder, killed, {"ledger.db-wal": log[:size]}) == "found"


@pytest.mark.parametrize("position", [1, 17, 30, 41])
@pytest.mark.parametrize(
    "change",
    [
        "UPDATE event SET public = CAST(public || ' ' AS BLOB) WHERE position = ?",
        "UPDATE event SET digest = randomblob(32) WHERE position = ?",
        "UPDATE event SET key_digest = randomblob(32) WHERE position = ?",
        "UPDATE event SET content_digest = randomblob(32) WHERE position = ?",
        "UPDATE personal SET data_subject_id = 'person-5' WHERE position = ?",
        "UPDATE personal SET salt = randomblob(32) WHERE position = ?",
        "UPDATE personal SET personal = CAST(personal || ' ' AS BLOB) WHERE position = ?",
        "DELETE FROM personal WHERE position = ?",
        "DELETE FROM event WHERE position = ?",
    ],
)
def test_edited_row_is_found_where_it_stands(
    tmp_path: Path, closed: Kept, change: str, position: int
) -> None:
    path = tmp_path / "ledger.db"
    for name, content in closed.files.items():
        (tmp_path / name).write_bytes(content)
    connection = apsw.Connection(str(path))
    triggers = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'")
    for (trigger,) in triggers.fetchall():
        connection.execute(f"DROP TRIGGER {trigger}")
    connection.execute(change, (position,))
    is_changed = connection.changes() > 0
    connection.close()
    if not is_changed:  # the row of an erased person has no personal part
        return

    with pytest.raises(LedgerCorruptError) as found:
        verify_file(path, find_anchor(anchor_path(path)), lambda _done, _total: None)

    assert found.value.position == position or found.value.code == "erasure_changed"


def test_every_older_copy_is_found_to_be_one(tmp_path: Path) -> None:
    """With the anchor at the head: whatever state is put back, the first lost position is told."""
    path = tmp_path / "ledger.db"
    copies: dict[int, bytes] = {}
    for number in range(12):
        ledger = SqliteLedger(path, clock=FakeClock(), ids=FakeIds(), reserve_bytes=0)
        ledger.record([gave(1, idempotency_key=f"k{number}")])
        ledger.close()
        copies[number + 1] = path.read_bytes()

    for position, content in copies.items():
        path.write_bytes(content)
        if position == 12:
            verify_file(path, find_anchor(anchor_path(path)), lambda _done, _total: None)
            continue
        with pytest.raises(LedgerCorruptError) as found:
            verify_file(path, find_anchor(anchor_path(path)), lambda _done, _total: None)
        assert (found.value.position, found.value.code) == (position + 1, "rolled_back")
