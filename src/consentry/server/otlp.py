"""The wire to an OpenTelemetry collector: OTLP over gRPC. Needs the extra `otel`.

Spans go by the library's own exporter. The decision log does not, for that does not say what became
of a record.

A record is stored when the collector says so. What it rejects of a group counts as dropped; what it
may have taken without saying so is sent again, and is told apart by its decision id.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import grpc
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.logs.v1 import logs_pb2
from opentelemetry.proto.resource.v1 import resource_pb2

from consentry.telemetry.audit.log import RejectedError
from consentry.telemetry.audit.record import parse_time

_TIMEOUT_S: Final = 10.0


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

    def use_key(self, name: str) -> None:
        """Nothing: each record names its key."""

    def write(self, lines: Sequence[bytes], stored: Callable[[int], None]) -> None:
        """Send all lines as one request."""
        scope = logs_pb2.ScopeLogs(
            scope=common_pb2.InstrumentationScope(name="consentry.audit"),
            log_records=[_record(json.loads(line)) for line in lines],
        )
        request = logs_service_pb2.ExportLogsServiceRequest(
            resource_logs=[logs_pb2.ResourceLogs(resource=self._resource, scope_logs=[scope])]
        )
        try:
            answer = self._stub.Export(request, timeout=_TIMEOUT_S)
        except grpc.RpcError as problem:
            raise OSError(errno.EIO, "the collector did not take the records") from problem
        if (count := answer.partial_success.rejected_log_records) > 0:
            raise RejectedError(count)
        stored(len(lines))

    def tend(self, now_us: int) -> None:  # noqa: ARG002 - as of any sink
        """Only the keys."""
        self._tidy()

    def close(self) -> None:
        """Let go of the collector."""
        self._channel.close()


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
