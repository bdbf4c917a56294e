"""All methods of one sidecar: which pool each runs in, and how a call enters it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from consentry.server.at_least import WaitFor, waiting
from consentry.server.calls import RawBehaviour, build_guard
from consentry.server.door import Entry, bounded
from consentry.server.gate import Gate
from consentry.server.options import ServerOptions
from consentry.server.pools import CallPool, PoolOfNone
from consentry.server.streams import (
    HANDLER_MAKERS,
    OpenStreams,
    StreamBehaviour,
    build_stream_guard,
)
from consentry.server.tracing import CallTracer, traced, traced_stream
from consentry.telemetry.metrics import Metrics


class Pools:
    """The threads of a sidecar, one pool for each class of methods."""

    def __init__(self, options: ServerOptions, metrics: Metrics) -> None:
        self.check: Final = CallPool(
            "check", threads=options.check_threads, limit=options.check_limit
        )
        self.wait: Final = CallPool("wait", threads=options.wait_threads, limit=options.wait_limit)
        # Whoever waits for a position may do so for seconds: no withdrawal may wait behind them.
        self.position: Final = CallPool(
            "position", threads=options.wait_threads, limit=options.wait_limit
        )
        # A stream has its thread for as long as it lives: none may wait for another's end.
        self.stream: Final = CallPool(
            "stream", threads=options.stream_limit, limit=options.stream_limit
        )
        # These two bound nothing: one only says no, the other serves people with a debugger.
        self.refuse: Final = PoolOfNone("refuse")
        self.reflect: Final = CallPool("reflect", threads=2, limit=1_000_000)
        for pool in (self.check, self.wait, self.position, self.stream):
            metrics.watch_queue(pool.name, pool.queue_depth)
            metrics.watch_in_flight(pool.name, pool.count_in_flight)

    def shutdown(self) -> None:
        """Take no more calls, and drop those that wait."""
        for pool in (
            self.check,
            self.wait,
            self.position,
            self.stream,
            self.refuse,
            self.reflect,
        ):
            pool.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True, slots=True)
class _Unary:
    behaviours: Mapping[str, RawBehaviour]
    pool: CallPool
    wait_for: WaitFor | None


@dataclass(frozen=True, slots=True)
class _Streams:
    kind: str
    behaviours: Mapping[str, StreamBehaviour]


class Methods:
    """What a door serves; filled by `add` and its kin, then read by `entries`."""

    def __init__(
        self,
        pools: Pools,
        metrics: Metrics,
        gate: Gate,
        streams: OpenStreams,
        tracer: CallTracer | None = None,
    ) -> None:
        self._tracer: Final = tracer
        self._pools: Final = pools
        self._metrics: Final = metrics
        self.gate: Final = gate
        self._guard: Final = build_guard(metrics, gate.note_refusal)
        self._stream_guard: Final = build_stream_guard(metrics, streams, gate.while_proven)
        self._unary: Final[list[_Unary]] = []
        self._open: Final[dict[str, Entry]] = {}
        self._streams: Final[list[_Streams]] = []

    def add(
        self,
        behaviours: Mapping[str, RawBehaviour],
        pool: CallPool,
        wait_for: WaitFor | None = None,
    ) -> None:
        """Methods with one answer, in `pool`; `wait_for` where they may wait for a position."""
        self._unary.append(_Unary(behaviours, pool, wait_for))

    def add_streams(self, kind: str, behaviours: Mapping[str, StreamBehaviour]) -> None:
        """Methods that stay open."""
        self._streams.append(_Streams(kind, behaviours))

    def open_to_all(self, entries: Mapping[str, Entry]) -> None:
        """Methods that ask nobody who they are, as they are."""
        self._open.update(entries)

    @property
    def know_callers(self) -> bool:
        """Whether not everybody may do everything."""
        return not self.gate.callers.is_open

    def entries(self, identity: str) -> dict[str, Entry]:
        """All of them, for a door of this identity's own; "": whoever comes says who it is."""
        entries = dict(self._open)
        for unary in self._unary:
            for method, behaviour in unary.behaviours.items():
                entries[method] = self._entry(method, behaviour, unary, identity)
        for group in self._streams:
            for method, streaming in group.behaviours.items():
                enter = self.gate.entering(method, identity)
                guarded = self._stream_guard(group.kind, method, streaming, enter)
                if self._tracer is not None:
                    guarded = traced_stream(method, guarded, self._tracer)
                entries[method] = bounded(
                    guarded,
                    self._pools.stream,
                    self._pools.refuse,
                    self._metrics,
                    HANDLER_MAKERS[group.kind],
                )
        return entries

    def _entry(self, method: str, behaviour: RawBehaviour, unary: _Unary, identity: str) -> Entry:
        enter = self.gate.entering(method, identity)

        def entry(behaviour: RawBehaviour, pool: CallPool) -> Entry:
            guarded = self._guard(method, behaviour, enter)
            if self._tracer is not None:
                guarded = traced(method, guarded, self._tracer)
            return bounded(guarded, pool, self._pools.refuse, self._metrics)

        made = entry(behaviour, unary.pool)
        if unary.wait_for is None:
            return made
        waits = entry(waiting(behaviour, unary.wait_for), self._pools.position)
        return replace(made, waiting=waits)
