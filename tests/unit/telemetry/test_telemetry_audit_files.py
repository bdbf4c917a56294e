"""Claims about the decision log's files and keys: whole lines, bounded in number, size and age."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from consentry.model.values import MICROS_PER_DAY
from consentry.telemetry.audit.files import FileSink, Turning, key_of_file
from consentry.telemetry.audit.keys import AuditKeyError, KeyRing, moment_of
from consentry.telemetry.audit.reader import AuditReader
from tests.support.audit import NOW_US

HOUR_US = 3_600_000_000
FIRST_KEY, SECOND_KEY = "20260101T000000Z", "20260201T000000Z"


class Clock:
    def __init__(self) -> None:
        self.us = NOW_US

    def __call__(self) -> int:
        return self.us


def sink_in(folder: Path, clock: Clock | None = None, **turning: Any) -> FileSink:
    return FileSink(folder, now_us=clock or Clock(), turning=Turning(**turning))


def write(sink: FileSink, *lines: bytes) -> None:
    told: list[int] = []
    sink.write(lines, told.append)
    assert told == [len(lines)]


def record(number: int, key: str = FIRST_KEY, day: int = 1) -> bytes:
    entry = {
        "event": "decision", "seq": number, "time": f"2026-01-0{day}T00:00:00.000001Z",
        "decision_id": f"id{number}", "effect": "deny", "reason": "r", "digest": "d",
        "position": 1, "key": key,
    }  # fmt: skip
    return json.dumps(entry).encode() + b"\n"


def lines_in(folder: Path) -> list[bytes]:
    files = [*sorted(folder.glob("decisions-*.jsonl")), folder / "decisions.jsonl"]
    return [line for file in files if file.exists() for line in file.read_bytes().splitlines()]


def test_file_is_turned_by_size_and_loses_no_line(tmp_path: Path) -> None:
    sink = sink_in(tmp_path, max_bytes=100, keep_count=5)
    for number in range(8):
        write(sink, f"{number}{'x' * 48}\n".encode())
    sink.close()

    assert len(list(tmp_path.iterdir())) == 4
    assert [chr(line[0]) for line in lines_in(tmp_path)] == list("01234567")
    assert stat.S_IMODE((tmp_path / "decisions.jsonl").stat().st_mode) == 0o600


def test_turning_keeps_a_bounded_number_of_files(tmp_path: Path) -> None:
    sink = sink_in(tmp_path, max_bytes=10, keep_count=2)
    for _ in range(9):
        write(sink, b"123456789\n")
    sink.close()

    names = ["decisions-000007.jsonl", "decisions-000008.jsonl", "decisions.jsonl"]
    assert sorted(p.name for p in tmp_path.iterdir()) == names


def test_file_is_turned_by_age_and_removed_by_age(tmp_path: Path) -> None:
    clock = Clock()
    sink = sink_in(tmp_path, clock, max_age_days=1, keep_days=3)
    write(sink, record(1))
    clock.us += MICROS_PER_DAY
    sink.tend(clock.us)
    write(sink, record(2, day=2))

    older = tmp_path / "decisions-000001.jsonl"
    assert older.exists()
    os.utime(older, (0, clock.us / 1e6 - 3 * 86_400 - 1))
    sink.tend(clock.us)
    sink.close()

    assert [p.name for p in tmp_path.iterdir()] == ["decisions.jsonl"]


def test_file_holds_records_of_one_key_only(tmp_path: Path) -> None:
    sink = sink_in(tmp_path)
    sink.use_key(FIRST_KEY)
    write(sink, record(1))
    sink.use_key(SECOND_KEY)
    write(sink, record(2, SECOND_KEY))
    sink.use_key(SECOND_KEY)
    sink.close()

    assert [key_of_file(path) for path in sorted(tmp_path.iterdir())] == [FIRST_KEY, SECOND_KEY]


def test_torn_line_of_a_killed_process_stands_alone(tmp_path: Path) -> None:
    path = tmp_path / "decisions.jsonl"
    path.write_bytes(b'{"a":1}\n{"torn')
    sink = sink_in(tmp_path)
    write(sink, b'{"b":2}\n')
    sink.close()

    assert path.read_bytes() == b'{"a":1}\n{"torn\n{"b":2}\n'


@pytest.mark.parametrize("is_durable", [False, True])
def test_failed_write_leaves_no_half_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_durable: bool
) -> None:
    sink = sink_in(tmp_path)
    write(sink, b"first\n")
    real_write = os.write
    calls = iter([True, False])

    def half(fd: int, data: memoryview) -> int:
        if next(calls):
            return int(real_write(fd, bytes(data)[:3]))
        raise OSError(28, "no space")

    def store(lines: Sequence[bytes]) -> None:
        if is_durable:
            sink.write_durably(lines)
        else:
            write(sink, *lines)

    with monkeypatch.context() as patch:
        patch.setattr("consentry.telemetry.audit.files.os.write", half)
        with pytest.raises(OSError, match="no space"):
            store([b"second\n"])
    store([b"third\n"])
    sink.close()

    assert lines_in(tmp_path) == [b"first", b"third"]


def test_lines_that_the_disk_did_not_confirm_are_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = sink_in(tmp_path)
    sink.write_durably([b"first\n"])

    def fails(fd: int) -> None:
        raise OSError(5, "I/O error")

    with monkeypatch.context() as patch:
        patch.setattr("consentry.telemetry.audit.files.os.fdatasync", fails)
        with pytest.raises(OSError, match="I/O"):
            sink.write_durably([b"second\n"])
    sink.write_durably([b"third\n"])
    sink.close()

    assert lines_in(tmp_path) == [b"first", b"third"]
    assert len(list(tmp_path.glob("*.jsonl"))) == 2, "what failed once is not written on"


def test_file_that_was_moved_away_is_made_again(tmp_path: Path) -> None:
    sink = sink_in(tmp_path)
    write(sink, b"one\n")
    (tmp_path / "decisions.jsonl").rename(tmp_path / "taken")
    write(sink, b"two\n")
    sink.close()

    assert (tmp_path / "taken").read_bytes() == b"one\n"
    assert (tmp_path / "decisions.jsonl").read_bytes() == b"two\n"


def test_key_is_made_once_and_private(tmp_path: Path) -> None:
    first = KeyRing(tmp_path).current(NOW_US)

    assert KeyRing(tmp_path).current(NOW_US) == first
    assert len(first.secret) == 32
    assert stat.S_IMODE((tmp_path / f"{first.name}.key").stat().st_mode) == 0o600
    assert first.secret.hex() not in repr(first)


def test_next_key_begins_at_the_same_moment_for_all_processes(tmp_path: Path) -> None:
    mine, other = KeyRing(tmp_path, life_days=30), KeyRing(tmp_path, life_days=30)
    first = mine.current(NOW_US)
    assert other.current(NOW_US) == first

    later = moment_of(first.name) + 30 * MICROS_PER_DAY
    assert mine.current(later - 1) == first
    assert mine.current(later).name != first.name
    assert mine.current(later) == other.current(later)
    assert len(mine.names()) == 2


def test_key_can_be_begun_before_its_time(tmp_path: Path) -> None:
    mine, other = KeyRing(tmp_path), KeyRing(tmp_path)
    first = mine.current(NOW_US)
    other.current(NOW_US)

    begun = mine.begin(NOW_US + HOUR_US)

    assert begun != first
    assert mine.current(NOW_US + HOUR_US) == begun
    assert other.current(NOW_US + 2 * HOUR_US) == begun


@pytest.mark.parametrize("text", ["", "00", "zz" * 32])
def test_damaged_key_is_refused(tmp_path: Path, text: str) -> None:
    name = KeyRing(tmp_path).current(NOW_US).name
    (tmp_path / f"{name}.key").write_text(text)

    with pytest.raises(AuditKeyError):
        KeyRing(tmp_path).current(NOW_US)


def test_key_goes_with_the_last_file_that_needs_it(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path / "keys", life_days=1)
    clock = Clock()
    sink = FileSink(
        tmp_path,
        now_us=clock,
        turning=Turning(keep_count=1, max_age_days=100),
        tidy=lambda: ring.prune(AuditReader(tmp_path).used_keys(), clock.us),
    )
    names: list[str] = []
    for number in range(3):
        names.append(ring.current(clock.us).name)
        sink.use_key(names[-1])
        write(sink, record(number, names[-1]))
        assert ring.names() == tuple(names)
        clock.us += MICROS_PER_DAY
    sink.tend(clock.us)
    sink.close()

    assert len(list(tmp_path.glob("*.jsonl"))) == 2
    assert ring.names() == tuple(names[1:])


def test_digest_tells_persons_and_keys_apart(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path)
    first, second = ring.current(NOW_US), ring.begin(NOW_US + HOUR_US)

    assert first.name_of("a") == first.name_of("a")
    assert len({first.name_of("a"), first.name_of("b"), second.name_of("a")}) == 3
    assert first.name_of("") == ""
