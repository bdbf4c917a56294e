"""The wire to an OpenTelemetry collector: OTLP over gRPC. Needs the extra `otel`.

Spans go by the library's own exporter. The decision log does not, for that does not say what became
of a record.

A record is stored when the collector says so. What it rejects counts as dropped, so that it is not
in the way of what comes after it; what it may have taken without saying so is sent again, and is
told apart by its decision id.
"""

from __future__ import annotations

import errno
import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.logs.v1 import logs_pb2
from opentelemetry.proto.resource.v1 import resource_pb2

from consentry.telemetry.audit.log import RejectedError
from consentry.telemetry.audit.record import parse_time
from consentry.telemetry.audit.stream import pieces_of

log = logging.getLogger(__name__)

_TIMEOUT_S: Final = 10.0

_REQUEST_BYTES: Final = 1024 * 1024
"""Of lines in one request: collectors take 4 MiB, of a form that is somewhat longer."""

_PASSING: Final = frozenset(
    {
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)
"""What may be sent again, as the OTLP specification has it ("Failures" of OTLP/gRPC)."""


def span_exporter(endpoint: str, authorities: Path | None) -> OTLPSpanExporter:
    """Sends spans to a collector, with TLS where the endpoint begins with https.

    Raises:
        OSError: the authorities cannot be read.
    """
    if not endpoint.startswith("https://"):
        return OTLPSpanExporter(endpoint, insecure=True)
    return OTLPSpanExporter(endpoint, credentials=_credentials(authorities))


def _credentials(authorities: Path | None) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(None if authorities is None else authorities.read_bytes())


class OtlpLogSink:
    """Sends lines as log records. One thread at a time; `close` may come from another."""

    def __init__(
        self,
        endpoint: str,
        authorities: Path | None,
        *,
        version: str,
        tidy: Callable[[], object] = lambda: None,
    ) -> None:
        """`tidy` is called once in a while: keys may have had their time.

        Raises:
            OSError: the authorities cannot be read.
        """
        scheme, _, target = endpoint.rpartition("://")
        if scheme == "https":
            self._channel = grpc.secure_channel(target, _credentials(authorities))
        else:
            self._channel = grpc.insecure_channel(target)
        self._stub: Final[Any] = logs_service_pb2_grpc.LogsServiceStub(self._channel)  # type: ignore[no-untyped-call]  # generated
        self._tidy: Final = tidy
        self._resource: Final = resource_pb2.Resource(
            attributes=[
                _attribute("service.name", "consentry"),
                _attribute("service.version", version),
            ]
        )
        self._is_rejecting = False

    def use_key(self, name: str) -> None:
        """Nothing: each record names its key."""

    def write(self, lines: Sequence[bytes], stored: Callable[[int], None]) -> None:
        """Send all lines, in requests that a collector takes."""
        for piece in pieces_of(lines, _REQUEST_BYTES):
            rejected_count = self._send(piece)
            if rejected_count > 0:
                raise RejectedError(rejected_count, len(piece))
            stored(len(piece))

    def _send(self, lines: Sequence[bytes]) -> int:
        """How many of these the collector rejects for good."""
        scope = logs_pb2.ScopeLogs(
            scope=common_pb2.InstrumentationScope(name="consentry.audit"),
            log_records=[_record(json.loads(line)) for line in lines],
        )
        request = logs_service_pb2.ExportLogsServiceRequest(
            resource_logs=[logs_pb2.ResourceLogs(resource=self._resource, scope_logs=[scope])]
        )
        code = grpc.StatusCode.OK
        try:
            answer = self._stub.Export(request, timeout=_TIMEOUT_S)
            rejected_count = min(int(answer.partial_success.rejected_log_records), len(lines))
        except grpc.RpcError as problem:
            if _is_passing(problem):
                raise OSError(errno.EIO, "the collector did not take the records") from problem
            code, rejected_count = problem.code(), len(lines)
        if rejected_count > 0 and not self._is_rejecting:
            log.error("audit_records_rejected", extra={"code": code.name, "count": rejected_count})
        self._is_rejecting = rejected_count > 0
        return rejected_count

    def tend(self, now_us: int) -> None:  # noqa: ARG002 - as of any sink
        """Only the keys."""
        self._tidy()

    def close(self) -> None:
        """Let go of the collector."""
        self._channel.close()


def _is_passing(problem: grpc.RpcError) -> bool:
    """Whether the same request may be taken later."""
    if problem.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
        return problem.code() in _PASSING
    status = rpc_status.from_call(problem)
    details = () if status is None else status.details
    return any(detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR) for detail in details)


def _record(entry: dict[str, Any]) -> logs_pb2.LogRecord:
    record = logs_pb2.LogRecord(
        severity_number=logs_pb2.SEVERITY_NUMBER_INFO,
        severity_text="INFO",
        event_name=f"consentry.{entry['event']}",
        body=_value(entry),
    )
    if "time" in entry:
        record.time_unix_nano = parse_time(entry["time"]) * 1_000
    if "trace_id" in entry:
        record.trace_id = bytes.fromhex(entry["trace_id"])
    return record


def _attribute(key: str, value: object) -> common_pb2.KeyValue:
    return common_pb2.KeyValue(key=key, value=_value(value))


def _value(value: object) -> common_pb2.AnyValue:
    match value:
        case bool():
            return common_pb2.AnyValue(bool_value=value)
        case int():
            return common_pb2.AnyValue(int_value=value)
        case float():
            return common_pb2.AnyValue(double_value=value)
        case list() | tuple():
            items = common_pb2.ArrayValue(values=[_value(item) for item in value])
            return common_pb2.AnyValue(array_value=items)
        case dict():
            pairs = [_attribute(str(key), item) for key, item in value.items()]
            return common_pb2.AnyValue(kvlist_value=common_pb2.KeyValueList(values=pairs))
        case _:
            return common_pb2.AnyValue(string_value=str(value))
