"""Claims about the decision log: answered = stored + sampled out + dropped, whatever happens."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentry.telemetry.audit.files import FileSink
from consentry.telemetry.audit.keys import AuditKey
from consentry.telemetry.audit.log import AuditLog, RejectedError
from consentry.telemetry.audit.record import Facts, QuestionDetail, RecordWriter, Telling
from tests.support.audit import KEY, NOW_US, FixedKeys, MemorySink, audit_log, fields

FIELDS = fields()


def append(log: AuditLog, count: int = 1, correlation_id: str = "") -> None:
    for number in range(count):
        log.append(FIELDS, NOW_US, f"id{number}", 7, correlation_id, False)


def test_record_says_what_was_decided() -> None:
    sink = MemorySink()
    log = audit_log(sink)
    log.append(FIELDS, NOW_US, "abc", 7, "req-1", True, "spiffe://shop/mailer", "f" * 32)

    assert log.drain()

    assert sink.stored == [
        {
            "event": "decision",
            "seq": 1,
            "time": "2026-01-01T00:00:00.000001Z",
            "decision_id": "abc",
            "position": 7,
            "correlation_id": "req-1",
            "caller": "spiffe://shop/mailer",
            "trace_id": "f" * 32,
            "is_hit": True,
            "digest": "d" * 64,
            "effect": "permit",
            "reason": "consent_valid",
            "rule": "mail_campaign",
            "purpose": "marketing.email",
            "action": "contact",
            "data": ["customer.contact.email"],
            "principal_id": "campaign-mailer",
            "revision": 5,
            "key": KEY.name,
            "data_subject": KEY.name_of("ada@example.org"),
            "question": KEY.digest(b"asked"),
        }
    ]


def test_record_never_holds_the_person() -> None:
    sink = MemorySink()
    log = audit_log(sink)
    append(log)
    log.drain()

    assert "ada" not in json.dumps(sink.stored)


@given(st.text())
def test_any_correlation_id_stays_on_its_line(correlation_id: str) -> None:
    sink = MemorySink()
    log = audit_log(sink)
    append(log, 2, correlation_id)
    log.drain()

    assert [record.get("correlation_id", "") for record in sink.stored] == [correlation_id] * 2


def test_full_buffer_drops_counts_and_tells() -> None:
    sink = MemorySink()
    log = audit_log(sink, capacity=3)
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
    log = audit_log(sink)
    append(log, 3)

    assert [log.drain(), log.drain(), log.drain()] == [False, False, True]

    assert sink.numbers() == [1, 2, 3]
    assert log.written.value() == 3


def test_closing_with_a_broken_sink_counts_all_that_waits_as_dropped() -> None:
    sink = MemorySink()
    log = audit_log(sink)
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
        def write(self, lines: Sequence[bytes], stored: Callable[[int], None]) -> None:
            entered.set()
            release.wait()

    log = audit_log(HangingSink())
    append(log, 3)
    log.start(interval_s=0.001)
    entered.wait()
    append(log, 2)
    log.close(timeout_s=0.01)

    assert log.dropped.value() == 5
    release.set()


def test_late_rejection_after_closing_is_not_counted_again() -> None:
    entered, release = threading.Event(), threading.Event()

    writers = []

    class LateSink(MemorySink):
        def write(self, lines: Sequence[bytes], stored: Callable[[int], None]) -> None:
            writers.append(threading.current_thread())
            entered.set()
            release.wait()
            raise RejectedError(1, 3)

    log = audit_log(LateSink())
    append(log, 3)
    log.start(interval_s=0.001)
    entered.wait()
    log.close(timeout_s=0.01)
    release.set()
    writers[0].join()

    assert (log.written.value(), log.dropped.value()) == (0, 3)


def test_record_that_cannot_be_told_is_counted_as_dropped(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sink = MemorySink()
    log = audit_log(sink)
    append(log)
    log.append(FIELDS, 10**30, "far future", 7, "", False)
    append(log)

    log.drain()

    assert sink.numbers() == [1, 3]
    assert (log.written.value(), log.dropped.value()) == (2, 1)
    assert sink.told("gap", "dropped") == 1
    assert caplog.messages == ["audit_record_failed"]


def test_records_after_close_are_counted_as_dropped() -> None:
    log = audit_log(MemorySink())
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
    log = audit_log(sink, capacity=capacity)
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
        assert sink.told("gap", "dropped") == log.dropped.value()


def test_accounting_is_exact_under_threads_with_a_slow_writer() -> None:
    sink = MemorySink(refusals=[True, False] * 50)
    log = audit_log(sink, capacity=50)
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
    assert sink.told("gap", "dropped") == log.dropped.value()


def test_thread_writes_and_close_flushes(tmp_path: Path) -> None:
    log = audit_log(FileSink(tmp_path, now_us=lambda: NOW_US))
    log.start(interval_s=0.001)
    append(log, 100)
    log.close()

    assert len((tmp_path / "decisions.jsonl").read_text().splitlines()) == 100


def test_group_that_a_stream_took_in_part_is_not_offered_again() -> None:
    class NarrowSink(MemorySink):
        def write(self, lines: Sequence[bytes], stored: Callable[[int], None]) -> None:
            super().write(lines[:2], stored)
            raise BlockingIOError(11, "full")

    sink = NarrowSink()
    log = audit_log(sink)
    append(log, 5)

    assert not log.drain()
    assert (log.written.value(), log.waiting_count()) == (2, 3)
    log.drain()

    assert sink.numbers() == [1, 2, 3, 4]


def test_rejection_loses_no_more_than_it_covers() -> None:
    class PickySink(MemorySink):
        def write(self, lines: Sequence[bytes], stored: Callable[[int], None]) -> None:
            if b'"seq":3,' in lines[0]:
                raise RejectedError(2, 2)
            super().write(lines[:2], stored)
            if len(lines) > 2:
                self.write(lines[2:], stored)

    sink = PickySink()
    log = audit_log(sink)
    append(log, 6)

    assert log.drain()
    assert sink.numbers() == [1, 2, 5, 6]
    assert (log.written.value(), log.dropped.value(), log.waiting_count()) == (4, 2, 0)
    gaps = [record for record in sink.stored if record["event"] == "gap"]
    assert gaps == [{"event": "gap", "dropped": 2, "from": 3, "to": 4}]


def test_new_key_is_told_to_the_sink_and_names_the_person_anew() -> None:
    sink, keys = MemorySink(), FixedKeys()
    log = AuditLog(sink, keys=keys, now_us=lambda: NOW_US)
    append(log)
    log.drain()
    keys.key = AuditKey("20260201T000000Z", b"n" * 32)
    append(log)
    log.drain()

    assert sink.keys == ["20260101T000000Z", "20260201T000000Z"]
    assert [r["key"] for r in sink.stored] == sink.keys
    assert sink.stored[0]["data_subject"] != sink.stored[1]["data_subject"]


def test_key_that_cannot_be_had_keeps_records_waiting() -> None:
    class NoKeys(FixedKeys):
        is_there = False

        def current(self, now_us: int) -> AuditKey:
            if not self.is_there:
                raise OSError(5, "I/O error")
            return self.key

    sink, keys = MemorySink(), NoKeys()
    log = AuditLog(sink, keys=keys, now_us=lambda: NOW_US)
    append(log, 3)

    assert not log.drain()
    assert log.is_failing
    keys.is_there = True
    assert log.drain()

    assert sink.numbers() == [1, 2, 3]
    assert not log.is_failing


def told_by(**how: object) -> dict[str, object]:
    sink = MemorySink()
    writer = RecordWriter(
        Telling(**how),  # type: ignore[arg-type]  # a test's words
        lambda raw, leave_out: Facts({"asked": raw.decode()}, tuple(sorted(leave_out))),
    )
    log = audit_log(sink, writer=writer)
    log.append(fields(), NOW_US, "id", 7, "req", False)
    log.drain()
    return sink.stored[0]


def test_person_stands_in_clear_only_where_that_is_wanted() -> None:
    record = told_by(is_person_clear=True)

    assert record["data_subject_id"] == "ada@example.org"
    assert "data_subject" not in record


@pytest.mark.parametrize("name", ["principal_id", "data_subject", "correlation_id", "data"])
def test_field_that_is_to_be_left_out_is_not_told(name: str) -> None:
    assert name in told_by()
    assert name not in told_by(leave_out=frozenset({name}))


def test_question_is_told_as_much_as_wanted() -> None:
    assert "question" not in told_by(question=QuestionDetail.NONE)
    assert "facts" not in told_by(question=QuestionDetail.DIGEST)
    full = told_by(question=QuestionDetail.FACTS, leave_out=frozenset({"subject.birth_date"}))

    assert full["facts"] == {"asked": "asked"}
    assert full["left_out"] == ["subject.birth_date"]


def sampled(sampling: dict[str, float], *kinds: tuple[str, str], count: int = 100) -> MemorySink:
    sink = MemorySink()
    log = audit_log(sink, writer=RecordWriter(Telling(sampling=sampling)))
    for effect, reason in kinds:
        said = fields(effect=effect, reason=reason)
        for number in range(count):
            log.append(said, NOW_US, f"id{number}", 7, "", True)
    log.drain()
    assert len(sink.numbers()) == log.written.value()
    assert log.written.value() + log.sampled_out.value() == count * len(kinds)
    assert sink.told("sampled_out", "count") == log.sampled_out.value()
    return sink


def test_sampling_keeps_its_share_of_a_reason_and_counts_the_rest() -> None:
    sink = sampled({"consent_valid": 0.1}, ("permit", "consent_valid"), ("permit", "own_service"))

    assert 9 + 100 <= len(sink.numbers()) <= 10 + 100


def test_sampling_of_permits_never_drops_a_denial() -> None:
    sink = sampled({"permit": 0.0}, ("permit", "consent_valid"), ("deny", "consent_withdrawn"))

    reasons = [r["reason"] for r in sink.stored if r["event"] == "decision"]
    assert reasons == ["consent_withdrawn"] * 100


def test_denial_is_sampled_where_its_reason_is_named() -> None:
    assert len(sampled({"purpose_unknown": 0.25}, ("deny", "purpose_unknown")).numbers()) == 25
