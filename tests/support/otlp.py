"""A collector in this process: takes spans and log records over real gRPC, and keeps them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from google.protobuf.json_format import MessageToDict
from google.rpc import status_pb2
from grpc_status import rpc_status
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.trace.v1 import trace_pb2


class Collector(
    trace_service_pb2_grpc.TraceServiceServicer, logs_service_pb2_grpc.LogsServiceServicer
):
    """What came; `rejects` of the next group of records are refused.

    `refusals` answer the next groups of records, one each; `sizes` are those of all groups.
    """

    def __init__(self) -> None:
        self.address = ""
        self.spans: list[trace_pb2.Span] = []
        self.records: list[dict[str, Any]] = []
        self.rejects = 0
        self.refusals: list[status_pb2.Status] = []
        self.sizes: list[int] = []
        self.raw = b""
        self._moved = threading.Condition()

    def Export(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802 (of both)
        with self._moved:
            self.raw += request.SerializeToString()
            try:
                if isinstance(request, trace_service_pb2.ExportTraceServiceRequest):
                    for resource in request.resource_spans:
                        for scope in resource.scope_spans:
                            self.spans += scope.spans
                    return trace_service_pb2.ExportTraceServiceResponse()
                self.sizes.append(request.ByteSize())
                if self.refusals:
                    context.abort_with_status(rpc_status.to_status(self.refusals.pop(0)))
                return self._take(request)
            finally:
                self._moved.notify_all()

    def _take(self, request: Any) -> Any:
        came = [
            told(record.body)
            for resource in request.resource_logs
            for scope in resource.scope_logs
            for record in scope.log_records
        ]
        rejected, self.rejects = min(self.rejects, len(came)), 0
        self.records += came[rejected:]
        answer = logs_service_pb2.ExportLogsServiceResponse()
        if rejected:
            answer.partial_success.rejected_log_records = rejected
        return answer

    def wait_for(self, count: int, kind: str = "spans", patience_s: float = 30.0) -> list[Any]:
        """The first `count` of what came."""
        with self._moved:
            assert self._moved.wait_for(lambda: len(getattr(self, kind)) >= count, patience_s)
            return list(getattr(self, kind))


def told(value: common_pb2.AnyValue) -> Any:
    """A value of a log record as JSON has it."""
    kind = value.WhichOneof("value")
    if kind == "kvlist_value":
        return {pair.key: told(pair.value) for pair in value.kvlist_value.values}
    if kind == "array_value":
        return [told(item) for item in value.array_value.values]
    return getattr(value, kind) if kind else None


def attributes(span: trace_pb2.Span) -> dict[str, Any]:
    """A span's attributes."""
    return {pair.key: told(pair.value) for pair in span.attributes}


def as_text(span: trace_pb2.Span) -> str:
    """All that a span says."""
    return json.dumps(MessageToDict(span))


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector on a free port."""
    collector = Collector()
    server = grpc.server(ThreadPoolExecutor(2), options=[("grpc.so_reuseport", 0)])
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)  # type: ignore[no-untyped-call]
    logs_service_pb2_grpc.add_LogsServiceServicer_to_server(collector, server)  # type: ignore[no-untyped-call]
    collector.address = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield collector
    finally:
        server.stop(1).wait()
