"""Claims about spans: who decides that a call is traced, and whose decisions a span tells."""

from __future__ import annotations

import threading

from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from consentry.telemetry.traces import Tracer, sampler_of
from tests.support.audit import fields

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SAMPLED = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}


def tracer_of(ratio: float, *, follows_callers: bool = True) -> tuple[Tracer, InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    sampler = sampler_of(ratio, follows_callers=follows_callers)
    return Tracer(exporter, sampler, version="1"), exporter


def call(tracer: Tracer, carrier: dict[str, str], decision_id: str = "d") -> str:
    tracer.begin("consentry.v1.AuthorizationService", "Check", carrier)
    trace_id = tracer.note(decision_id, "hit", fields())
    tracer.end("OK", 0)
    return trace_id


def test_caller_has_itself_traced_only_where_callers_are_followed() -> None:
    followed, _ = tracer_of(0.0)
    alone, _ = tracer_of(0.0, follows_callers=False)

    assert call(followed, SAMPLED) == TRACE
    assert call(alone, SAMPLED) == ""
    for tracer in (followed, alone):
        tracer.close()


def test_so_many_calls_are_traced_as_the_ratio_says() -> None:
    tracer, exporter = tracer_of(0.25)

    traced = [bool(call(tracer, {})) for _ in range(400)]
    tracer.close()

    assert 50 < sum(traced) < 150
    assert len(exporter.get_finished_spans()) == sum(traced)


def test_malformed_context_begins_a_trace_of_its_own() -> None:
    tracer, _ = tracer_of(1.0)

    found = call(tracer, {"traceparent": "00-zz-1-01", "tracestate": "\n"})
    tracer.close()

    assert len(found) == 32
    assert found != TRACE


def test_decision_belongs_to_the_call_of_its_own_thread() -> None:
    tracer, exporter = tracer_of(1.0)
    outside: list[str] = []
    tracer.begin("s", "Check", SAMPLED)
    thread = threading.Thread(target=lambda: outside.append(tracer.note("x", "hit", fields())))
    thread.start()
    thread.join()
    assert tracer.note("mine", "miss", fields()) == TRACE
    tracer.end("OK", 0)
    assert tracer.note("after", "hit", fields()) == ""
    tracer.close()

    assert outside == [""]
    (span,) = exporter.get_finished_spans()
    assert dict(span.attributes or {})["consentry.decision_id"] == "mine"


def test_purpose_that_no_policy_knows_is_not_told() -> None:
    tracer, exporter = tracer_of(1.0)
    tracer.begin("s", "Check", {})
    tracer.note("d", "miss", fields(purpose="ada@example.org", reason="purpose_unknown"))
    tracer.end("OK", 0)
    tracer.close()

    (span,) = exporter.get_finished_spans()
    assert "ada" not in str(dict(span.attributes or {}))
