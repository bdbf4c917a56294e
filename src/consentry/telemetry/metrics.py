"""Every metric of the sidecar, by name, with what an operator does about it.

Names are `consentry_<thing>_<unit>[_total]` in base units; the `grpc_server_*` names are those that
dashboards already know. Labels are small closed sets: never a person, a resource or free text.
`Metrics` is a collector: it holds cheap cells and turns them into samples when it is scraped.
"""

from __future__ import annotations

import logging
import platform
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Final, Protocol

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar, Timestamp

from consentry.telemetry.cells import (
    Amount,
    Cell,
    CounterFamily,
    HistogramFamily,
    Observed,
)
from consentry.telemetry.metric_names import (
    CACHE_RESULTS,
    CALL_BOUNDS_S,
    COMMIT_BOUNDS_S,
    COUNTERS,
    DECISION_BOUNDS_S,
    GAUGES,
    MAX_SERIES,
    PREFIX,
)

log = logging.getLogger(__name__)


class CountedLog(Protocol):
    """A decision log that says how it fares."""

    @property
    def written(self) -> Amount:
        """Records stored."""
        ...

    @property
    def dropped(self) -> Amount:
        """Records lost."""
        ...

    @property
    def sampled_out(self) -> Amount:
        """Records that sampling left out."""
        ...

    @property
    def withheld(self) -> Amount:
        """Calls without an answer because of their record."""
        ...

    @property
    def is_failing(self) -> bool:
        """Whether records cannot be stored now."""
        ...

    def waiting_count(self) -> int:
        """Records, or calls, that wait for the sink."""
        ...


class Metrics(Collector):
    """All metrics of one sidecar, registered with `registry`.

    Rooms take the cells they need once and count on them. `set_*` and `watch_*` connect gauges;
    a gauge whose source fails is left out of that scrape.
    """

    def __init__(
        self,
        registry: CollectorRegistry | None = None,
        *,
        version: str = "",
        max_series: int = MAX_SERIES,
    ) -> None:
        self.registry: Final = registry if registry is not None else CollectorRegistry()
        self._version = version
        self._lock = threading.Lock()
        self._policy_digest = ""
        self._gauges: dict[str, Callable[[], float]] = {}
        self._queues: dict[str, Callable[[], float]] = {}
        self._in_flight: dict[str, Callable[[], float]] = {}

        self.decisions = CounterFamily(
            "decision", "reason", "purpose", "action", max_series=max_series
        )
        self.decision_seconds = HistogramFamily("cache", bounds=DECISION_BOUNDS_S)
        self.cache_requests = CounterFamily("result")
        self.cache_evicted: Callable[[], float] = float
        self.cache_mismatch = CounterFamily()
        self.policy_load = CounterFamily("result")
        self.evaluation_errors = CounterFamily()
        self.audit_records = Amount()
        self.audit_dropped = Amount()
        self.audit_sampled_out = Amount()
        self.audit_withheld = Amount()
        self.refused = CounterFamily("class")
        self.callers_refused = CounterFamily("cause")
        self.proxy_requests = CounterFamily("outcome")
        self.http_calls = CounterFamily("method", "status")
        self.consent_events = CounterFamily("kind")
        self.consent_record_seconds = HistogramFamily("kind", bounds=CALL_BOUNDS_S)
        self.grpc_started = CounterFamily("grpc_type", "grpc_service", "grpc_method")
        self.grpc_handled = CounterFamily("grpc_type", "grpc_service", "grpc_method", "grpc_code")
        self.grpc_handling_seconds = HistogramFamily(
            "grpc_type", "grpc_service", "grpc_method", bounds=CALL_BOUNDS_S
        )
        self.audit_commit_seconds = HistogramFamily(bounds=COMMIT_BOUNDS_S)
        # Series of closed sets stand at 0 from the start, so that a first increase is seen.
        for result in CACHE_RESULTS:
            self.cache_requests.cell(result)
            self.decision_seconds.histogram(result)
        for result in ("loaded", "unchanged", "failed"):
            self.policy_load.cell(result)
        self.cache_mismatch.cell()
        self.evaluation_errors.cell()
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.registry.register(self)

    def decision_cell(self, decision: str, reason: str, purpose: str, action: str) -> Cell:
        """The cell that counts answers of this kind; every label from the policy set."""
        return self.decisions.cell(decision, reason, purpose, action)

    def set_policy(self, digest: str) -> None:
        """Name the active policy set."""
        self._policy_digest = digest

    def watch_gauge(self, name: str, read: Callable[[], float]) -> None:
        """Read `name`, one of `GAUGES`, from `read` at each scrape.

        Raises:
            KeyError: there is no such gauge.
        """
        GAUGES[name]
        with self._lock:
            self._gauges[name] = read

    def watch_counter(self, name: str, read: Callable[[], float]) -> None:
        """Read `name`, a counter of `COUNTERS` that is kept elsewhere, from `read` at each scrape.

        Raises:
            KeyError: there is no such counter.
        """
        COUNTERS[name]
        setattr(self, name, read)

    def watch_audit(self, audit: CountedLog) -> None:
        """Report what `audit` stores, drops and still holds, and whether it can."""
        self.audit_records = audit.written
        self.audit_dropped = audit.dropped
        self.audit_sampled_out = audit.sampled_out
        self.watch_gauge("audit_queue_depth", audit.waiting_count)
        self.watch_gauge("audit_failing", lambda: float(audit.is_failing))
        self.audit_withheld = audit.withheld

    def watch_queue(self, queue: str, read: Callable[[], float]) -> None:
        """Report the length of `queue` (a thread pool's backlog) at each scrape."""
        with self._lock:
            self._queues[queue] = read

    def watch_in_flight(self, call_class: str, read: Callable[[], float]) -> None:
        """Report how many calls of `call_class` are being answered at each scrape."""
        with self._lock:
            self._in_flight[call_class] = read

    def expose(self, accept: str = "") -> tuple[bytes, str]:
        """The whole exposition and its content type, OpenMetrics where `accept` asks for it."""
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type

    def describe(self) -> Iterable[Metric]:
        """Nothing: names are unique by construction, and reading gauges at start is too early."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Samples of everything, as of now."""
        yield from self._collect_counters()
        yield from self._collect_histograms()
        yield from self._collect_gauges()
        yield InfoMetricFamily(
            f"{PREFIX}_build",
            "What runs here; two versions in one fleet mean an upgrade that is under way.",
            value={"version": self._version, "python": platform.python_version()},
        )
        if self._policy_digest:
            yield InfoMetricFamily(
                f"{PREFIX}_policy",
                "The active policy set; two digests in one fleet mean a rollout that is under way.",
                value={"digest": self._policy_digest},
            )

    def _collect_counters(self) -> Iterator[Metric]:
        for name, text in COUNTERS.items():
            source: CounterFamily | Amount | Callable[[], float] = getattr(self, name)
            if isinstance(source, CounterFamily):
                yield _counter(f"{PREFIX}_{name}", text, source)
            else:
                read = source.value if isinstance(source, Amount) else source
                yield CounterMetricFamily(f"{PREFIX}_{name}", text, value=read())
        yield _counter(
            "grpc_server_started", "Calls begun, by method; the base of error rates.",
            self.grpc_started,
        )  # fmt: skip
        yield _counter(
            "grpc_server_handled",
            "Calls ended, by method and code. INTERNAL is a bug, RESOURCE_EXHAUSTED overload,"
            " UNAVAILABLE a sidecar that is not ready.",
            self.grpc_handled,
        )

    def _collect_histograms(self) -> Iterator[Metric]:
        yield _histogram(
            f"{PREFIX}_decision_seconds",
            "Time inside the decision point, without transport, by what the cache had.",
            self.decision_seconds,
        )
        yield _histogram(
            f"{PREFIX}_audit_commit_seconds",
            "How long calls waited for their record's disk, in strict mode: what it costs callers.",
            self.audit_commit_seconds,
        )
        yield _histogram(
            f"{PREFIX}_consent_record_seconds",
            "Time from a consent event's arrival to its acknowledgement, by kind: no check here"
            " that starts later permits on what a withdrawal took back. `probe`: made-up persons."
            " Growing: look at the ledger's disk or server.",
            self.consent_record_seconds,
        )
        yield _histogram(
            "grpc_server_handling_seconds",
            "Time from the first byte of a call handed to us to its answer; without the wait for a"
            " thread, which consentry_queue_depth shows.",
            self.grpc_handling_seconds,
        )

    def _collect_gauges(self) -> Iterator[Metric]:
        with self._lock:
            gauges = sorted(self._gauges.items())
            groups = (
                ("queue_depth", "queue", sorted(self._queues.items()),
                 "Calls that wait for a thread; steadily above 0 means that CPU is short."),
                ("in_flight", "class", sorted(self._in_flight.items()),
                 "Calls being answered; at the limit of the class the next ones are refused."),
            )  # fmt: skip
        for name, read in gauges:
            if (value := _read(name, read)) is not None:
                yield GaugeMetricFamily(f"{PREFIX}_{name}", GAUGES[name], value=value)
        for name, label, readers, text in groups:
            family = GaugeMetricFamily(f"{PREFIX}_{name}", text, labels=[label])
            for label_value, read in readers:
                if (value := _read(name, read)) is not None:
                    family.add_metric([label_value], value)
            yield family


def _read(name: str, read: Callable[[], float]) -> float | None:
    try:
        return read()
    except Exception:  # one broken source must not take the whole scrape away
        log.exception("gauge_failed", extra={"gauge": name})
        return None


def _counter(name: str, text: str, family: CounterFamily) -> Metric:
    metric = CounterMetricFamily(name, text, labels=family.labels)
    for values, count in family.series():
        metric.add_metric(values, count)
    return metric


def _histogram(name: str, text: str, family: HistogramFamily) -> Metric:
    metric = HistogramMetricFamily(name, text, labels=family.labels)
    bounds = (*map(repr, family.bounds), "+Inf")
    for values, read in family.series():
        running = 0
        buckets: list[tuple[str, float] | tuple[str, float, Exemplar]] = []
        for bound, count, observed in zip(bounds, read.counts, read.newest, strict=True):
            running += count
            if observed is None:
                buckets.append((bound, running))
            else:
                buckets.append((bound, running, _exemplar(observed)))
        metric.add_metric(values, buckets, read.total)
    return metric


def _exemplar(observed: Observed) -> Exemplar:
    value, decision_id, trace_id, at_us = observed
    labels = {"decision_id": decision_id}
    if trace_id:
        labels["trace_id"] = trace_id
    return Exemplar(labels, value, Timestamp(*divmod(at_us * 1_000, 10**9)))
