"""Rows in the bodies of calls, in step with what files and settings may hold."""

from __future__ import annotations

from typing import get_args

from consentry.app.settings_doors import WebhookSettings
from consentry.consent.signals.events import SIGNALS
from consentry.server.recording.rows import RowsOf


def test_calls_files_and_settings_know_the_same_signals() -> None:
    known = ["events", *SIGNALS]

    assert list(RowsOf) == known
    assert list(get_args(WebhookSettings.model_fields["rows"].annotation)) == known
