"""Calls that name a ledger position wait for it, and nobody waits with them."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from server_world import (
    AUTHORIZATION,
    CONSENT,
    World,
    call,
    channel_to,
    gave,
    outcome,
    question,
    serving,
)

from consentry.v1 import consent_pb2

TOKEN = (("consentry-at-least", "9"),)


class Ledger:
    """Waits until it is told that the position has come."""

    def __init__(self) -> None:
        self.has_come = threading.Event()
        self.waits: list[tuple[int, float]] = []
        self.arrived = threading.Semaphore(0)

    def wait_for(self, position: int, timeout_s: float) -> bool:
        self.waits.append((position, timeout_s))
        self.arrived.release()
        return self.has_come.wait(timeout_s)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def world(ledger: Ledger) -> World:
    world = World()
    world.wait_for = ledger.wait_for
    return world


def test_check_waits_for_its_position_and_slows_no_other(world: World, ledger: Ledger) -> None:
    raw = question().SerializeToString()
    with (
        serving(world, check_threads=1),
        channel_to(world.bound.grpc[0]) as channel,
        ThreadPoolExecutor(4) as pool,
    ):
        waiting = [
            pool.submit(call, channel, AUTHORIZATION + "Check", raw, metadata=TOKEN)
            for _ in range(3)
        ]
        for _ in waiting:
            assert ledger.arrived.acquire(timeout=10)

        # The one thread for checks is free.
        assert call(channel, AUTHORIZATION + "Check", raw)
        world.decider.position = 9
        ledger.has_come.set()

        assert all(answer.result(20) for answer in waiting)
        assert {position for position, _ in ledger.waits} == {9}


def test_a_wait_ends_before_the_callers_deadline_and_says_where_the_ledger_stands(
    world: World, ledger: Ledger
) -> None:
    with serving(world), channel_to(world.bound.grpc[0]) as channel:
        problem = outcome(
            channel,
            AUTHORIZATION + "Check",
            question().SerializeToString(),
            metadata=TOKEN,
            timeout=2.0,
        )

    assert problem.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert ledger.waits[0][1] < 2.0


def test_a_withdrawal_waits_behind_nobody_who_waits_for_a_position(
    world: World, ledger: Ledger
) -> None:
    raw = question().SerializeToString()
    with (
        serving(world, wait_threads=1) as running,
        channel_to(running.bound.grpc[0]) as channel,
        ThreadPoolExecutor(2) as pool,
    ):
        waiting = [
            pool.submit(outcome, channel, AUTHORIZATION + "Check", raw, metadata=TOKEN, timeout=30)
            for _ in range(2)
        ]
        assert ledger.arrived.acquire(timeout=10)
        event = gave(kind=consent_pb2.EVENT_KIND_WITHDRAWN)
        recording = consent_pb2.RecordConsentRequest(events=[event]).SerializeToString()
        try:
            told = call(channel, CONSENT + "RecordConsent", recording, timeout=5)
        finally:
            ledger.has_come.set()
        for answer in waiting:
            answer.result(20)

    assert consent_pb2.RecordConsentResponse.FromString(told).ledger_position == 1


def test_reading_consent_waits_too(world: World, ledger: Ledger) -> None:
    ledger.has_come.set()
    raw = consent_pb2.GetConsentRequest(subject="ada").SerializeToString()
    with serving(world), channel_to(world.bound.grpc[0]) as channel:
        problem = outcome(channel, CONSENT + "GetConsent", raw, metadata=TOKEN)

    assert problem.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert len(ledger.waits) == 1
