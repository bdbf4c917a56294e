"""Claims about reading decision logs back: each record once, in order, found by its person."""

from __future__ import annotations

from pathlib import Path

from consentry.telemetry.audit.files import FileSink, Turning
from consentry.telemetry.audit.keys import KeyRing
from consentry.telemetry.audit.log import AuditLog
from consentry.telemetry.audit.reader import AuditReader
from consentry.telemetry.audit.record import RecordWriter, Telling
from tests.support.audit import NOW_US, fields

HOUR_US = 3_600_000_000
ADA, BOB = fields(), fields(data_subject_id="bob@example.org")


class Written:
    """A log in a folder, written through its real sink and keys."""

    def __init__(self, folder: Path, place: str = ".", **how: object) -> None:
        self.now_us = NOW_US
        self.ring = KeyRing(folder / "keys")
        self.log = AuditLog(
            FileSink(folder / place, now_us=lambda: self.now_us, turning=Turning(max_bytes=2_000)),
            keys=self.ring,
            now_us=lambda: self.now_us,
            writer=RecordWriter(Telling(**how)),  # type: ignore[arg-type]  # a test's words
            capacity=20,
        )

    def note(self, said: object = ADA, decision_id: str = "", at_us: int | None = None) -> None:
        name = decision_id or f"id{self.now_us}"
        self.log.append(said, at_us or self.now_us, name, 7, "", False)  # type: ignore[arg-type]
        self.now_us += 1


def test_every_record_of_all_files_is_read_once_in_order(tmp_path: Path) -> None:
    written = Written(tmp_path)
    for _ in range(4):
        for _ in range(5):
            written.note()
        written.log.drain()
    written.log.close()
    reader = AuditReader(tmp_path)

    times = [record.time_us for record in reader.records()]

    assert times == list(range(NOW_US, NOW_US + 20))
    assert len(list(tmp_path.glob("decisions-*.jsonl"))) > 1
    assert reader.tally.record_count == 20


def test_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    written = Written(tmp_path)
    said = fields(granted=("customer.name",), is_consent_known=False)
    written.log.append(said, NOW_US, "abc", 7, "req", True, "svc", "f" * 32)
    written.log.close()

    (record,) = AuditReader(tmp_path).records()

    key = written.ring.current(NOW_US)
    assert (record.time_us, record.decision_id, record.position) == (NOW_US, "abc", 7)
    assert (record.effect, record.reason, record.rule) == (
        "permit", "consent_valid", "mail_campaign",
    )  # fmt: skip
    assert (record.data, record.granted) == (("customer.contact.email",), ("customer.name",))
    assert (record.caller, record.correlation_id, record.trace_id) == ("svc", "req", "f" * 32)
    assert (record.is_hit, record.is_consent_known, record.revision) == (True, False, 5)
    assert (record.key, record.data_subject) == (key.name, key.name_of("ada@example.org"))


def test_person_is_found_under_every_living_key(tmp_path: Path) -> None:
    written = Written(tmp_path)
    for said in (ADA, BOB):
        written.note(said)
    written.log.drain()
    written.now_us += HOUR_US
    written.ring.begin(written.now_us)
    written.now_us += 2_000_000
    for said in (ADA, BOB, ADA):
        written.note(said)
    written.log.close()
    reader = AuditReader(tmp_path)
    assert len({record.data_subject for record in reader.records()}) == 4

    is_ada = reader.is_about("ada@example.org")
    assert [is_ada(record) for record in reader.records()] == [True, False, True, False, True]

    written.ring.delete(written.ring.names()[0])
    is_ada = reader.is_about("ada@example.org")
    assert [is_ada(record) for record in reader.records()] == [False, False, True, False, True]


def test_person_in_clear_is_found_without_a_key(tmp_path: Path) -> None:
    written = Written(tmp_path, is_person_clear=True)
    written.note(ADA)
    written.note(BOB)
    written.log.close()
    for name in written.ring.names():
        written.ring.delete(name)
    reader = AuditReader(tmp_path)

    is_bob = reader.is_about("bob@example.org")
    assert [is_bob(record) for record in reader.records()] == [False, True]


def test_logs_of_workers_are_merged_by_time(tmp_path: Path) -> None:
    parts = [Written(tmp_path, f"worker-{number}") for number in (0, 1)]
    for turn in range(6):
        parts[turn % 2].note(decision_id=f"d{turn}", at_us=NOW_US + turn)
    for part in parts:
        part.log.close()

    ids = [record.decision_id for record in AuditReader(tmp_path).records()]

    assert ids == [f"d{turn}" for turn in range(6)]


def test_gaps_samples_and_damage_are_told(tmp_path: Path) -> None:
    written = Written(tmp_path, sampling={"permit": 0.5})
    for _ in range(30):
        written.note()
    written.log.close()
    with (tmp_path / "decisions.jsonl").open("ab") as file:
        file.write(b'{"event":"decision","seq"\n\xff\n{"event":"resumed"}\n[]\n')
    reader = AuditReader(tmp_path)

    count = len(list(reader.records()))

    tally = reader.tally
    assert (count, tally.dropped_count, tally.sampled_out_count) == (10, 10, 10)
    assert tally.damaged_count == 3


def test_group_that_was_stored_twice_is_read_once(tmp_path: Path) -> None:
    written = Written(tmp_path)
    written.note(decision_id="once")
    written.log.close()
    (tmp_path / "decisions-000001.jsonl").write_bytes((tmp_path / "decisions.jsonl").read_bytes())

    assert len(list(AuditReader(tmp_path).records())) == 1


def test_progress_comes_to_the_whole(tmp_path: Path) -> None:
    written = Written(tmp_path)
    for _ in range(10):
        written.note()
    written.log.close()
    seen: list[tuple[int, int]] = []

    list(AuditReader(tmp_path).records(lambda done, total: seen.append((done, total))))

    size = (tmp_path / "decisions.jsonl").stat().st_size
    assert seen[-1][0] == seen[-1][1] >= size
    assert seen == sorted(seen)


def test_lines_collected_elsewhere_are_read_as_a_file(tmp_path: Path) -> None:
    written = Written(tmp_path)
    written.note()
    written.log.close()
    (tmp_path / "decisions.jsonl").rename(tmp_path / "collected.ndjson")

    (record,) = AuditReader(tmp_path / "collected.ndjson").records()

    assert AuditReader(tmp_path / "collected.ndjson").is_about("ada@example.org")(record)
