"""Opens the decision log of a sidecar as its settings want it."""

from __future__ import annotations

import logging
import sys
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from google.protobuf.json_format import MessageToDict

from consentry.app.settings import Settings
from consentry.app.state_folder import AUDIT_FOLDER
from consentry.app.system import SystemClock
from consentry.app.telemetry_settings import AuditSettings
from consentry.app.tracing import NO_OTEL
from consentry.diagnostics.suggest import closest
from consentry.model.program import Program
from consentry.model.values import MICROS_PER_DAY
from consentry.telemetry.audit.files import FileSink, Turning
from consentry.telemetry.audit.keys import KeyRing
from consentry.telemetry.audit.log import AuditLog, Sink
from consentry.telemetry.audit.reader import KEYS_FOLDER, WORKER_PREFIX, AuditReader
from consentry.telemetry.audit.record import (
    ALL_PERMITS,
    Facts,
    QuestionDetail,
    RecordWriter,
    Telling,
)
from consentry.telemetry.audit.stream import StreamSink
from consentry.telemetry.audit.strict import StrictAuditLog
from consentry.telemetry.metrics import Metrics
from consentry.v1 import authorization_pb2 as wire

log = logging.getLogger(__name__)

_PLACES: Final = MappingProxyType({"principal_id": "principal.id"})
"""Fields of a record that a question has at another place."""


def open_audit(
    settings: Settings, metrics: Metrics, clock: SystemClock, worker: int | None
) -> AuditLog | StrictAuditLog | None:
    """The decision log, not started yet; None where it is off. `worker`: one of several.

    Raises:
        OSError: its folder cannot be used.
        ValueError: a key is damaged, or an extra is missing.
    """
    audit = settings.audit
    if not audit.is_enabled:
        return None
    folder = settings.state.path / AUDIT_FOLDER
    keys = KeyRing(folder / KEYS_FOLDER, life_days=audit.key_days)
    keys.current(clock.now_us())  # what is wrong with it is said at the start
    place = folder if worker is None else folder / f"{WORKER_PREFIX}{worker}"
    place.mkdir(mode=0o700, exist_ok=True)
    writer = RecordWriter(_telling(audit), read_facts)
    opened: AuditLog | StrictAuditLog
    if audit.mode == "strict":
        opened = StrictAuditLog(
            _file_sink(audit, place, keys, clock),
            keys=keys,
            now_us=clock.now_us,
            writer=writer,
            patience_s=audit.patience_s,
            observe=metrics.audit_commit_seconds.histogram().observe,
        )
    else:
        opened = AuditLog(
            _sink(settings, place, keys, clock),
            keys=keys,
            now_us=clock.now_us,
            writer=writer,
            capacity=audit.capacity,
        )
    metrics.watch_audit(opened)
    return opened


def tell_unknown_reasons(audit: AuditSettings, program: Program) -> None:
    """Says which words of `sampling` are no reason of the policy set that was loaded.

    They are no error: a rule gives its own name as a reason, so that what is none today may be one
    after the next roll-out. A record that a misspelt word does not sample is kept.
    """
    # PERF: a look at every rule, beside checks, is left to those who name one's own reason.
    if not set(audit.sampling) - {ALL_PERMITS, *program.reasons}:
        return
    known = {ALL_PERMITS, *program.reasons, *(rule.reason for rule in program.rules)}
    for word in sorted(set(audit.sampling) - known):
        near = closest(word, known) or ""
        log.warning("audit_sampling_reason_unknown", extra={"reason": word, "nearest": near})


def _telling(audit: AuditSettings) -> Telling:
    return Telling(
        is_person_clear=audit.data_subject == "clear",
        question=QuestionDetail(audit.question),
        leave_out=frozenset(audit.leave_out),
        sampling=audit.sampling,
    )


def _sink(settings: Settings, place: Path, keys: KeyRing, clock: SystemClock) -> Sink:
    audit = settings.audit
    if audit.sink == "file":
        return _file_sink(audit, place, keys, clock)

    def tidy() -> None:
        if audit.keep_keys_days is not None:
            kept_us = int(audit.keep_keys_days * MICROS_PER_DAY)
            keys.prune((), clock.now_us(), keep_us=kept_us)

    if audit.sink == "stdout":
        return StreamSink(sys.stdout.fileno(), tidy=tidy)
    try:
        from consentry.server.otlp import OtlpLogSink  # noqa: PLC0415 (an extra)
    except ImportError:
        raise ValueError(f"audit.sink: {NO_OTEL}") from None
    otel = settings.otel
    return OtlpLogSink(otel.endpoint, otel.authorities, version=version("consentry"), tidy=tidy)


def _file_sink(audit: AuditSettings, place: Path, keys: KeyRing, clock: SystemClock) -> FileSink:
    folder = place.parent if place.name.startswith(WORKER_PREFIX) else place
    kept_us = int((audit.keep_keys_days or 0) * MICROS_PER_DAY)

    def tidy() -> None:
        keys.prune(AuditReader(folder).used_keys(), clock.now_us(), keep_us=kept_us)

    turning = Turning(
        max_bytes=audit.max_file_bytes,
        max_age_days=audit.max_file_days,
        keep_count=audit.keep_count,
        keep_days=audit.keep_days,
    )
    return FileSink(place, now_us=clock.now_us, turning=turning, tidy=tidy)


def read_facts(raw: bytes, leave_out: frozenset[str]) -> Facts:
    """The facts of a CheckRequest, in protobuf's JSON form, without the person's id.

    What is left out of a record's own fields is left out here as well.

    Raises:
        DecodeError: it is none; no answer was given to it then.
    """
    request = wire.CheckRequest.FromString(raw)
    request.subject.id = ""
    told = MessageToDict(request, preserving_proto_field_name=True)
    left_out = []
    for name in sorted(leave_out):
        owner, _, fact = _PLACES.get(name, name).partition(".")
        if _leave_out(told, owner, fact) if fact else told.pop(owner, None) is not None:
            left_out.append(name)
    return Facts(told, tuple(left_out))


def _leave_out(told: dict[str, Any], owner: str, fact: str) -> bool:
    """Takes a fact away; whether it was there."""
    part = told.get(owner)
    if isinstance(part, dict):
        if part.pop(fact, None) is not None:
            return True
        kept = [each for each in part.get("attributes", ()) if each["name"] != fact]
        was_there = len(kept) != len(part.get("attributes", ()))
        part["attributes"] = kept
        return was_there
    if isinstance(part, list):
        kept = [each for each in part if each["name"] != fact]
        was_there = len(kept) != len(part)
        told[owner] = kept
        return was_there
    return False
