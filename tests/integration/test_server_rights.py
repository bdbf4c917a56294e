"""Every method of the sidecar stands in the table of rights."""

from __future__ import annotations

from google.protobuf.descriptor import ServiceDescriptor

from consentry.envoy.v3 import external_auth_pb2
from consentry.server.callers import PURPOSE_RIGHTS, Right
from consentry.server.rights import METHOD_RIGHTS, OPEN_METHODS
from consentry.v1 import authorization_pb2, consent_pb2, policy_pb2


def methods() -> list[str]:
    services: list[ServiceDescriptor] = [
        service
        for module in (authorization_pb2, consent_pb2, policy_pb2, external_auth_pb2)
        for service in module.DESCRIPTOR.services_by_name.values()
    ]
    return [
        f"/{service.full_name}/{name}" for service in services for name in service.methods_by_name
    ]


def test_every_method_of_the_protocol_asks_for_a_right() -> None:
    assert [method for method in methods() if method not in METHOD_RIGHTS] == []
    assert len(methods()) >= 16


def test_no_method_of_ours_is_open() -> None:
    assert OPEN_METHODS.isdisjoint(METHOD_RIGHTS)
    assert all(name.startswith("/grpc.") for name in OPEN_METHODS)


def test_every_right_is_asked_for_by_some_method() -> None:
    assert set(METHOD_RIGHTS.values()) == set(Right)
    assert set(Right) > PURPOSE_RIGHTS
