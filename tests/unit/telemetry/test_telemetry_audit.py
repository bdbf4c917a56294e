"""Claims about the decision log: answered = stored + dropped, whatever the sink does."""

from __future__ import annotations

import json
import stat
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentry.telemetry.audit import AuditFields, AuditLog, hash_person
from consentry.telemetry.audit_file import FileSink, load_hash_key

KEY = b"k" * 32
FIELDS = AuditFields(
    digest="d" * 64,
    effect="permit",
    reason="consent_valid",
    rule="mail_campaign",
    purpose="marketing.email",
    action="contact",
    principal_id="campaign-mailer",
    data_subject_id="ada@example.org",
)


class MemorySink:
    """Stores groups, or refuses them as `refusals` says, one entry a write."""

    def __init__(self, refusals: Sequence[bool] = ()) -> None:
        self.stored: list[dict[str, object]] = []
        self.refusals = list(refusals)
        self.is_broken = False
        self.is_closed = False

    def write(self, lines: bytes) -> None:
        if self.is_broken or (self.refusals and self.refusals.pop(0)):
            raise OSError(28, "no space")
        self.stored += [json.loads(line) for line in lines.splitlines()]

    def close(self) -> None:
        self.is_closed = True

    def numbers(self) -> list[object]:
        return [record["seq"] for record in self.stored if record["event"] == "decision"]

    def told_dropped(self) -> int:
        gaps = [record["dropped"] for record in self.stored if record["event"] == "gap"]
        return sum(count for count in gaps if isinstance(count, int))


def append(log: AuditLog, count: int = 1, correlation_id: str = "") -> None:
    for number in range(count):
        log.append(FIELDS, 1_767_225_600_000_001, f"id{number}", 7, correlation_id, False)


def test_record_says_what_was_decided() -> None:
    sink = MemorySink()
    log = AuditLog(sink, hash_key=KEY)
    log.append(FIELDS, 1_767_225_600_000_001, "abc", 7, "req-1", True)

    assert log.drain()

    assert sink.stored == [
        {
            "event": "decision",
            "seq": 1,
            "time": "2026-01-01T00:00:00.000001Z",
            "decision_id": "abc",
            "position": 7,
            "correlation_id": "req-1",
            "is_hit": True,
            "digest": "d" * 64,
            "effect": "permit",
            "reason": "consent_valid",
            "rule": "mail_campaign",
            "purpose": "marketing.email",
            "action": "contact",
            "principal_id": "campaign-mailer",
            "data_subject": hash_person("ada@example.org", KEY),
        }
    ]


def test_record_never_holds_the_person() -> None:
    sink = MemorySink()
    log = AuditLog(sink, hash_key=KEY)
    append(log)
    log.drain()

    assert "ada" not in json.dumps(sink.stored)


def test_hash_of_a_person_depends_on_the_key_and_the_person() -> None:
    assert hash_person("a", KEY) == hash_person("a", KEY)
    assert len({hash_person("a", KEY), hash_person("b", KEY), hash_person("a", b"x" * 32)}) == 3
    assert hash_person("", KEY) == ""


@given(st.text())
def test_any_correlation_id_stays_on_its_line(correlation_id: str) -> None:
    sink = MemorySink()
    log = AuditLog(sink, hash_key=KEY)
    append(log, 2, correlation_id)
    log.drain()

    assert [record["correlation_id"] for record in sink.stored] == [correlation_id] * 2


def test_full_buffer_drops_counts_and_tells() -> None:
    sink = MemorySink()
    log = AuditLog(sink, hash_key=KEY, capacity=3)
    append(log, 5)

    log.drain()
    append(log, 1)
    log.drain()

    assert sink.numbers() == [1, 2, 3, 6]
    gaps = [record for record in sink.stored if record["event"] == "gap"]
    assert gaps == [{"event": "gap", "dropped": 2, "from": 4, "to": 5}]
    assert log.dropped.value() == 2


def test_refused_group_is_offered_again_and_stored_once() -> None:
    sink = MemorySink(refusals=[True, True, False])
    log = AuditLog(sink, hash_key=KEY)
    append(log, 3)

    assert [log.drain(), log.drain(), log.drain()] == [False, False, True]

    assert sink.numbers() == [1, 2, 3]
    assert log.written.value() == 3


def test_closing_with_a_broken_sink_counts_all_that_waits_as_dropped() -> None:
    sink = MemorySink()
    log = AuditLog(sink, hash_key=KEY)
    append(log, 4)
    log.drain()
    sink.is_broken = True
    append(log, 600)
    log.drain()

    log.close()

    assert (log.written.value(), log.dropped.value(), log.waiting_count()) == (4, 600, 0)
    assert sink.is_closed


def test_closing_does_not_wait_for_a_sink_that_hangs() -> None:
    entered, release = threading.Event(), threading.Event()

    class HangingSink(MemorySink):
        def write(self, lines: bytes) -> None:
            entered.set()
            release.wait()

    log = AuditLog(HangingSink(), hash_key=KEY)
    append(log, 3)
    log.start(interval_s=0.001)
    entered.wait()
    append(log, 2)
    log.close(timeout_s=0.01)

    assert log.dropped.value() == 5
    release.set()


def test_record_that_cannot_be_told_is_counted_as_dropped(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sink = MemorySink()
    log = AuditLog(sink, hash_key=KEY)
    append(log)
    log.append(FIELDS, 10**30, "far future", 7, "", False)
    append(log)

    log.drain()

    assert sink.numbers() == [1, 3]
    assert (log.written.value(), log.dropped.value()) == (2, 1)
    assert sink.told_dropped() == 1
    assert caplog.messages == ["audit_record_failed"]


def test_records_after_close_are_counted_as_dropped() -> None:
    log = AuditLog(MemorySink(), hash_key=KEY)
    log.close()

    append(log, 2)

    assert log.dropped.value() == 2


@given(
    st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=30),
    st.integers(1, 25),
    st.booleans(),
)
def test_answered_is_stored_plus_dropped_plus_waiting(
    steps: list[tuple[int, bool]], capacity: int, breaks_at_end: bool
) -> None:
    sink = MemorySink()
    log = AuditLog(sink, hash_key=KEY, capacity=capacity)
    answered = 0
    for count, is_broken in steps:
        sink.is_broken = is_broken
        append(log, count)
        answered += count
        log.drain()
        assert answered == log.written.value() + log.dropped.value() + log.waiting_count()
    sink.is_broken = breaks_at_end
    log.close()

    assert log.waiting_count() == 0
    assert answered == log.written.value() + log.dropped.value()
    assert len(set(sink.numbers())) == log.written.value() == len(sink.numbers())
    if not breaks_at_end:
        assert sink.told_dropped() == log.dropped.value()


def test_accounting_is_exact_under_threads_with_a_slow_writer() -> None:
    sink = MemorySink(refusals=[True, False] * 50)
    log = AuditLog(sink, hash_key=KEY, capacity=50)
    barrier = threading.Barrier(5)

    def answer() -> None:
        barrier.wait()
        append(log, 2_000)

    threads = [threading.Thread(target=answer) for _ in range(4)]
    for thread in threads:
        thread.start()
    barrier.wait()
    while any(thread.is_alive() for thread in threads):
        log.drain()
    for thread in threads:
        thread.join()
    sink.refusals.clear()
    log.close()

    assert log.written.value() + log.dropped.value() == 8_000
    assert len(set(sink.numbers())) == log.written.value()
    assert sink.told_dropped() == log.dropped.value()


def test_thread_writes_and_close_flushes(tmp_path: Path) -> None:
    path = tmp_path / "decisions.ndjson"
    log = AuditLog(FileSink(path), hash_key=KEY)
    log.start(interval_s=0.001)
    append(log, 100)
    log.close()

    assert len(path.read_text().splitlines()) == 100


def test_file_is_rotated_by_size_and_loses_no_line(tmp_path: Path) -> None:
    path = tmp_path / "decisions.ndjson"
    sink = FileSink(path, max_bytes=100, keep_count=5)
    for number in range(8):
        sink.write(f"{number}{'x' * 48}\n".encode())
    sink.close()

    files = [path.with_name(f"{path.name}.{n}") for n in (3, 2, 1)] + [path]
    assert [line[0] for file in files for line in file.read_text().splitlines()] == list("01234567")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_rotation_keeps_a_bounded_number_of_files(tmp_path: Path) -> None:
    sink = FileSink(tmp_path / "log", max_bytes=10, keep_count=2)
    for _ in range(9):
        sink.write(b"123456789\n")
    sink.close()

    assert sorted(p.name for p in tmp_path.iterdir()) == ["log", "log.1", "log.2"]


def test_torn_line_of_a_killed_process_stands_alone(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b'{"a":1}\n{"torn')
    sink = FileSink(path)
    sink.write(b'{"b":2}\n')
    sink.close()

    assert path.read_bytes() == b'{"a":1}\n{"torn\n{"b":2}\n'


def test_failed_write_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log"
    sink = FileSink(path)
    sink.write(b"first\n")
    real_write = __import__("os").write
    calls = iter([True, False])

    def half(fd: int, data: memoryview) -> int:
        if next(calls):
            return int(real_write(fd, bytes(data)[:3]))
        raise OSError(28, "no space")

    with monkeypatch.context() as patch:
        patch.setattr("consentry.telemetry.audit_file.os.write", half)
        with pytest.raises(OSError, match="no space"):
            sink.write(b"second\n")
    sink.write(b"third\n")
    sink.close()

    assert path.read_bytes() == b"first\nthird\n"


def test_file_that_was_moved_away_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "log"
    sink = FileSink(path)
    sink.write(b"one\n")
    path.rename(tmp_path / "taken")
    sink.write(b"two\n")
    sink.close()

    assert (tmp_path / "taken").read_bytes() == b"one\n"
    assert path.read_bytes() == b"two\n"


def test_hash_key_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "key"

    first = load_hash_key(path)

    assert load_hash_key(path) == first
    assert len(first) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["", "00", "zz" * 32])
def test_damaged_hash_key_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "key"
    path.write_text(text)

    with pytest.raises(ValueError, match=r"hex"):
        load_hash_key(path)
