"""The metrics of several worker processes as those of one sidecar.

Counters and histograms add up, those of workers that are gone included, so that no sum ever goes
back. Of gauges each has its rule: most add up, a few tell the worst or the furthest.
"""

from __future__ import annotations

import operator
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar

LARGEST: Final = frozenset(
    {
        "consentry_ledger_position",
        "consentry_consent_age_seconds",
        "consentry_feed_lag_seconds",
        "consentry_policy_loaded_timestamp_seconds",
        "consentry_audit_failing",
        "process_max_fds",
    }
)
SMALLEST: Final = frozenset(
    {
        "consentry_feed_connected",
        "consentry_policy_confirmed_timestamp_seconds",
        "consentry_certificate_expiry_timestamp_seconds",
        "process_start_time_seconds",
    }
)
_ADDED: Final = frozenset({"counter", "histogram", "summary"})

_Series = dict[tuple[str, tuple[tuple[str, str], ...]], tuple[float, Exemplar | None]]


def merge(groups: Iterable[Sequence[Metric]]) -> list[Metric]:
    """One family for each name, with every series once."""
    families: dict[str, tuple[Metric, _Series]] = {}
    for metric in (metric for group in groups for metric in group):
        kept, series = families.setdefault(
            metric.name, (Metric(metric.name, metric.documentation, metric.type, metric.unit), {})
        )
        join = _rule(kept)
        for sample in metric.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            value, exemplar = series.get(key, (None, None))
            series[key] = (
                sample.value if value is None else join(value, sample.value),
                _newer(exemplar, sample.exemplar),
            )
    merged = []
    for metric, series in families.values():
        for (name, labels), (value, exemplar) in series.items():
            metric.add_sample(name, dict(labels), value, exemplar=exemplar)
        merged.append(metric)
    return merged


def _newer(one: Exemplar | None, other: Exemplar | None) -> Exemplar | None:
    if one is None or other is None:
        return one or other
    return max(one, other, key=lambda exemplar: float(exemplar.timestamp or 0))


def _rule(metric: Metric) -> Callable[[float, float], float]:
    if metric.type in _ADDED:
        return operator.add
    if metric.name in SMALLEST:
        return min
    if metric.name in LARGEST or metric.type == "info":
        return max
    return operator.add if metric.type == "gauge" else max


class FleetMetrics(Collector):
    """What the workers told last, and what those that are gone had counted.

    `_lock` guards both.
    """

    def __init__(self, own: CollectorRegistry, refresh: Callable[[], None]) -> None:
        """`own` are the parent's; `refresh` asks the workers, and tells them to `remember`."""
        self._own = own
        self._refresh = refresh
        self._lock = threading.Lock()
        self._told: dict[int, Sequence[Metric]] = {}
        self._gone: list[Metric] = []
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def remember(self, worker: int, metrics: Sequence[Metric]) -> None:
        """What a living worker counted so far."""
        with self._lock:
            self._told[worker] = metrics

    def bury(self, worker: int) -> None:
        """The worker is gone: what it counted stays, its gauges go."""
        with self._lock:
            told = self._told.pop(worker, ())
            self._gone = merge([self._gone, [m for m in told if m.type in _ADDED]])

    def describe(self) -> Iterable[Metric]:
        """Nothing: asking the workers before they live is too early."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Samples of all, as of now."""
        self._refresh()
        with self._lock:
            groups = [list(self._own.collect()), self._gone, *self._told.values()]
        yield from merge(groups)

    def expose(self, accept: str = "") -> tuple[bytes, str]:
        """The whole exposition and its content type, OpenMetrics where `accept` asks for it."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type
