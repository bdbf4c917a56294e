"""Puts together the pages for people that are off by default."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final

import grpc

from consentry.app.ledgers import OpenLedger
from consentry.app.receipts import receipt_services
from consentry.app.settings import Settings
from consentry.app.settings_pages import PreferenceSettings
from consentry.app.system import SystemClock
from consentry.consent.signing import KeyFolder
from consentry.pdp.policy_store import PolicyStore
from consentry.server.callers import Callers
from consentry.server.consent_service import ConsentMethods
from consentry.server.explain_service import ExplainMethods
from consentry.server.page_tokens import PageTokens
from consentry.server.pages.explaining import ExplainPages
from consentry.server.pages.keys import PageKeyError, read_page_keys
from consentry.server.pages.obedience import OtherSidecars
from consentry.server.pages.preferences import Behind, PreferenceOptions, PreferencePages
from consentry.server.pages.routes import page_routes
from consentry.server.pages.visitors import VisitorOptions, Visitors
from consentry.server.proof import LiveProof, ProvenStatements
from consentry.server.statements import Statements
from consentry.telemetry.metrics import Metrics
from consentry.telemetry.probe_file import ProbeReport, read_probe_file

_MARGIN_S: Final = 0.5


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
        explaining = ExplainPages(
            parts.explaining, parts.store, parts.callers, allowed=ours.allowed, hosts=ours.hosts
        )
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


def preference_pages(settings: Settings, parts: PageParts) -> PreferencePages | None:
    """The preference page; None where it is off.

    Raises:
        ValueError: the key file or an address cannot be used.
        OSError: a certificate cannot be read.
    """
    ours = settings.preferences
    if not ours.is_enabled or ours.key_path is None:
        return None
    try:
        keys = read_page_keys(ours.key_path)
    except PageKeyError as problem:
        raise ValueError(str(problem)) from problem
    others = OtherSidecars(ours.sidecars, _credentials(ours))
    parts.opening.callback(others.close)
    receipts = receipt_services(settings, parts.opened, parts.store, parts.clock)
    signing = KeyFolder(settings.receipt_keys)
    return PreferencePages(
        Behind(
            consent=ConsentMethods(
                ledger=parts.opened.ledger,
                policies=parts.store,
                clock=parts.clock,
                metrics=parts.metrics,
                tokens=PageTokens(),
            ),
            ledger=parts.opened.ledger,
            words=parts.statements,
            others=others,
            receipts=receipts[0] if receipts else None,
            has_receipts=lambda: signing.active_id() is not None,
        ),
        Visitors(
            VisitorOptions(
                public_url=ours.public_url,
                login_header=ours.login_header,
                trusted_proxies=ours.trusted_proxies,
                session_s=ours.session_s,
            ),
            keys,
            parts.clock,
        ),
        PreferenceOptions(
            place=ours.public_url,
            views_per_minute=ours.views_per_minute,
            changes_per_minute=ours.changes_per_minute,
            obedience_wait_s=settings.ledger.bound_s + _MARGIN_S,
        ),
        parts.clock,
    )


def _credentials(ours: PreferenceSettings) -> grpc.ChannelCredentials | None:
    if ours.sidecars_ca is None:
        return None
    key, certificate = ours.sidecars_key, ours.sidecars_certificate
    return grpc.ssl_channel_credentials(
        root_certificates=ours.sidecars_ca.read_bytes(),
        private_key=None if key is None else key.read_bytes(),
        certificate_chain=None if certificate is None else certificate.read_bytes(),
    )
