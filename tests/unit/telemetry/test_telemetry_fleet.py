"""Metrics of several workers as those of one sidecar."""

from __future__ import annotations

import pickle

from consentry.telemetry.fleet import FleetMetrics, merge
from consentry.telemetry.metrics import Metrics


def worker(decisions: int, position: float = 0.0, entries: float = 0.0) -> Metrics:
    metrics = Metrics(version="1")
    for _ in range(decisions):
        metrics.decision_cell("permit", "consent_valid", "p", "read").add()
    metrics.decision_seconds.histogram("hit").observe(1e-6)
    metrics.watch_gauge("ledger_position", lambda: position)
    metrics.watch_gauge("cache_entries", lambda: entries)
    metrics.set_policy("d")
    return metrics


def told(metrics: Metrics) -> list[object]:
    # As they come from another process.
    return pickle.loads(pickle.dumps(list(metrics.collect())))  # type: ignore[no-any-return]


def value(text: str, name: str) -> float:
    lines = [line for line in text.splitlines() if line.startswith(name)]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def exposed(fleet: FleetMetrics) -> str:
    return fleet.expose()[0].decode()


def test_counters_and_histograms_add_up_and_gauges_follow_their_rule() -> None:
    text = exposed(fleet_of(worker(3, position=7, entries=2), worker(4, position=9, entries=3)))

    assert value(text, "consentry_decisions_total{") == 7
    assert value(text, 'consentry_decision_seconds_count{cache="hit"}') == 2
    assert value(text, 'consentry_decision_seconds_bucket{cache="hit",le="+Inf"}') == 2
    assert value(text, "consentry_ledger_position") == 9
    assert value(text, "consentry_cache_entries") == 5
    assert value(text, "consentry_policy_info{") == 1


def fleet_of(*workers: Metrics) -> FleetMetrics:
    fleet = FleetMetrics(Metrics(version="1").registry, lambda: None)
    for number, metrics in enumerate(workers):
        fleet.remember(number, told(metrics))  # type: ignore[arg-type]
    return fleet


def test_counts_of_a_worker_that_is_gone_stay_and_its_gauges_go() -> None:
    fleet = fleet_of(worker(3, entries=2), worker(4, entries=3))

    fleet.bury(0)
    fleet.bury(0)
    text = exposed(fleet)

    assert value(text, "consentry_decisions_total{") == 7
    assert value(text, "consentry_cache_entries") == 3


def test_every_scrape_asks_anew() -> None:
    asked: list[int] = []
    fleet = FleetMetrics(Metrics(version="1").registry, lambda: asked.append(1))
    before = len(asked)
    exposed(fleet)

    assert len(asked) == before + 1


def test_merging_nothing_gives_nothing() -> None:
    assert merge([]) == []


def test_newest_exemplar_of_all_workers_is_told() -> None:
    workers = [worker(1), worker(1)]
    for number, made in enumerate(workers):
        made.decision_seconds.histogram("hit").observe_by_name((1e-6, f"d{number}", "", number + 1))
    fleet = fleet_of(*workers)

    text = fleet.expose("application/openmetrics-text; version=1.0.0")[0].decode()

    line = next(part for part in text.splitlines() if 'cache="hit",le="2e-06"' in part)
    assert '{decision_id="d1"}' in line
    assert line.split(" ")[1] == "4.0"
