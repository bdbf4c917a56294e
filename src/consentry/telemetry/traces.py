"""Spans of calls, told to an OpenTelemetry collector; the one place that knows its library.

One span for each call that is sampled, under the caller's own where it names one (W3C trace
context). What a span tells is of closed sets, and the decision's id: never a person, a principal
or a resource. Spans wait in a bounded queue for a thread of their own: a collector that is slow or
away costs spans and nothing else.

A call is answered on one thread from its begin to its end, so that the span of a thread is that of
the decisions made on it. Needs the extra `otel`.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from opentelemetry import context as otel_context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Span, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, Sampler, TraceIdRatioBased
from opentelemetry.trace import SpanKind, Status, StatusCode, format_trace_id
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from consentry.telemetry.audit.record import AuditFields

_PURPOSE_UNKNOWN: Final = "purpose_unknown"
# Codes that are the sidecar's own fault, by the conventions for servers.
_FAULTS: Final = frozenset({"UNKNOWN", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"})


@dataclass(slots=True)
class _OpenSpan:
    """The span of the call that a thread answers, and what was decided in it."""

    span: Span
    trace_id: str
    decision_count: int = 0
    permit_count: int = 0
    decision_id: str = ""
    cache: str = ""
    fields: AuditFields | None = None


def sampler_of(ratio: float, *, follows_callers: bool) -> Sampler:
    """So many of the calls whose caller has not decided already, or of all."""
    own = TraceIdRatioBased(ratio)
    return ParentBased(own) if follows_callers else own


class Tracer:
    """Begins and ends the spans of calls; any thread may use it, each for its own calls."""

    def __init__(self, exporter: SpanExporter, sampler: Sampler, *, version: str) -> None:
        resource = Resource.create({"service.name": "consentry", "service.version": version})
        self._provider: Final = TracerProvider(
            sampler=sampler, resource=resource, shutdown_on_exit=False
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer: Final = self._provider.get_tracer("consentry", version)
        self._propagator: Final = TraceContextTextMapPropagator()
        self._local: Final = threading.local()

    def begin(self, service: str, method: str, carrier: Mapping[str, str]) -> None:
        """The call that this thread answers from now on; `carrier` has the caller's headers."""
        parent = self._propagator.extract(carrier, otel_context.Context())
        span = self._tracer.start_span(f"{service}/{method}", parent, SpanKind.SERVER)
        if not isinstance(span, Span):  # not sampled
            self._local.span = None
            return
        span.set_attributes({"rpc.system": "grpc", "rpc.service": service, "rpc.method": method})
        self._local.span = _OpenSpan(span, format_trace_id(span.get_span_context().trace_id))

    def note(self, decision_id: str, cache: str, fields: AuditFields) -> str:
        """One decision of this thread's call; the trace id, empty where it is not traced."""
        found: _OpenSpan | None = getattr(self._local, "span", None)
        if found is None:
            return ""
        found.decision_count += 1
        found.permit_count += fields.kind.effect == "permit"
        found.decision_id, found.cache, found.fields = decision_id, cache, fields
        return found.trace_id

    def end(self, code: str, number: int) -> None:
        """This thread's call ended with this gRPC code."""
        found: _OpenSpan | None = getattr(self._local, "span", None)
        if found is None:
            return
        self._local.span = None
        span, fields = found.span, found.fields
        span.set_attribute("rpc.grpc.status_code", number)
        if found.decision_count == 1 and fields is not None:
            kind = fields.kind
            span.set_attributes(
                {
                    "consentry.decision_id": found.decision_id,
                    "consentry.effect": kind.effect,
                    "consentry.reason": kind.reason,
                    "consentry.cache": found.cache,
                    "consentry.policy_digest": kind.digest,
                }
            )
            if kind.purpose and kind.reason != _PURPOSE_UNKNOWN:
                span.set_attribute("consentry.purpose", kind.purpose)
        elif found.decision_count:
            span.set_attribute("consentry.decisions", found.decision_count)
            span.set_attribute("consentry.permits", found.permit_count)
        if code in _FAULTS:
            span.set_status(Status(StatusCode.ERROR, code))
        span.end()

    def close(self, timeout_s: float = 5.0) -> None:
        """Send what waits, for so long at most, and let go."""
        closing = threading.Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(timeout_s)
