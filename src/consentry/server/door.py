"""Looks up the handler of a call, and refuses the call where its class is full.

Look-up runs on grpcio's only polling thread: it finds an entry and compares two integers, and where
a check may have to wait looks for the name of one header.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeAlias

import grpc

from consentry.server.at_least import asks_for_position
from consentry.server.calls import GrpcBehaviour
from consentry.server.errors import grpc_status, refusal_status
from consentry.server.pools import POOL_ATTRIBUTE, CallPool
from consentry.server.streams import GrpcStream
from consentry.telemetry.metrics import Metrics

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


@dataclass(frozen=True, slots=True)
class Entry:
    """One method: its handler, and the pool that bounds it (None: it is never refused).

    `waiting` is the entry for calls that name a ledger position they may have to wait for.
    """

    handler: Handler
    pool: CallPool | None = None
    refusal: Handler | None = None
    waiting: Entry | None = None


class Door(grpc.GenericRpcHandler):
    """All methods of one server by their full names. Frozen once built."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self._entries: Final = dict(entries)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler | None:
        """The handler to use; None where there is no such method (UNIMPLEMENTED)."""
        entry = self._entries.get(handler_call_details.method)
        if entry is None:
            return None
        if entry.waiting is not None and asks_for_position(
            handler_call_details.invocation_metadata
        ):
            entry = entry.waiting
        if entry.pool is not None and entry.pool.is_full:
            return entry.refusal
        return entry.handler

    @property
    def methods(self) -> frozenset[str]:
        """Full names of all methods."""
        return frozenset(self._entries)


MakeHandler: TypeAlias = "Callable[[Any], Handler]"


def bounded(
    behaviour: GrpcBehaviour | GrpcStream,
    pool: CallPool,
    refuse: CallPool,
    metrics: Metrics,
    make: MakeHandler = grpc.unary_unary_rpc_method_handler,
) -> Entry:
    """The entry of a method on raw bytes that runs in `pool` while that has room.

    `make` gives the handler of the method's kind.
    """
    setattr(behaviour, POOL_ATTRIBUTE, pool)
    return Entry(
        handler=make(behaviour),
        pool=pool,
        refusal=_refusal(pool.name, refuse, metrics),
    )


def _refusal(call_class: str, refuse: CallPool, metrics: Metrics) -> Handler:
    status = grpc_status(refusal_status(call_class))
    refused = metrics.refused.cell(call_class)

    def refuse_call(_requests: object, context: grpc.ServicerContext) -> NoReturn:
        refused.add()
        context.abort_with_status(status)
        raise AssertionError  # pragma: no cover  # abort always raises

    setattr(refuse_call, POOL_ATTRIBUTE, refuse)
    # As a method that takes a stream, it is called before any message is read: a refusal must not
    # wait for a caller who is slow to send.
    handler: Callable[..., Handler] = grpc.stream_unary_rpc_method_handler
    return handler(refuse_call)
