"""Claims about the exposition: names, types, labels, and robustness of a scrape."""

from __future__ import annotations

import logging

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse

from consentry.telemetry.metric_names import COUNTERS, GAUGES
from consentry.telemetry.metrics import Metrics

EXPECTED = {
    f"consentry_{name}"
    for name in (
        "decisions_total", "decision_seconds", "cache_requests_total", "cache_entries",
        "cache_bytes", "cache_evicted_total", "cache_mismatch_total", "consent_age_seconds",
        "feed_lag_seconds", "feed_connected", "ledger_position", "ledger_verified_position",
        "ledger_damaged", "ledger_space_short", "policy_load_total",
        "policy_loaded_timestamp_seconds", "policy_confirmed_timestamp_seconds", "policy_info",
        "evaluation_errors_total", "audit_records_total", "audit_dropped_total",
        "audit_sampled_out_total", "audit_withheld_total", "audit_failing", "audit_queue_depth",
        "audit_commit_seconds", "refused_total", "callers_refused_total", "build_info",
        "certificate_expiry_timestamp_seconds", "queue_depth", "in_flight",
        "consent_events_total",
    )
} | {
    "grpc_server_started_total", "grpc_server_handled_total", "grpc_server_handling_seconds",
    "process_resident_memory_bytes",
}  # fmt: skip


def full_metrics() -> Metrics:
    metrics = Metrics(version="1.2.3")
    metrics.set_policy("d" * 64)
    for name in GAUGES:
        metrics.watch_gauge(name, lambda: 1.0)
    metrics.watch_queue("check", lambda: 0)
    metrics.watch_in_flight("check", lambda: 2)
    metrics.decision_cell("permit", "consent_valid", "marketing", "read").add()
    metrics.decision_seconds.histogram("hit").observe(3e-6)
    return metrics


def families(metrics: Metrics) -> dict[str, str]:
    text = metrics.expose()[0].decode()
    return {line.split(" ")[2]: line for line in text.splitlines() if line.startswith("# TYPE")}


def test_every_promised_name_is_exposed() -> None:
    assert families(full_metrics()).keys() >= EXPECTED


def test_every_metric_says_what_to_do() -> None:
    for text in (*COUNTERS.values(), *GAUGES.values()):
        assert len(text) > 30
        assert text.endswith(".")


def test_both_formats_parse() -> None:
    metrics = full_metrics()
    plain, plain_type = metrics.expose("text/plain")
    opened, opened_type = metrics.expose("application/openmetrics-text; version=1.0.0")

    assert plain_type.startswith("text/plain")
    assert opened_type.startswith("application/openmetrics-text")
    assert {m.name for m in parse(plain.decode())} >= {"consentry_decisions"}
    families = parse_openmetrics(opened.decode())  # type: ignore[no-untyped-call]  # the library's
    assert {m.name for m in families} >= {"consentry_decisions"}


def test_counts_are_those_of_the_cells() -> None:
    metrics = full_metrics()
    metrics.decision_cell("permit", "consent_valid", "marketing", "read").add()
    labels = {
        "decision": "permit", "reason": "consent_valid", "purpose": "marketing", "action": "read",
    }  # fmt: skip

    assert metrics.registry.get_sample_value("consentry_decisions_total", labels) == 2
    assert metrics.registry.get_sample_value(
        "consentry_decision_seconds_bucket", {"cache": "hit", "le": "5e-06"}
    ) == 1  # fmt: skip
    assert metrics.registry.get_sample_value(
        "consentry_decision_seconds_count", {"cache": "hit"}
    ) == 1  # fmt: skip


def test_buckets_name_their_newest_decision_in_openmetrics_only() -> None:
    metrics = full_metrics()
    seconds = metrics.decision_seconds.histogram("miss")
    seconds.observe_by_name((3e-6, "d-1", "", 1_767_225_600_000_000))
    seconds.observe_by_name((4e-6, "d-2", "f" * 32, 1_767_225_600_500_000))
    plain = metrics.expose("text/plain")[0].decode()
    opened = metrics.expose("application/openmetrics-text; version=1.0.0")[0].decode()

    found = [
        sample.exemplar
        for family in parse_openmetrics(opened)  # type: ignore[no-untyped-call]  # the library's
        for sample in family.samples
        if sample.exemplar is not None
    ]
    assert [(e.labels, e.value) for e in found] == [
        ({"decision_id": "d-2", "trace_id": "f" * 32}, 4e-6)
    ]
    assert float(found[0].timestamp) == 1_767_225_600.5
    assert "d-2" not in plain


def test_scraping_changes_nothing() -> None:
    metrics = full_metrics()

    def ours() -> list[str]:
        text = metrics.expose()[0].decode()
        return [line for line in text.splitlines() if line.startswith(("consentry", "grpc"))]

    assert ours() == ours()


def test_hostile_names_do_not_grow_the_exposition() -> None:
    metrics = Metrics(max_series=50)
    for number in range(5_000):
        metrics.decision_cell("deny", "purpose_unknown", f'x"{number}\n', "read").add()

    series = [
        sample
        for family in metrics.registry.collect()
        if family.name == "consentry_decisions"
        for sample in family.samples
    ]

    assert len(series) == 50
    assert sum(sample.value for sample in series) == 5_000


def test_a_gauge_that_fails_is_left_out_and_the_rest_stays(
    caplog: pytest.LogCaptureFixture,
) -> None:
    metrics = Metrics()

    def broken() -> float:
        raise OSError("no")

    metrics.watch_gauge("ledger_position", broken)
    metrics.watch_gauge("cache_entries", lambda: 7)
    with caplog.at_level(logging.ERROR):
        names = families(metrics)

    assert "consentry_ledger_position" not in names
    assert "consentry_cache_entries" in names
    assert caplog.messages == ["gauge_failed"]


def test_an_unknown_gauge_is_refused() -> None:
    with pytest.raises(KeyError):
        Metrics().watch_gauge("no_such_gauge", lambda: 0)


def test_closed_sets_stand_at_zero_from_the_start() -> None:
    registry = Metrics().registry

    for result in ("hit", "miss", "stale", "bypass"):
        assert registry.get_sample_value("consentry_cache_requests_total", {"result": result}) == 0
    for result in ("loaded", "unchanged", "failed"):
        assert registry.get_sample_value("consentry_policy_load_total", {"result": result}) == 0
    assert registry.get_sample_value("consentry_evaluation_errors_total") == 0
    assert registry.get_sample_value("consentry_cache_mismatch_total") == 0
