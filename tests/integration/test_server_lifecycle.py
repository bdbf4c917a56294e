"""Taking addresses and giving them up; leaving without failing a call."""

from __future__ import annotations

import socket
import threading
import urllib.request
from http.client import HTTPConnection
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from server_world import AUTHORIZATION, World, call, channel_to, question, serving

from consentry.server.addresses import AddressError, AddressInUseError
from consentry.server.options import ServerOptions

CHECK = AUTHORIZATION + "Check"
RAW = question().SerializeToString()


def test_port_of_a_living_server_is_refused() -> None:
    with serving() as first:
        taken = first.bound.grpc[0]
        with pytest.raises(AddressInUseError, match="in use"):
            World().build(listen=(taken,)).start()
        with pytest.raises(AddressInUseError, match="in use"):
            World().build(http_listen=taken).start()
        with pytest.raises(AddressInUseError, match="in use"):
            World().build(health_listen=taken).start()
        with channel_to(taken) as channel:
            call(channel, CHECK, RAW)


def test_socket_path_of_a_living_server_is_refused(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/consentry.sock"
    with serving(listen=(address,)):
        with pytest.raises(AddressInUseError, match="living server"):
            World().build(listen=(address,)).start()
        with channel_to(address) as channel:
            call(channel, CHECK, RAW)


def test_socket_path_of_some_other_living_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.sock"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        with pytest.raises(AddressInUseError, match="living server"):
            World().build(listen=(f"unix:{path}",)).start()

    assert path.exists()


def test_socket_of_a_dead_server_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "stale.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))

    with serving(listen=(f"unix:{path}",)) as world, channel_to(world.bound.grpc[0]) as channel:
        call(channel, CHECK, RAW)


def test_file_in_the_place_of_a_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("data")

    with pytest.raises(AddressError, match="not a socket"):
        World().build(listen=(f"unix:{path}",)).start()

    assert path.read_text() == "data"


def test_address_can_be_taken_again_after_stop(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/consentry.sock"
    for _ in range(2):
        with serving(listen=(address,)), channel_to(address) as channel:
            call(channel, CHECK, RAW)


def test_failed_start_gives_up_what_it_had_taken(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/consentry.sock"
    with serving() as first:
        with pytest.raises(AddressInUseError):
            World().build(listen=(address, first.bound.grpc[0])).start()
        with serving(listen=(address,)), channel_to(address) as channel:
            call(channel, CHECK, RAW)


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "192.0.2.1:7470", "example.org:1"])
def test_address_off_loopback_needs_so_many_words(address: str) -> None:
    with pytest.raises(AddressError, match="insecure_off_loopback"):
        World().build(listen=(address,)).start()


def test_health_and_metrics_may_be_asked_for_from_elsewhere() -> None:
    with serving(health_listen="0.0.0.0:0", http_listen="0.0.0.0:0") as world:
        assert world.bound.health is not None
        assert world.bound.http is not None
        with channel_to(f"127.0.0.1:{port_of(world.bound.health)}") as channel:
            asked = health_pb2.HealthCheckRequest()
            answer = health_pb2_grpc.HealthStub(channel).Check(asked, timeout=10)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
            with pytest.raises(grpc.RpcError) as refused:
                call(channel, CHECK, RAW)
            assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
        url = f"http://127.0.0.1:{port_of(world.bound.http)}/livez"
        with urllib.request.urlopen(url, timeout=10) as reply:
            assert reply.status == 200


def port_of(address: str) -> str:
    return address.rpartition(":")[2]


def test_address_off_loopback_serves_when_told_so() -> None:
    with serving(listen=("0.0.0.0:0",), insecure_off_loopback=True) as world:
        port = world.bound.grpc[0].rpartition(":")[2]
        with channel_to(f"127.0.0.1:{port}") as channel:
            call(channel, CHECK, RAW)


@pytest.mark.parametrize(
    "address", ["", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", ":1", "unix:",
                "unix:///tmp/x", "unix:/" + "x" * 120],
)  # fmt: skip
def test_malformed_address_is_refused(address: str) -> None:
    with pytest.raises(AddressError):
        World().build(listen=(address,)).start()


@pytest.mark.parametrize("name", ["check_limit", "check_threads", "max_message_bytes"])
@pytest.mark.parametrize("value", [0, -1])
def test_limits_of_nothing_are_refused(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=name):
        ServerOptions(**{name: value})  # type: ignore[arg-type]


def test_drain_fails_no_call_of_callers_who_watch_readiness() -> None:
    """Callers ask without a pause and leave once health says that it does not serve."""
    failed: list[grpc.RpcError] = []
    answered = [0, 0, 0]
    warm = threading.Barrier(4)

    with serving(drain_delay_s=30.0) as world:
        health = "/grpc.health.v1.Health/Check"
        assert world.bound.health is not None
        left = threading.Semaphore(0)

        def ask(index: int) -> None:
            with (
                channel_to(world.bound.grpc[0]) as channel,
                channel_to(str(world.bound.health)) as watched,
            ):
                call(channel, CHECK, RAW)
                warm.wait(20)
                try:
                    while True:
                        raw = call(watched, health, b"")
                        if health_pb2.HealthCheckResponse.FromString(raw).status != 1:
                            break
                        call(channel, CHECK, RAW)
                        answered[index] += 1
                    # Between the word and the door there is time: a late call is answered too.
                    call(channel, CHECK, RAW)
                except grpc.RpcError as problem:
                    failed.append(problem)
                finally:
                    left.release()

        callers = [threading.Thread(target=ask, args=(i,)) for i in range(3)]
        for caller in callers:
            caller.start()
        warm.wait(20)
        drained = threading.Thread(target=world.sidecar.drain)
        drained.start()
        for _ in callers:
            assert left.acquire(timeout=20)
        # The delay is long: what ends it here is a stop, as a second signal would.
        world.sidecar.stop(grace_s=5.0)
        drained.join(20)
        for caller in callers:
            caller.join(20)

    assert failed == []
    assert not drained.is_alive()


def test_drain_finishes_what_is_owed_and_takes_no_more() -> None:
    world = World()
    world.decider.may_answer.clear()
    with (
        serving(world, drain_delay_s=0.0, grace_s=20.0),
        channel_to(world.bound.grpc[0]) as channel,
    ):
        answers: list[bytes] = []
        owed = threading.Thread(target=lambda: answers.append(call(channel, CHECK, RAW)))
        owed.start()
        assert world.decider.arrived.acquire(timeout=20)
        drain = threading.Thread(target=world.sidecar.drain)
        drain.start()
        with channel_to(world.bound.grpc[0]) as late:
            refused = grpc.StatusCode.OK
            while refused is grpc.StatusCode.OK:
                try:
                    call(late, "/grpc.health.v1.Health/Check", b"", timeout=5)
                except grpc.RpcError as problem:
                    refused = problem.code()
        world.decider.may_answer.set()
        owed.join(20)
        drain.join(20)

    assert len(answers) == 1
    assert refused is grpc.StatusCode.UNAVAILABLE
    assert not drain.is_alive()


def test_draining_is_told_on_http_while_calls_are_still_answered() -> None:
    with serving(drain_delay_s=30.0) as world, channel_to(world.bound.grpc[0]) as channel:
        drain = threading.Thread(target=world.sidecar.drain)
        drain.start()
        while world.sidecar.find_unreadiness() is None:
            call(channel, CHECK, RAW)
        assert world.bound.http is not None
        connection = HTTPConnection(world.bound.http, timeout=20)
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        status, text = answer.status, answer.read()
        connection.close()
        call(channel, CHECK, RAW)
        world.sidecar.stop()
        drain.join(20)

    assert (status, text) == (503, b"draining\n")


HEALTHY = {
    "": True, "consentry.v1.AuthorizationService": True, "consentry.v1.ConsentService": True,
    "consentry.v1.PolicyService": True, "consentry.policy": True, "consentry.consent": True,
    "consentry.audit": True,
}  # fmt: skip
OF_POLICIES = {"", "consentry.v1.AuthorizationService", "consentry.policy"}
OF_LEDGER = {"", "consentry.v1.ConsentService", "consentry.consent"}
OF_AUDIT = {"", "consentry.v1.AuthorizationService", "consentry.audit"}


@pytest.mark.parametrize(
    ("fault", "unwell"), [("policies", OF_POLICIES), ("ledger", OF_LEDGER), ("audit", OF_AUDIT)]
)
def test_health_tells_each_service_what_it_needs(fault: str, unwell: set[str]) -> None:
    with serving() as world:
        assert world.bound.health is not None
        with channel_to(world.bound.health) as channel:
            stub = health_pb2_grpc.HealthStub(channel)

            def health() -> dict[str, bool]:
                world.sidecar.refresh_health()
                asked = {name: health_pb2.HealthCheckRequest(service=name) for name in HEALTHY}
                serving_now = health_pb2.HealthCheckResponse.SERVING
                return {
                    n: stub.Check(a, timeout=10).status == serving_now for n, a in asked.items()
                }

            assert health() == HEALTHY
            current = world.policies.current
            match fault:
                case "policies":
                    world.policies.current = None
                case "ledger":
                    world.is_ledger_usable = False
                case _:
                    world.can_record = False
            assert health() == {name: name not in unwell for name in HEALTHY}
            world.policies.current = current
            world.is_ledger_usable = world.can_record = True
            assert health() == HEALTHY


def test_socket_in_a_folder_that_everybody_may_write_to_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    listen = (f"unix:{folder}/c.sock",)
    with pytest.raises(AddressError, match="everybody may write there"):
        World().build(listen=listen).start()

    folder.chmod(0o1777)
    with serving(listen=listen):
        pass
