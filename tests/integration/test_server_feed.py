"""WatchConsent over real sockets, and sidecars that follow a node with an embedded ledger."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from server_world import CONSENT, World, channel_to, serving

from consentry.consent.errors import (
    EventRefusedError,
    IdempotencyConflictError,
    LedgerDivergedError,
    LedgerUnavailableError,
)
from consentry.consent.feed import Place
from consentry.consent.local_feed import LocalFeed
from consentry.consent.recent import RecentEntries
from consentry.consent.shared import SharedLedger
from consentry.consent.sqlite import SqliteLedger
from consentry.model.consent import ConsentEvent
from consentry.server.consent_feed import ConsentFeedMethods
from consentry.server.ledger_service import LedgerMethods
from consentry.server.upstream import UpstreamSource
from consentry.v1 import consent_pb2 as wire
from tests.support.consent_events import FakeClock, FakeIds, day, gave, query, withdrew
from tests.support.shared_ledgers import TIMES, boot_us, open_ledger

PURPOSE = "marketing"


@dataclass
class Node:
    """A serving ledger node over a SQLite file."""

    ledger: SqliteLedger
    world: World

    @property
    def target(self) -> str:
        return self.world.bound.grpc[0]

    def record(self, count: int, first: int = 0) -> None:
        self.ledger.record(
            [
                gave(1, data_subject_id=f"p{n}", idempotency_key=f"k{n}")
                for n in range(first, first + count)
            ]
        )

    def follow(self, channel: grpc.Channel, **said: Any) -> Any:
        request = wire.WatchConsentRequest(heartbeat_ms=50, **said)
        return channel.unary_stream(
            CONSENT + "WatchConsent",
            request_serializer=wire.WatchConsentRequest.SerializeToString,
            response_deserializer=wire.WatchConsentResponse.FromString,
        )(request, timeout=60)

    def source(self) -> UpstreamSource:
        return UpstreamSource([self.target], heartbeat_us=TIMES.heartbeat_us, read_us=boot_us)


class NoVerifier:
    """The node verifies nothing here."""

    progress: Any = None

    def again(self) -> None: ...


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    ledger = SqliteLedger(tmp_path / "ledger.db", clock=FakeClock(), ids=FakeIds())
    world = World()
    world.ledger = ledger  # type: ignore[assignment]  # a real one in place of the fake
    world.feeding = ConsentFeedMethods(LocalFeed(ledger), boot_us)
    world.further = (LedgerMethods(ledger=ledger, eraser=ledger, verifier=NoVerifier()),)
    with serving(world, grace_s=1.0):
        yield Node(ledger, world)
    ledger.close()


def positions(call: Any, until: int) -> list[int]:
    """Positions of the changes, up to one."""
    found: list[int] = []
    while not found or found[-1] < until:
        message = next(call)
        found += [c.event.position or c.erased.position for c in message.changes]
    return found


def test_a_follower_begins_where_the_ledger_is_and_hears_of_every_change(node: Node) -> None:
    node.record(3)
    with channel_to(node.target) as channel:
        call = node.follow(channel)
        first, second = next(call), next(call)
        node.record(2, first=3)

        assert positions(call, 5) == [4, 5]
        assert (first.is_beginning, first.ledger_position, first.has_more) == (True, 3, True)
        assert (second.is_beginning, list(second.changes), second.age_us) == (False, [], 0)
        assert second.elapsed_us > 0
        call.cancel()


def test_a_broken_stream_goes_on_from_the_last_position(node: Node) -> None:
    node.record(250)
    with channel_to(node.target) as channel:
        call = node.follow(channel, after_position=0)
        got = [c.event.position for c in next(call).changes]
        call.cancel()

        again = node.follow(channel, after_position=got[-1])

        assert got + positions(again, 250) == list(range(1, 251))
        again.cancel()


def test_a_follower_with_other_events_is_refused(node: Node) -> None:
    node.record(3)
    with channel_to(node.target) as channel:
        call = node.follow(channel, after_position=3, digest=b"x" * 32)

        with pytest.raises(grpc.RpcError) as refused:
            next(call)

    assert refused.value.code() is grpc.StatusCode.DATA_LOSS


@pytest.mark.parametrize(
    "said", [{"after_position": -1}, {"heartbeat_ms": 1}], ids=["position", "heartbeat"]
)
def test_a_malformed_request_is_refused(node: Node, said: dict[str, int]) -> None:
    with channel_to(node.target) as channel:
        request = wire.WatchConsentRequest(**said).SerializeToString()
        with pytest.raises(grpc.RpcError) as refused:
            next(channel.unary_stream(CONSENT + "WatchConsent")(request, timeout=20))

    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_a_follower_that_does_not_read_slows_nobody_and_misses_nothing(node: Node) -> None:
    with channel_to(node.target) as slow, channel_to(node.target) as quick:
        stalled = node.follow(slow, after_position=0)
        other = node.follow(quick, after_position=0)
        for batch in range(5):
            node.record(1_000, first=batch * 1_000)
            assert positions(other, (batch + 1) * 1_000)[-1] == (batch + 1) * 1_000

        assert positions(stalled, 5_000) == list(range(1, 5_001))
        stalled.cancel()
        other.cancel()


def test_a_node_that_leaves_says_so(node: Node) -> None:
    with channel_to(node.target) as channel:
        call = node.follow(channel)
        next(call)
        leaving = threading.Thread(target=node.world.sidecar.drain)
        leaving.start()
        with pytest.raises(grpc.RpcError) as told:
            for _ in call:
                pass
        leaving.join(20)

    assert told.value.code() is grpc.StatusCode.UNAVAILABLE


def test_a_sidecar_that_is_no_node_tells_nobody(tmp_path: Path) -> None:
    with serving() as world, channel_to(world.bound.grpc[0]) as channel:
        with pytest.raises(grpc.RpcError) as refused:
            next(channel.unary_stream(CONSENT + "WatchConsent")(b"", timeout=20))

        assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.fixture
def follower(node: Node) -> Iterator[SharedLedger]:
    opened = open_ledger(node.source())
    yield opened
    opened.close()


def given(key: str = "k", **members: Any) -> ConsentEvent:
    return gave(1, purpose=PURPOSE, idempotency_key=key, **members)


def test_a_sidecar_records_through_its_node_and_shows_it_at_once(
    node: Node, follower: SharedLedger
) -> None:
    (recorded,) = follower.record([given()])
    assert follower.view("ada").consent(query()).standings

    follower.record([withdrew(2, purpose=PURPOSE, idempotency_key="w")])

    assert follower.view("ada").consent(query()).absence == "consent_withdrawn"
    assert follower.record([given()])[0].position == recorded.position
    assert node.ledger.position() == 2


def test_an_event_arrives_at_a_follower_as_it_was_recorded(
    node: Node, follower: SharedLedger
) -> None:
    node.ledger.record(
        [given(qualities=frozenset({"explicit"}), notice="v2", expires_at_us=day(400))]
    )
    assert follower.wait_for(1, 10)

    assert follower.list_events("ada", 0, 10) == node.ledger.list_events("ada", 0, 10)
    page = follower.recent.after(0, 10)
    assert page is not None
    assert page.entries == node.ledger.list_events("ada", 0, 10)


def test_what_a_node_refuses_the_sidecar_refuses_in_the_same_words(
    node: Node, follower: SharedLedger
) -> None:
    follower.record([given()])

    with pytest.raises(IdempotencyConflictError) as conflict:
        follower.record([given("other"), given(notice="v2")])
    with pytest.raises(EventRefusedError):
        follower.record([given("x", notice="a\x00b")])

    assert conflict.value.index == 1


def test_an_erased_person_is_forgotten_by_followers(node: Node, follower: SharedLedger) -> None:
    follower.record([given()])
    assert follower.wait_for(1, 10)
    assert follower.view("ada").revision == 1

    node.ledger.erase("ada")

    assert follower.wait_for(2, 10)
    assert follower.view("ada").revision == 0


def test_a_sidecar_that_knows_other_events_does_not_follow(node: Node) -> None:
    node.record(2)
    source = node.source()

    with pytest.raises(LedgerDivergedError):
        next(iter(source.follow(Place(2, b"y" * 32)).frames()))
    source.close()


def test_a_node_behind_its_follower_proves_nothing_until_it_is_told_apart(node: Node) -> None:
    """It was restored from an old copy: new withdrawals get positions that the follower has."""
    node.record(3)
    with channel_to(node.target) as channel:
        with pytest.raises(grpc.RpcError) as behind:
            next(node.follow(channel, after_position=5, digest=b"\x01" * 32))
        node.record(3, first=3)
        with pytest.raises(grpc.RpcError) as beyond:
            next(node.follow(channel, after_position=5, digest=b"\x01" * 32))

    assert behind.value.code() is grpc.StatusCode.UNAVAILABLE
    assert beyond.value.code() is grpc.StatusCode.DATA_LOSS


def test_a_follower_goes_on_at_a_node_that_was_a_moment_behind(node: Node) -> None:
    node.record(3)
    with channel_to(node.target) as channel:
        # What comes while the node waits for it.
        call = node.follow(channel, after_position=4)
        node.record(2, first=3)

        assert positions(call, 5) == [5]
        call.cancel()


def test_each_page_of_a_long_way_tells_what_the_follower_can_be_told_apart_by(node: Node) -> None:
    recent = RecentEntries()
    node.record(250)
    page = LocalFeed(node.ledger).read_after(0, 250)
    recent.begin_at(Place(0))
    recent.add(page.entries, page.place)
    feed = LocalFeed(node.ledger)
    feed.read_after = recent.after  # type: ignore[method-assign, assignment]  # as a shared one does
    methods = ConsentFeedMethods(feed, boot_us)
    stream: Any = SimpleNamespace(owe_nothing=lambda _: None, is_leaving=False)
    raw = wire.WatchConsentRequest(after_position=0).SerializeToString()
    told = methods.watch(raw, stream)

    pages = [wire.WatchConsentResponse.FromString(next(told)) for _ in range(3)]

    assert [p.ledger_position for p in pages] == [100, 200, 250]
    assert [p.digest for p in pages] == [feed.digest_at(n) for n in (100, 200, 250)]


def test_a_node_that_is_gone_is_unavailable(node: Node) -> None:
    source = node.source()
    node.world.sidecar.stop()

    with pytest.raises(LedgerUnavailableError):
        source.record([given()])
    with pytest.raises(LedgerUnavailableError):
        source.read_person("ada", 0)
    source.close()
