"""Chooses where policies come from: a folder, a signed bundle in a file, or one at a URL.

What decides is said, not found out: with trusted keys nothing but a signed bundle is taken, so that
a folder that somebody puts in its place decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from consentry.app.settings import Settings
from consentry.app.state_folder import BUNDLES_FOLDER
from consentry.diagnostics.span import Source
from consentry.pdp.bundle_http import BundleUrl
from consentry.pdp.pace import at_once
from consentry.pdp.policy_source import BundleFile, BundleSource, FolderSource, PolicySource
from consentry.pdp.serials import SerialRecord


def policy_source(
    settings: Settings, packs: Mapping[str, Source], step: Callable[[], None] = at_once
) -> PolicySource:
    """The source that the settings name; nothing is read yet. `step` gives way to checks.

    Raises:
        ValueError: the URL is not one that may be used.
    """
    policies = settings.policies
    if policies.trusted_keys is None:
        return FolderSource(policies.path, step=step)
    max_bytes = policies.max_bundle_bytes
    origin: BundleFile | BundleUrl
    if policies.url is None:
        origin = BundleFile(policies.path, max_bytes=max_bytes)
    else:
        origin = BundleUrl(
            policies.url,
            timeout_s=policies.url_timeout_s,
            max_bytes=max_bytes,
            authorities=policies.url_authorities,
        )
    return BundleSource(
        origin,
        trusted_keys=policies.trusted_keys,
        packs=packs,
        record=SerialRecord(settings.state.path / BUNDLES_FOLDER),
        rollback_to_serial=policies.allow_rollback_to_serial,
        keeps_last=policies.url is not None,
        max_bytes=max_bytes,
    )
