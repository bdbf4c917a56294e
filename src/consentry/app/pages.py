"""Puts together the pages for people that are off by default."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from consentry.app.ledgers import OpenLedger
from consentry.app.settings import Settings
from consentry.app.system import SystemClock
from consentry.pdp.policy_store import PolicyStore
from consentry.server.callers import Callers
from consentry.server.explain_service import ExplainMethods
from consentry.server.pages.routes import page_routes
from consentry.server.proof import LiveProof, ProvenStatements
from consentry.server.statements import Statements
from consentry.telemetry.metrics import Metrics
from consentry.telemetry.probe_file import ProbeReport, read_probe_file


@dataclass(frozen=True, slots=True)
class PageParts:
    """What pages are made of; `opening` gives back what they open."""

    opening: ExitStack
    opened: OpenLedger
    store: PolicyStore
    statements: Statements
    clock: SystemClock
    metrics: Metrics
    explaining: ExplainMethods
    callers: Callers


def pages_of(settings: Settings, parts: PageParts) -> Sequence[Any]:
    """The routes of all pages that are switched on; raises as `preference_pages` does."""
    proven = proven_statements(settings, parts)
    ours = settings.explain_page
    explaining = None
    if ours.is_enabled:
        from consentry.server.pages.explaining import ExplainPages  # noqa: PLC0415 (off by default)

        explaining = ExplainPages(
            parts.explaining, parts.store, parts.callers, allowed=ours.allowed, hosts=ours.hosts
        )
    preferences = None
    if settings.preferences.is_enabled:
        from consentry.app.preference_pages import preference_pages  # noqa: PLC0415 (as above)

        preferences = preference_pages(settings, parts)
    return page_routes(proven or parts.statements, proven, preferences, explaining)


def proven_statements(settings: Settings, parts: PageParts) -> ProvenStatements | None:
    """Statements with live figures; None where they are not wanted."""
    ours = settings.statement
    if not ours.shows_figures:
        return None

    def read_probe() -> ProbeReport | None:
        return None if ours.probe_file is None else read_probe_file(ours.probe_file)

    proof = LiveProof(parts.metrics, parts.clock, read_probe)
    return ProvenStatements(parts.statements, proof, parts.store)
