"""What is called over HTTP, as the settings ask for it."""

from __future__ import annotations

from pathlib import Path

from consentry.app.settings import Settings
from consentry.app.settings_doors import WebhookSettings
from consentry.app.signal_map import SignalMapError, read_signal_map
from consentry.consent.signals.events import SignalMap
from consentry.model.ports import Clock
from consentry.server.authzen.service import AuthzenService
from consentry.server.http_calls import HttpService
from consentry.server.options import ServerOptions
from consentry.server.ports import ConsentLedger, Decider, Policies
from consentry.server.recording.imports import ImportService
from consentry.server.recording.recorder import Recorder
from consentry.server.recording.rows import RowsOf
from consentry.server.recording.signatures import MessageKeys, parse_public_key, read_secrets
from consentry.server.recording.webhooks import Sender, WebhookService
from consentry.telemetry.metrics import Metrics


class DoorError(ValueError):
    """A door's files cannot be used; the text names the file and repeats no secret."""


def decision_services(
    settings: Settings, options: ServerOptions, decider: Decider, policies: Policies
) -> tuple[HttpService, ...]:
    """Those that decide; none by default."""
    if not settings.authzen.is_enabled:
        return ()
    return (
        AuthzenService(
            decider,
            policies,
            address=settings.authzen.address,
            max_body_bytes=options.max_message_bytes,
            max_items=options.max_batch_items,
        ),
    )


def recording_services(
    settings: Settings, ledger: ConsentLedger, policies: Policies, clock: Clock, metrics: Metrics
) -> tuple[HttpService, ...]:
    """Those that record; none by default.

    Raises:
        DoorError: a secret, a key or a map cannot be used.
    """
    recording = settings.recording
    recorder = Recorder(ledger, policies, clock, metrics)
    services: list[HttpService] = []
    if recording.is_import_enabled:
        names = _signal_map(recording.signal_map)
        services.append(ImportService(recorder, names, recording.max_import_bytes))
    if recording.webhooks:
        senders = tuple(_sender(webhook) for webhook in recording.webhooks)
        services.append(WebhookService(recorder, senders, clock, metrics))
    return tuple(services)


def _sender(webhook: WebhookSettings) -> Sender:
    return Sender(
        name=webhook.name,
        keys=_keys(webhook),
        rows=RowsOf(webhook.rows),
        names=_signal_map(webhook.signal_map),
        purposes=None if webhook.purposes is None else frozenset(webhook.purposes),
        max_body_bytes=webhook.max_body_bytes,
        rate_per_s=webhook.rate_per_s,
        burst=webhook.burst,
    )


def _keys(webhook: WebhookSettings) -> MessageKeys:
    place = f"recording.webhooks.{webhook.name}"
    try:
        secrets = (
            ()
            if webhook.secret_file is None
            else tuple(read_secrets(webhook.secret_file.read_text(encoding="utf-8")))
        )
        public_keys = tuple(parse_public_key(text) for text in webhook.public_keys)
    except OSError as problem:
        raise DoorError(f"{place}: secret_file: {problem.strerror}") from problem
    except ValueError as problem:
        raise DoorError(f"{place}: {problem}") from problem
    return MessageKeys(secrets=secrets, public_keys=public_keys, tolerance_s=webhook.tolerance_s)


def _signal_map(path: Path | None) -> SignalMap:
    try:
        return read_signal_map(path)
    except SignalMapError as problem:
        raise DoorError(str(problem)) from problem
