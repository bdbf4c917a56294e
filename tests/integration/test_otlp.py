"""Spans and decision records of a real sidecar at a real OTLP receiver."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from consentry.server.otlp import OtlpLogSink
from consentry.telemetry.audit.log import AuditLog
from consentry.v1 import authorization_pb2 as wire
from consentry.v1 import authorization_pb2_grpc, decision_pb2
from tests.support.audit import audit_log, fields, records_of
from tests.support.fleet import POLICY, PURPOSE
from tests.support.otlp import Collector, as_text, attributes, collecting
from tests.support.ports import free_port
from tests.support.sidecar import RunningSidecar, running_sidecar

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED = (("traceparent", f"00-{TRACE}-{PARENT}-01"),)
UNSAMPLED = (("traceparent", f"00-{TRACE}-{PARENT}-00"),)


def question(person: str = "ada-lovelace", **changes: Any) -> wire.CheckRequest:
    message = wire.CheckRequest(
        principal=decision_pb2.Principal(id="mailer", type="service"),
        action="read",
        data=["email"],
        subject=decision_pb2.DataSubject(id=person),
        purpose=PURPOSE,
    )
    message.MergeFrom(wire.CheckRequest(**changes))
    return message


@contextmanager
def observed(tmp_path: Path, otel: str, audit: str = "") -> Iterator[tuple[RunningSidecar, Any]]:
    (tmp_path / "policies").mkdir(exist_ok=True)
    (tmp_path / "policies" / "shop.policy").write_text(POLICY)
    config = tmp_path / "consentry.toml"
    config.write_text(f"[otel]\n{otel}\n[audit]\n{audit}\n")
    flags = ("--config", str(config))
    with (
        running_sidecar(tmp_path / "policies", tmp_path / "state", *flags) as sidecar,
        grpc.insecure_channel(sidecar.target) as channel,
    ):
        yield sidecar, authorization_pb2_grpc.AuthorizationServiceStub(channel)


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, ...]]:
    folder = tmp_path_factory.mktemp("traced")
    with collecting() as collector:
        otel = f'traces = true\nendpoint = "{collector.address}"\nsample_ratio = 0.0'
        with observed(folder, otel) as (sidecar, stub):
            answer = stub.Check(question(), metadata=SAMPLED, timeout=20)
            stub.Check(question(), metadata=UNSAMPLED, timeout=20)
            stub.Check(question(), timeout=20)
            items = [wire.BatchItem(check=question(f"person-{n}")) for n in range(3)]
            stub.CheckBatch(wire.CheckBatchRequest(items=items), metadata=SAMPLED, timeout=20)
            asked = iter([wire.CheckStreamRequest(check=question())] * 2)
            list(stub.CheckStream(asked, metadata=SAMPLED, timeout=20))
            with pytest.raises(grpc.RpcError):
                stub.Check(wire.CheckRequest(), metadata=SAMPLED, timeout=20)
            request = urllib.request.Request(
                f"http://{sidecar.http}/metrics",
                headers={"accept": "application/openmetrics-text; version=1.0.0"},
            )
            with urllib.request.urlopen(request, timeout=20) as page:
                exposed = page.read().decode()
        spans = {
            span.name.rpartition("/")[2] + str(n): span for n, span in enumerate(collector.spans)
        }
        yield collector, spans, answer, exposed, folder / "state"


def test_span_continues_the_callers_trace_and_tells_the_decision(traced: tuple[Any, ...]) -> None:
    _, spans, answer, _, _ = traced
    span = spans["Check0"]

    assert span.trace_id.hex() == TRACE
    assert span.parent_span_id.hex() == PARENT
    told = attributes(span)
    assert told == {
        "rpc.system": "grpc",
        "rpc.service": "consentry.v1.AuthorizationService",
        "rpc.method": "Check",
        "rpc.grpc.status_code": 0,
        "consentry.decision_id": answer.moment.decision_id,
        "consentry.effect": "deny",
        "consentry.reason": answer.reason,
        "consentry.cache": "miss",
        "consentry.policy_digest": answer.policy_digest,
        "consentry.purpose": PURPOSE,
    }


def test_only_calls_of_sampled_callers_are_traced(traced: tuple[Any, ...]) -> None:
    """The ratio is 0: neither who says no nor who says nothing has a span."""
    assert list(traced[1]) == ["Check0", "CheckBatch1", "CheckStream2", "Check3"]


def test_many_decisions_of_a_call_are_counted(traced: tuple[Any, ...]) -> None:
    spans = traced[1]

    assert attributes(spans["CheckBatch1"])["consentry.decisions"] == 3
    assert attributes(spans["CheckBatch1"])["consentry.permits"] == 0
    assert attributes(spans["CheckStream2"])["consentry.decisions"] == 2


def test_call_that_was_refused_says_its_code(traced: tuple[Any, ...]) -> None:
    assert attributes(traced[1]["Check3"])["rpc.grpc.status_code"] == 3


def test_spans_tell_nothing_of_a_person_or_a_principal(traced: tuple[Any, ...]) -> None:
    collector, spans, *_ = traced

    assert b"ada-lovelace" not in collector.raw
    assert not [span for span in spans.values() if "mailer" in as_text(span)]


def test_records_and_exemplars_name_the_trace(traced: tuple[Any, ...]) -> None:
    _, _, answer, exposed, state = traced

    found = [record.decision_id for record in records_of(state) if record.trace_id == TRACE]
    assert answer.moment.decision_id in found
    assert len(found) == 6
    assert f'trace_id="{TRACE}"' in exposed


def test_decision_records_arrive_as_logs_and_find_their_trace(tmp_path: Path) -> None:
    with collecting() as collector:
        otel = f'traces = true\nendpoint = "{collector.address}"'
        with observed(tmp_path, otel, 'sink = "otlp"') as (_, stub):
            answers = [stub.Check(question(), metadata=SAMPLED, timeout=20) for _ in range(5)]
            records = collector.wait_for(5, "records")

    assert [r["decision_id"] for r in records] == [a.moment.decision_id for a in answers]
    assert {r["trace_id"] for r in records} == {TRACE}
    assert records[0]["data"] == ["email"]
    assert records[0]["is_hit"] is False
    assert not (tmp_path / "state" / "audit" / "decisions.jsonl").exists()


def test_collector_that_is_away_slows_nobody_and_drops_are_counted(tmp_path: Path) -> None:
    away = f'traces = true\nsample_ratio = 1.0\nendpoint = "http://127.0.0.1:{free_port()}"'
    with observed(tmp_path, away, 'sink = "otlp"\ncapacity = 50') as (sidecar, stub):
        items = [wire.BatchItem(check=question(f"person-{n}")) for n in range(200)]
        for _ in range(3):
            answer = stub.CheckBatch(wire.CheckBatchRequest(items=items), timeout=20)
            assert len(answer.results) == 200
        with urllib.request.urlopen(f"http://{sidecar.http}/metrics", timeout=20) as page:
            told = dict(
                line.split(" ")
                for line in page.read().decode().splitlines()
                if line.startswith("consentry_audit_") and "{" not in line
            )

    names = ("records_total", "dropped_total", "queue_depth")
    counts = [float(told[f"consentry_audit_{name}"]) for name in names]
    assert counts[0] == 0
    assert counts[1] > 0
    assert sum(counts) == 600


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as made:
        yield made


def test_what_a_collector_rejects_is_dropped_and_told(collector: Collector) -> None:
    sink = OtlpLogSink(collector.address, None, version="1")
    log = audit_log(sink)
    append(log, 5)
    collector.rejects = 2
    log.close()

    decisions = [record for record in collector.records if record["event"] == "decision"]
    gaps = [record for record in collector.records if record["event"] == "gap"]
    assert len(decisions) == log.written.value() == 3
    assert log.dropped.value() == 2
    assert [(gap["dropped"], gap["from"], gap["to"]) for gap in gaps] == [(2, 1, 5)]


def append(log: AuditLog, count: int = 1, **changed: Any) -> None:
    for number in range(count):
        log.append(fields(**changed), 1_767_225_600_000_001, f"d{number}", 7, "", False)


def status(code: grpc.StatusCode, *details: Any) -> status_pb2.Status:
    made = status_pb2.Status(code=code.value[0], message="no")
    for detail in details:
        made.details.add().Pack(detail)
    return made


def seqs(collector: Collector) -> list[int]:
    return [record["seq"] for record in collector.records if record["event"] == "decision"]


@pytest.mark.parametrize(
    "code",
    [
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.INTERNAL,
    ],
)
def test_group_that_is_refused_for_good_is_dropped_and_the_next_is_stored(
    code: grpc.StatusCode, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    sink = OtlpLogSink(collector.address, None, version="1")
    log = audit_log(sink)
    append(log, 3)
    collector.refusals = [status(code)]
    assert log.drain()
    append(log)
    log.close()

    assert log.dropped.value() == 3
    assert log.written.value() == 1
    assert seqs(collector) == [4]
    gaps = [record for record in collector.records if record["event"] == "gap"]
    assert [(gap["dropped"], gap["from"], gap["to"]) for gap in gaps] == [(3, 1, 3)]
    assert caplog.messages == ["audit_records_rejected"]


@pytest.mark.parametrize(
    "refusal",
    [
        status(grpc.StatusCode.UNAVAILABLE),
        status(grpc.StatusCode.ABORTED),
        status(grpc.StatusCode.RESOURCE_EXHAUSTED, error_details_pb2.RetryInfo()),
    ],
    ids=["unavailable", "aborted", "exhausted_for_now"],
)
def test_group_that_is_refused_for_now_is_sent_again(
    refusal: status_pb2.Status, collector: Collector
) -> None:
    log = audit_log(OtlpLogSink(collector.address, None, version="1"))
    append(log, 3)
    collector.refusals = [refusal]

    assert not log.drain()
    assert log.waiting_count() == 3
    log.close()

    assert seqs(collector) == [1, 2, 3]
    assert (log.written.value(), log.dropped.value()) == (3, 0)


def test_much_is_sent_in_pieces_that_a_collector_takes_and_a_piece_is_refused_alone(
    collector: Collector,
) -> None:
    log = audit_log(OtlpLogSink(collector.address, None, version="1"))
    append(log, 512, data=tuple(f"customer.place.number_{n}" for n in range(400)))
    collector.refusals = [status(grpc.StatusCode.INVALID_ARGUMENT)]
    log.close()

    assert len(collector.sizes) > 4
    assert max(collector.sizes) < 4 * 1024 * 1024
    assert 0 < log.dropped.value() < 512 / 4
    assert seqs(collector) == list(range(log.dropped.value() + 1, 513))
    assert log.written.value() + log.dropped.value() == 512


def test_nothing_of_opentelemetry_is_loaded_where_it_is_off() -> None:
    code = (
        "import sys, consentry.app.wiring; "
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
