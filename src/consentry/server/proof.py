"""The statement with live figures, and the figures for programs: from this sidecar's own metrics.

Lock: `_lock` guards the figures that are kept; they are taken anew when they are a minute old, so
that nobody can watch a count move.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from consentry.model.consent import EventKind
from consentry.model.ports import Clock
from consentry.pdp.errors import NotReadyError
from consentry.publish.proof import LEAST, Figures, ProbeResult, Speed, figures_json
from consentry.publish.publisher import Format
from consentry.server.statements import PAGE, Policies, Served, Statements
from consentry.telemetry.metrics import Metrics
from consentry.telemetry.probe_file import ProbeReport

MAX_AGE_S: Final = 60.0
_MOST: Final = 0.99


class LiveProof:
    """Figures of this process since its start; any thread may ask."""

    def __init__(
        self, metrics: Metrics, clock: Clock, read_probe: Callable[[], ProbeReport | None]
    ) -> None:
        self._metrics: Final = metrics
        self._clock: Final = clock
        self._read_probe: Final = read_probe
        self._since_us: Final = clock.now_us()
        self._lock: Final = threading.Lock()
        self._kept: tuple[float, Figures] | None = None

    def figures(self) -> Figures:
        """The figures, a minute old at most."""
        with self._lock:
            now_s = self._clock.monotonic_s()
            if self._kept is None or now_s - self._kept[0] >= MAX_AGE_S:
                self._kept = (now_s, self._take())
            return self._kept[1]

    def _take(self) -> Figures:
        decisions: dict[str, tuple[int, int]] = {}
        refusals: dict[str, int] = {}
        for (effect, reason, purpose, _action), count in self._metrics.decisions.series():
            permitted, denied = decisions.get(purpose, (0, 0))
            if effect == "permit":
                permitted += count
            else:
                denied += count
                refusals[reason] = refusals.get(reason, 0) + count
            decisions[purpose] = permitted, denied
        report = self._read_probe()
        return Figures(
            since_us=self._since_us,
            now_us=self._clock.now_us(),
            decisions=decisions,
            refusals=refusals,
            withdrawals=self._withdrawals(),
            probe=None
            if report is None
            else ProbeResult(
                at_us=report.at_us,
                systems=report.sidecars,
                slowest_s=report.slowest_s if math.isfinite(report.slowest_s) else None,
            ),
        )

    def _withdrawals(self) -> Speed:
        histogram = self._metrics.consent_record_seconds.histogram(EventKind.WITHDRAWN.value)
        counts = histogram.read().counts
        total = sum(counts)
        if total < LEAST:
            return Speed(count=total)
        return Speed(
            count=total,
            half_s=_within(counts, histogram.bounds, 0.5),
            most_s=_within(counts, histogram.bounds, _MOST),
        )


def _within(counts: Sequence[int], bounds: tuple[float, ...], share: float) -> float | None:
    """The least bound within which so many were; None: beyond all bounds."""
    wanted, seen = share * sum(counts), 0
    for bound, count in zip(bounds, counts, strict=False):
        seen += count
        if seen >= wanted:
            return bound
    return None


class ProvenStatements:
    """Statements whose page carries live figures."""

    def __init__(self, statements: Statements, proof: LiveProof, policies: Policies) -> None:
        self._statements: Final = statements
        self._proof: Final = proof
        self._policies: Final = policies

    def get(self, kind: Format, language: str) -> Served:
        """The statement; raises `NotReadyError` without a policy set."""
        figures = self._proof.figures() if kind is Format.HTML else None
        return self._statements.get(kind, language, figures=figures)

    def routes(self) -> list[Route]:
        """The figures for programs."""
        return [Route(f"{PAGE}/proof.json", self._serve)]

    async def _serve(self, _request: Request) -> Response:
        try:
            return await run_in_threadpool(self._answer)
        except NotReadyError:
            return PlainTextResponse("no policies\n", status_code=503)

    def _answer(self) -> Response:
        active = self._policies.current
        if active is None:
            raise NotReadyError("no policy set is loaded")
        told = figures_json(self._proof.figures(), active.program)
        return JSONResponse(told, headers={"cache-control": "no-cache"})
