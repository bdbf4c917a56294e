"""The ledger in PostgreSQL: recording, reading, following; two processes' worth of it at once."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import psycopg
import pytest

from consentry.consent import postgres_session
from consentry.consent.errors import (
    EventRefusedError,
    IdempotencyConflictError,
    LedgerCorruptError,
    LedgerError,
    LedgerSchemaError,
    LedgerUnavailableError,
    RightsStandError,
)
from consentry.consent.ledger import Ledger
from consentry.consent.postgres import PostgresSource
from consentry.consent.postgres_schema import dial, migrate, prepare
from consentry.consent.shared import SharedLedger
from consentry.model.consent import EventKind
from tests.support.consent_events import event, gave, query, withdrew
from tests.support.postgres import Cluster
from tests.support.shared_ledgers import open_ledger, open_source

_NAMES = itertools.count(1)


@pytest.fixture
def conninfo(postgres: Cluster) -> str:
    return postgres.create_ledger(f"ledger_{next(_NAMES)}")


@pytest.fixture
def source(conninfo: str) -> Iterator[PostgresSource]:
    opened = open_source(conninfo)
    yield opened
    opened.close()


@pytest.fixture
def ledger(conninfo: str) -> Iterator[SharedLedger]:
    opened = open_ledger(conninfo)
    yield opened
    opened.close()


@pytest.fixture
def other(conninfo: str) -> Iterator[SharedLedger]:
    """Another sidecar on the same ledger."""
    opened = open_ledger(conninfo, "other-")
    yield opened
    opened.close()


def test_ledger_has_the_shape_of_the_port(ledger: SharedLedger) -> None:
    port: Ledger = ledger

    assert port.position() == 0
    assert port.lease is not None
    assert not port.lease.is_over()


def test_what_a_sidecar_recorded_it_shows_at_once(ledger: SharedLedger) -> None:
    ledger.record([gave(1)])
    assert ledger.view("ada").consent(query()).standings

    ledger.record([withdrew(2)])

    assert ledger.view("ada").consent(query()).absence == "consent_withdrawn"


def test_what_one_sidecar_recorded_another_shows(ledger: SharedLedger, other: SharedLedger) -> None:
    ledger.record([gave(1)])
    assert other.wait_for(1, 5)
    cell = other.cell("ada")
    assert other.view("ada").consent(query()).standings

    (recorded,) = ledger.record([withdrew(2)])

    assert other.wait_for(recorded.position, 5)
    assert cell.view is not None
    assert cell.view.consent(query()).absence == "consent_withdrawn"


def test_events_come_back_as_they_were_recorded(ledger: SharedLedger) -> None:
    given = gave(1, qualities=frozenset({"explicit"}), listed=("marketing.sms",))
    (recorded,) = ledger.record([given])

    (event,) = ledger.list_events("ada", 0, 10)

    assert event == replace(
        given, position=1, event_id=recorded.event_id, received_at_us=recorded.received_at_us
    )


def test_same_key_and_content_is_the_same_event(ledger: SharedLedger, other: SharedLedger) -> None:
    (first,) = ledger.record([gave(1)])
    (again,) = other.record([gave(1)])

    assert again == replace(first, is_replay=True)
    assert ledger.position() <= 1


def test_same_key_with_other_content_is_refused_and_nothing_stored(ledger: SharedLedger) -> None:
    ledger.record([gave(1)])

    with pytest.raises(IdempotencyConflictError) as caught:
        ledger.record([gave(2), gave(1, notice="v2")])

    assert caught.value.index == 1
    assert len(ledger.list_events("ada", 0, 10)) == 1


def test_malformed_event_is_refused(ledger: SharedLedger) -> None:
    with pytest.raises(EventRefusedError):
        ledger.record([gave(1, notice="a\x00b")])


def test_names_are_compared_as_bytes(ledger: SharedLedger) -> None:
    ledger.record([gave(1, data_subject_id="Ada", idempotency_key="1")])

    assert ledger.view("ada").revision == 0
    assert ledger.view("Ada").revision == 1


def test_positions_are_dense_and_in_the_order_of_commits(
    source: PostgresSource, conninfo: str
) -> None:
    """Eight threads of two writers; a follower reads all the while and misses nothing."""
    second = open_source(conninfo, "second-")
    seen: list[int] = []
    session = second.follow(None)
    has_begun, is_done = threading.Event(), threading.Event()

    def follow() -> None:
        for frame in session.frames():
            has_begun.set()
            seen.extend(entry.position for entry in frame.entries)
            if len(seen) >= 401:
                is_done.set()
                return

    follower = threading.Thread(target=follow)
    follower.start()
    try:
        assert has_begun.wait(20)
        with ThreadPoolExecutor(8) as pool:
            list(
                pool.map(
                    lambda n: (source, second)[n % 2].record(
                        [gave(n, data_subject_id=f"p{n % 9}", idempotency_key=f"k{n}")]
                    ),
                    range(401),
                )
            )
        assert is_done.wait(60)
    finally:
        session.close()
        follower.join(10)
        second.close()

    assert seen == list(range(1, 402))
    assert source.verify() == 401


def test_a_writer_that_holds_a_lower_position_is_waited_for(
    source: PostgresSource, conninfo: str
) -> None:
    """With a serial column the second writer would commit first, with the higher number."""
    slow = psycopg.connect(conninfo, autocommit=False)
    slow.execute("SELECT position FROM consentry.head FOR UPDATE")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(source.record, [gave(1)])
        with pytest.raises(TimeoutError):
            waiting.result(timeout=0.2)
        slow.rollback()
        slow.close()

        assert waiting.result(10)[0].position == 1


def test_a_writer_that_froze_with_the_lock_stops_the_others_for_two_seconds_only(
    source: PostgresSource, conninfo: str
) -> None:
    frozen = dial(conninfo)
    prepare(frozen)
    frozen.execute("BEGIN")
    frozen.execute("SELECT position FROM consentry.head FOR UPDATE")

    (recorded,) = source.record([gave(1)])

    assert recorded.position == 1
    frozen.close()


def test_changes_of_any_row_are_refused(
    source: PostgresSource, postgres: Cluster, conninfo: str
) -> None:
    source.record([gave(1)])
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for statement in (
            b"UPDATE consentry.event SET public = ''",
            b"DELETE FROM consentry.event",
            b"TRUNCATE consentry.event CASCADE",
            b"UPDATE consentry.personal SET salt = ''",
        ):
            with pytest.raises(psycopg.errors.RaiseException):
                connection.execute(statement)


def test_an_erased_person_is_forgotten_by_every_sidecar_and_the_chain_stays_whole(
    ledger: SharedLedger, other: SharedLedger, source: PostgresSource
) -> None:
    ledger.record([gave(1), withdrew(2), gave(3, data_subject_id="bob", idempotency_key="b")])
    assert other.wait_for(3, 5)
    assert other.view("ada").revision == 2

    erased = ledger.erase("ada")

    assert (erased.count, erased.position) == (2, 4)
    assert ledger.view("ada").revision == 0
    assert other.wait_for(4, 5)
    assert other.view("ada").revision == 0
    assert other.view("bob").revision == 3
    assert source.verify() == 4


def test_rights_that_stand_are_not_forgotten_unasked(source: PostgresSource) -> None:
    source.record([event(EventKind.OBJECTED, 1)])

    with pytest.raises(RightsStandError):
        source.erase("ada")

    assert source.erase("ada", with_rights=True).count == 1
    assert source.erase("ada").count == 0


def test_a_personal_part_that_is_gone_is_told_from_one_that_was_erased(
    source: PostgresSource, conninfo: str
) -> None:
    source.record([gave(1), withdrew(2)])
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("DELETE FROM consentry.personal WHERE position = 1")

    with pytest.raises(LedgerCorruptError, match="position 1 is gone"):
        source.verify()


def test_a_changed_byte_is_found(source: PostgresSource, conninfo: str) -> None:
    source.record([gave(1), withdrew(2)])
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("ALTER TABLE consentry.event DISABLE TRIGGER ALL")
        connection.execute(
            "UPDATE consentry.event SET public = set_byte(public, 30, 65) WHERE position = 2"
        )

    with pytest.raises(LedgerCorruptError, match="position 2"):
        source.verify()


def test_a_lost_tail_is_found(source: PostgresSource, conninfo: str) -> None:
    source.record([gave(1), withdrew(2)])
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("ALTER TABLE consentry.event DISABLE TRIGGER ALL")
        connection.execute("DELETE FROM consentry.personal WHERE position = 2")
        connection.execute("DELETE FROM consentry.event WHERE position = 2")

    with pytest.raises(LedgerCorruptError, match="head"):
        source.verify()


def test_a_ledger_that_lost_what_was_taken_from_it_is_not_followed(
    ledger: SharedLedger, conninfo: str
) -> None:
    """A failover to a standby that was behind: of what is gone, some may have been withdrawals."""
    ledger.record([gave(1), withdrew(2)])
    assert ledger.wait_for(2, 5)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("ALTER TABLE consentry.event DISABLE TRIGGER ALL")
        connection.execute("DELETE FROM consentry.personal WHERE position = 2")
        connection.execute("DELETE FROM consentry.event WHERE position = 2")
        connection.execute("UPDATE consentry.head SET position = 1")
    deadline_s = time.monotonic() + 10

    while ledger.is_fresh():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)

    assert not ledger.view("ada").is_available


def test_commits_that_are_not_durable_are_refused(postgres: Cluster) -> None:
    conninfo = postgres.create_ledger(f"ledger_{next(_NAMES)}")
    postgres.execute(f"ALTER DATABASE {conninfo.rpartition('=')[2]} SET synchronous_commit = off")
    source = open_source(conninfo)

    with pytest.raises(LedgerError, match="synchronous_commit"):
        source.check()
    source.close()


def test_database_without_the_schema_is_refused(postgres: Cluster) -> None:
    source = open_source(postgres.conninfo())

    with pytest.raises(LedgerSchemaError, match="consentry ledger migrate"):
        source.check()
    source.close()


def test_schema_of_a_newer_program_is_refused(source: PostgresSource, conninfo: str) -> None:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("UPDATE consentry.meta SET value = '999' WHERE name = 'schema'")

    with pytest.raises(LedgerSchemaError, match="999"):
        source.check()
    with dial(conninfo) as connection, pytest.raises(LedgerSchemaError, match="999"):
        migrate(connection)


def test_migrating_again_changes_nothing(conninfo: str) -> None:
    connection = dial(conninfo)

    assert migrate(connection) == (1, 1)
    connection.close()


def test_a_sidecar_needs_no_more_rights_than_the_guide_says(
    postgres: Cluster, conninfo: str
) -> None:
    name = conninfo.rpartition("=")[2]
    for statement in (
        f"CREATE ROLE r_{name} LOGIN",
        f"GRANT USAGE ON SCHEMA consentry TO r_{name}",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA consentry TO r_{name}",
        f"GRANT INSERT ON consentry.event, consentry.personal TO r_{name}",
        f"GRANT UPDATE ON consentry.head TO r_{name}",
        f"GRANT DELETE ON consentry.personal TO r_{name}",
    ):
        postgres.execute(statement, database=name)

    ledger = open_ledger(conninfo.replace("user=tester", f"user=r_{name}"))

    assert ledger.record([gave(1)])[0].position == 1
    assert ledger.wait_for(1, 5)
    assert ledger.view("ada").revision == 1
    assert ledger.erase("ada").count == 1
    ledger.close()


def test_a_server_that_is_not_there_is_unavailable() -> None:
    source = open_source("host=127.0.0.1 port=1 user=tester dbname=none")

    with pytest.raises(LedgerUnavailableError):
        source.check()
    source.close()


def test_without_any_notification_changes_arrive_with_the_heartbeat(
    source: PostgresSource, conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_session, "CHANNEL", "nobody_speaks_here")
    deaf = open_ledger(conninfo, "deaf-")

    source.record([gave(1)])

    assert deaf.wait_for(1, 2.0)
    deaf.close()
