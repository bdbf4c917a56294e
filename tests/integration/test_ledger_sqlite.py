"""The ledger on real files: recording, reading, reopening, refusing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import apsw
import pytest

from consentry.consent.errors import (
    EventRefusedError,
    IdempotencyConflictError,
    LedgerUnavailableError,
)
from consentry.consent.ledger import Ledger
from consentry.consent.sqlite import SqliteLedger
from consentry.consent.sqlite_rows import TAIL_COUNT
from tests.support.consent_events import FakeClock, FakeIds, day, gave, query, withdrew


def open_ledger(path: Path, clock: FakeClock | None = None, **options: object) -> SqliteLedger:
    return SqliteLedger(path, clock=clock or FakeClock(), ids=FakeIds(), **options)  # type: ignore[arg-type]  # options are its own


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def ledger(path: Path) -> Iterator[SqliteLedger]:
    opened = open_ledger(path)
    yield opened
    opened.close()


def execute(path: Path, statement: str) -> None:
    connection = apsw.Connection(str(path))
    connection.execute(statement)
    connection.close()


def test_ledger_has_the_shape_of_the_port(ledger: SqliteLedger) -> None:
    port: Ledger = ledger

    assert (port.position(), port.lease) == (0, None)


def test_recorded_event_is_seen_by_the_next_look(ledger: SqliteLedger) -> None:
    (first,) = ledger.record([gave(1)])
    view, cell = ledger.view("ada"), ledger.cell("ada")
    (second,) = ledger.record([withdrew(2)])

    assert (first.position, second.position, ledger.position()) == (1, 2, 2)
    assert cell is ledger.cell("ada")
    assert cell.view is not view
    assert cell.view is ledger.view("ada")
    assert ledger.view("ada").consent(query()).absence == "consent_withdrawn"


def test_events_survive_a_new_opening_unchanged(path: Path) -> None:
    ledger = open_ledger(path)
    ledger.record([gave(1, qualities=frozenset({"explicit"}), listed=("marketing.sms",))])
    before = ledger.list_events("ada", 0, 10)
    ledger.close()

    again = open_ledger(path)

    assert again.list_events("ada", 0, 10) == before
    assert before[0].qualities == {"explicit"}
    assert again.view("ada").revision == again.position() == 1
    again.close()


def test_same_key_and_content_is_the_same_event(ledger: SqliteLedger) -> None:
    (first,) = ledger.record([gave(1)])

    again = ledger.record([gave(1), gave(2), gave(2)])

    assert again[0] == replace(first, is_replay=True)
    assert [r.position for r in again] == [1, 2, 2]
    assert [r.is_replay for r in again] == [True, False, True]
    assert ledger.verify() == 2


def test_event_without_a_time_is_replayed_though_time_went_on(path: Path) -> None:
    clock = FakeClock()
    ledger = open_ledger(path, clock)
    unset = gave(1, happened_at_us=0)
    ledger.record([unset])
    clock.us += 1

    assert ledger.record([unset])[0].is_replay
    assert ledger.list_events("ada", 0, 1)[0].happened_at_us == day(100)
    ledger.close()


def test_same_key_with_other_content_stores_nothing(ledger: SqliteLedger) -> None:
    ledger.record([gave(1)])

    with pytest.raises(IdempotencyConflictError) as refused:
        ledger.record([gave(2), replace(gave(1), notice="2")])

    assert refused.value.index == 1
    assert (ledger.position(), ledger.verify()) == (1, 1)
    assert ledger.record([gave(3)])[0].position == 2


def test_batch_of_old_and_new_keys_adds_only_what_is_new(ledger: SqliteLedger) -> None:
    first = ledger.record([gave(1, idempotency_key=f"k{n}") for n in range(3)])

    mixed = ("new-1", "k1", "new-2", "new-1", "k0")
    again = ledger.record([gave(1, idempotency_key=key) for key in mixed])

    assert [r.is_replay for r in again] == [False, True, False, True, True]
    assert [r.position for r in again] == [4, 2, 5, 4, 1]
    assert [again[n].event_id for n in (1, 3, 4)] == [
        first[1].event_id, again[0].event_id, first[0].event_id
    ]  # fmt: skip
    assert ledger.verify() == ledger.position() == 5


def test_conflict_is_told_of_the_first_event_that_has_one(ledger: SqliteLedger) -> None:
    ledger.record([gave(1, idempotency_key="k")])

    with pytest.raises(IdempotencyConflictError) as refused:
        ledger.record(
            [
                gave(1, idempotency_key="new"),
                gave(2, idempotency_key="k"),
                gave(2, idempotency_key="new"),
            ]
        )

    assert refused.value.index == 1
    assert ledger.verify() == ledger.position() == 1


def test_bad_event_spoils_its_batch(ledger: SqliteLedger) -> None:
    with pytest.raises(EventRefusedError) as refused:
        ledger.record([gave(1), replace(gave(2), data_subject_id="")])

    assert (refused.value.index, refused.value.field) == (1, "subject")
    assert ledger.position() == 0


def test_receipt_never_goes_back_with_the_clock(path: Path) -> None:
    clock = FakeClock(day(10))
    ledger = open_ledger(path, clock)
    ledger.record([gave(1)])
    clock.us = day(5)

    (recorded,) = ledger.record([withdrew(2)])

    assert recorded.received_at_us == day(10)
    assert ledger.view("ada").consent(query(5)).absence == "consent_withdrawn"
    ledger.close()


def test_history_is_paged_by_position(ledger: SqliteLedger) -> None:
    for number in range(1, 8):
        other = gave(number, data_subject_id="b", idempotency_key=f"b{number}")
        ledger.record([gave(number), other])

    seen: list[int] = []
    while page := ledger.list_events("ada", seen[-1] if seen else 0, 3):
        assert len(page) <= 3
        seen += [event.position for event in page]

    assert seen == [1, 3, 5, 7, 9, 11, 13]


def test_ids_that_look_like_something_else_are_only_bytes(ledger: SqliteLedger) -> None:
    names = ["'; DROP TABLE event; --", "../../etc/passwd", "%s{0}", "ÅDA", "åda"]
    ledger.record(
        [gave(1, data_subject_id=name, idempotency_key=f"k{n}") for n, name in enumerate(names)]
    )

    assert [ledger.list_events(n, 0, 9)[0].data_subject_id for n in names] == names
    assert ledger.view("Ada").revision == 0


def test_closed_ledger_is_unavailable(ledger: SqliteLedger) -> None:
    ledger.record([gave(1)])
    cell = ledger.cell("ada")
    ledger.view("ada")
    ledger.close()
    ledger.close()

    assert cell.view is None
    assert not ledger.view("ada").is_available
    with pytest.raises(LedgerUnavailableError):
        ledger.record([gave(2)])
    with pytest.raises(LedgerUnavailableError):
        ledger.list_events("ada", 0, 1)


def test_database_itself_refuses_to_change_events(path: Path, ledger: SqliteLedger) -> None:
    ledger.record([gave(1)])

    for statement in ("UPDATE event SET public = x''", "DELETE FROM event",
                      "UPDATE personal SET personal = x''"):  # fmt: skip
        with pytest.raises(apsw.ConstraintError):
            execute(path, statement)


def test_full_disk_refuses_and_a_later_withdrawal_goes_through(path: Path) -> None:
    ledger = open_ledger(path)
    ledger.record([gave(1)])
    view = ledger.view("ada")
    ledger._writer.execute("PRAGMA max_page_count = 1")  # the writer opened next has no such bound

    with pytest.raises(LedgerUnavailableError):
        ledger.record([gave(3, idempotency_key=f"k{n}") for n in range(200)])
    assert ledger.cell("ada").view is view
    assert ledger.position() == 1

    (recorded,) = ledger.record([withdrew(2)])

    assert recorded.position == 2
    assert ledger.view("ada").consent(query()).absence == "consent_withdrawn"
    ledger.close()


def test_error_after_the_commit_leaves_no_stale_view(path: Path) -> None:
    failures: list[Exception] = []

    def failpoint(point: str) -> None:
        if point == "after_commit" and failures:
            raise failures.pop()

    ledger = open_ledger(path, failpoint=failpoint)
    ledger.record([gave(1)])
    ledger.view("ada")
    failures.append(apsw.IOError())
    with pytest.raises(LedgerUnavailableError):
        ledger.record([withdrew(2)])

    (replayed,) = ledger.record([withdrew(2)])

    assert replayed.is_replay
    assert ledger.view("ada").consent(query()).absence == "consent_withdrawn"
    ledger.close()


def test_failed_read_gives_an_unavailable_view(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = open_ledger(path)

    def fail(_: Path) -> apsw.Connection:
        raise apsw.IOError

    monkeypatch.setattr("consentry.consent.sqlite_readers.open_reader", fail)

    assert not ledger.view("ada").is_available
    assert ledger.cell("ada").view is None
    ledger.close()


def test_writers_on_many_threads_make_one_dense_order(ledger: SqliteLedger) -> None:
    positions: list[int] = []
    stale: list[str] = []
    start = threading.Barrier(4)

    def write(name: str) -> None:
        start.wait(10)
        for number in range(25):
            event = gave(1, data_subject_id=name, idempotency_key=f"{name}-{number}")
            (recorded,) = ledger.record([event])
            positions.append(recorded.position)
            view = ledger.view(name)
            if view.revision != recorded.position or ledger.position() < recorded.position:
                stale.append(event.idempotency_key)

    threads = [threading.Thread(target=write, args=(f"p{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert stale == []
    assert sorted(positions) == list(range(1, 101))
    assert ledger.verify() == 100


def test_ten_thousand_events_keep_their_chain(
    path: Path, figure: Callable[[str, object], None]
) -> None:
    ledger = open_ledger(path)
    batches = [
        [
            gave(1, data_subject_id=f"s{n % 500}", idempotency_key=f"{batch}-{n}")
            for n in range(1_000)
        ]
        for batch in range(10)
    ]

    started = time.perf_counter()
    for batch in batches:
        ledger.record(batch)
    took_s = time.perf_counter() - started
    ledger.close()
    started = time.perf_counter()
    again = open_ledger(path)
    figure("ledger: opening after 10,000 events, ms", round((time.perf_counter() - started) * 1e3))
    figure("ledger: events a second in batches of 1,000", round(10_000 / took_s))

    assert TAIL_COUNT < again.position() == again.verify() == 10_000
    assert len(again.list_events("s7", 0, 100)) == 20
    again.close()


def test_file_of_peoples_consent_is_not_readable_to_others(
    path: Path, ledger: SqliteLedger
) -> None:
    ledger.record([gave(1)])

    for suffix in ("", "-wal", "-shm", ".lock", ".anchor", ".reserve"):
        assert path.with_name(path.name + suffix).stat().st_mode & 0o077 == 0
