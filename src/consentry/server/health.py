"""Health and reflection: the methods that are never refused.

One health service answers on the main port and on a listener of its own, so that it also answers
while every other thread is busy.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from typing import Any, Final

import grpc
from grpc_health.v1 import health_pb2
from grpc_health.v1.health import SERVICE_NAME as HEALTH_SERVICE
from grpc_health.v1.health import HealthServicer
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.reflection import SERVICE_NAME as REFLECTION_SERVICE
from grpc_reflection.v1alpha.reflection import ReflectionServicer

from consentry.server.door import Entry
from consentry.server.pools import POOL_ATTRIBUTE, CallPool

AUTHORIZATION_SERVICE: Final = "consentry.v1.AuthorizationService"
CONSENT_SERVICE: Final = "consentry.v1.ConsentService"
POLICY_SERVICE: Final = "consentry.v1.PolicyService"
POLICY_HEALTH: Final = "consentry.policy"
CONSENT_HEALTH: Final = "consentry.consent"
AUDIT_HEALTH: Final = "consentry.audit"
SERVICES: Final = (AUTHORIZATION_SERVICE, CONSENT_SERVICE, POLICY_SERVICE)


class Health:
    """Which parts of the sidecar serve. Until told otherwise, none does.

    The servicer has a lock of its own; `update` may be called from any thread.
    """

    def __init__(self) -> None:
        # Without a pool of its own Watch runs in the default pool of each server it is added to.
        self._servicer = HealthServicer(
            experimental_non_blocking=True, experimental_thread_pool=None
        )
        self.update(has_policies=False, has_ledger=False, can_record=False, is_ready=False)

    def update(
        self, *, has_policies: bool, has_ledger: bool, can_record: bool, is_ready: bool
    ) -> None:
        """Tell callers and watchers what serves now; nothing changes any more after `drain`."""
        for name, serves in (
            ("", is_ready),
            (AUTHORIZATION_SERVICE, has_policies and can_record),
            (CONSENT_SERVICE, has_ledger),
            (POLICY_SERVICE, True),
            (POLICY_HEALTH, has_policies),
            (CONSENT_HEALTH, has_ledger),
            (AUDIT_HEALTH, can_record),
        ):
            self._servicer.set(
                name,
                health_pb2.HealthCheckResponse.SERVING
                if serves
                else health_pb2.HealthCheckResponse.NOT_SERVING,
            )

    def drain(self) -> None:
        """NOT_SERVING for all, for good."""
        self._servicer.enter_graceful_shutdown()

    def entries(self) -> dict[str, Entry]:
        """Its methods, by full name."""
        request, response = health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse
        return {
            f"/{HEALTH_SERVICE}/Check": Entry(
                grpc.unary_unary_rpc_method_handler(
                    self._servicer.Check,
                    request_deserializer=request.FromString,
                    response_serializer=response.SerializeToString,
                )
            ),
            f"/{HEALTH_SERVICE}/Watch": Entry(
                grpc.unary_stream_rpc_method_handler(
                    self._servicer.Watch,
                    request_deserializer=request.FromString,
                    response_serializer=response.SerializeToString,
                )
            ),
        }


def reflection_entries(pool: CallPool) -> dict[str, Entry]:
    """Server reflection for our services; its streams hold threads of `pool` and of no other."""
    servicer = ReflectionServicer((*SERVICES, HEALTH_SERVICE, REFLECTION_SERVICE))

    @functools.wraps(servicer.ServerReflectionInfo)
    def reflect(requests: Iterable[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        answers: Iterator[Any] = servicer.ServerReflectionInfo(requests, context)
        return answers

    setattr(reflect, POOL_ATTRIBUTE, pool)
    return {
        f"/{REFLECTION_SERVICE}/ServerReflectionInfo": Entry(
            grpc.stream_stream_rpc_method_handler(
                reflect,
                request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
                response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
            )
        )
    }
