"""Puts together the preference page, which is off by default.

Imported where it is on: what it needs takes three megabytes.
"""

from __future__ import annotations

from typing import Final

import grpc

from consentry.app.pages import PageParts
from consentry.app.receipts import receipt_services
from consentry.app.settings import Settings
from consentry.app.settings_pages import PreferenceSettings
from consentry.consent.signing import KeyFolder
from consentry.server.consent_service import ConsentMethods
from consentry.server.page_tokens import PageTokens
from consentry.server.pages.keys import PageKeyError, read_page_keys
from consentry.server.pages.obedience import OtherSidecars
from consentry.server.pages.preferences import Behind, PreferenceOptions, PreferencePages
from consentry.server.pages.visitors import VisitorOptions, Visitors

_MARGIN_S: Final = 0.5


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
