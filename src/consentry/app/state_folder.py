"""Names in a sidecar's state folder."""

from __future__ import annotations

from typing import Final

LEDGER_FOLDER: Final = "ledger"
LEDGER_FILE: Final = "consent.sqlite"
AUDIT_FOLDER: Final = "audit"
ARCHIVE_FOLDER: Final = "policies"
BUNDLES_FOLDER: Final = "bundles"
