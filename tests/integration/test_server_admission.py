"""Who is let in, on which threads, and what is never refused: health and reflection."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from server_world import (
    AUTHORIZATION,
    POLICY,
    World,
    call,
    channel_to,
    outcome,
    question,
    serving,
)

CHECK = AUTHORIZATION + "Check"
HEALTH = "/grpc.health.v1.Health/Check"


@pytest.fixture(scope="module")
def shared() -> Iterator[World]:
    with serving() as world:
        yield world


def health(channel: grpc.Channel, service: str) -> int:
    raw = call(channel, HEALTH, health_pb2.HealthCheckRequest(service=service).SerializeToString())
    return int(health_pb2.HealthCheckResponse.FromString(raw).status)


def test_full_class_is_refused_at_once_while_health_answers_on_both_ports() -> None:
    world = World()
    world.decider.may_answer.clear()
    with (
        serving(world, check_threads=2, check_limit=3),
        channel_to(world.bound.grpc[0]) as channel,
        ThreadPoolExecutor(3) as callers,
    ):
        assert world.bound.health is not None
        held = [
            callers.submit(call, channel, CHECK, question().SerializeToString()) for _ in range(3)
        ]
        for _ in range(2):
            assert world.decider.arrived.acquire(timeout=20)
        problem = outcome_when_full(world, channel)

        on_main = health(channel, "consentry.v1.AuthorizationService")
        with channel_to(world.bound.health) as other:
            beside = health(other, "consentry.v1.AuthorizationService")
        # A class of its own: writing consent goes on.
        call(channel, POLICY + "GetPolicySet", b"")
        world.decider.may_answer.set()
        answers = [future.result(20) for future in held]
        call(channel, CHECK, question().SerializeToString())

    assert problem.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert on_main == beside == health_pb2.HealthCheckResponse.SERVING
    assert all(answers)
    assert dict(world.metrics.refused.series())[("check",)] >= 1


def outcome_when_full(world: World, channel: grpc.Channel) -> grpc.RpcError:
    """The refusal; the third held call may still be on its way, so a short call may go first."""
    for _ in range(10_000):
        if world.sidecar.pools.check.is_full:
            return outcome(channel, CHECK, question().SerializeToString())
        call(channel, HEALTH, b"")
    raise AssertionError("never full")


def test_places_are_given_back_when_callers_leave_before_they_are_served() -> None:
    world = World()
    world.decider.may_answer.clear()
    with (
        serving(world, check_threads=1, check_limit=2),
        channel_to(world.bound.grpc[0]) as channel,
        ThreadPoolExecutor(1) as callers,
    ):
        held = callers.submit(call, channel, CHECK, question().SerializeToString())
        assert world.decider.arrived.acquire(timeout=20)
        left = outcome(channel, CHECK, question().SerializeToString(), timeout=0.2)
        world.decider.may_answer.set()
        held.result(20)
        for _ in range(5):
            call(channel, CHECK, question().SerializeToString())

    assert left.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    # The one who left was never evaluated: one held, five later.
    assert len(world.decider.asked) == 6
    assert world.sidecar.pools.check.count_in_flight() == 0


def test_health_speaks_for_each_part(shared: World) -> None:
    with channel_to(shared.bound.grpc[0]) as channel:
        states = {
            name: health(channel, name)
            for name in (
                "", "consentry.v1.AuthorizationService", "consentry.v1.ConsentService",
                "consentry.v1.PolicyService", "consentry.policy", "consentry.consent",
            )
        }  # fmt: skip
        unknown = outcome(
            channel, HEALTH, health_pb2.HealthCheckRequest(service="x").SerializeToString()
        )

    assert set(states.values()) == {health_pb2.HealthCheckResponse.SERVING}
    assert unknown.code() is grpc.StatusCode.NOT_FOUND


def test_health_follows_policies_and_ledger() -> None:
    world = World()
    world.policies.current = None
    world.is_ledger_usable = False
    serving_, not_serving = 1, 2
    with serving(world), channel_to(world.bound.grpc[0]) as channel:
        before = [health(channel, n) for n in ("", "consentry.policy", "consentry.consent")]
        world.policies.current = World().policies.current
        world.is_ledger_usable = True
        world.sidecar.refresh_health()
        after = [health(channel, n) for n in ("", "consentry.policy", "consentry.consent")]

    assert before == [not_serving] * 3
    assert after == [serving_] * 3


def test_reflection_lists_our_services(shared: World) -> None:
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    with channel_to(shared.bound.grpc[0]) as channel:
        stream = channel.stream_stream(
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )
        answer = next(iter(stream(iter([request]), timeout=20)))

    names = {service.name for service in answer.list_services_response.service}
    assert {
        "consentry.v1.AuthorizationService", "consentry.v1.ConsentService",
        "consentry.v1.PolicyService", "grpc.health.v1.Health",
    } <= names  # fmt: skip


def test_each_class_of_methods_runs_on_its_own_threads() -> None:
    """Holds the attribute by which grpcio chooses a pool."""
    world = World()
    names: list[str] = []
    world.on_call = lambda: names.append(threading.current_thread().name)
    with serving(world), channel_to(world.bound.grpc[0]) as channel:
        call(channel, CHECK, question().SerializeToString())
        call(channel, POLICY + "ReloadPolicies", b"")

    assert [name.rpartition("_")[0] for name in names] == ["consentry-check", "consentry-wait"]
