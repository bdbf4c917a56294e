"""A decision log in memory: a sink that fails when it is told to, and a key that never changes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from consentry.telemetry.audit.keys import AuditKey
from consentry.telemetry.audit.log import AuditLog
from consentry.telemetry.audit.reader import AuditReader, AuditRecord
from consentry.telemetry.audit.record import AuditFields, AuditKind, RecordWriter

NOW_US = 1_767_225_600_000_001
KEY = AuditKey("20260101T000000Z", b"k" * 32)


class FixedKeys:
    """Always the same key, until a test sets another."""

    def __init__(self) -> None:
        self.key = KEY

    def current(self, now_us: int) -> AuditKey:
        return self.key


class MemorySink:
    """Stores lines, or refuses them as `refusals` says, one entry a write."""

    def __init__(self, refusals: Sequence[bool] = ()) -> None:
        self.stored: list[dict[str, Any]] = []
        self.refusals = list(refusals)
        self.is_broken = False
        self.is_closed = False
        self.keys: list[str] = []

    def use_key(self, name: str) -> None:
        self.keys.append(name)

    def write(self, lines: Sequence[bytes], stored: Callable[[int], None]) -> None:
        self.write_durably(lines)
        stored(len(lines))

    def write_durably(self, lines: Sequence[bytes]) -> None:
        if self.is_broken or (self.refusals and self.refusals.pop(0)):
            raise OSError(28, "no space")
        self.stored += [json.loads(line) for line in lines]

    def tend(self, now_us: int) -> None:
        pass

    def close(self) -> None:
        self.is_closed = True

    def numbers(self) -> list[int]:
        """Numbers of the records stored, in order."""
        return [record["seq"] for record in self.stored if record["event"] == "decision"]

    def told(self, event: str, name: str) -> int:
        """What lines of `event` say under `name`, added up."""
        return sum(entry[name] for entry in self.stored if entry["event"] == event)


def audit_log(sink: Any, *, capacity: int = 65_536, writer: RecordWriter | None = None) -> AuditLog:
    """A buffered log over `sink`."""
    return AuditLog(sink, keys=FixedKeys(), now_us=lambda: NOW_US, capacity=capacity, writer=writer)


def fields(**changed: Any) -> AuditFields:
    """What an answer about Ada has in common with its like."""
    plain: dict[str, Any] = {
        "digest": "d" * 64, "effect": "permit", "reason": "consent_valid",
        "rule": "mail_campaign", "purpose": "marketing.email", "action": "contact",
        "data": ("customer.contact.email",),
    }  # fmt: skip
    own: dict[str, Any] = {
        "principal_id": "campaign-mailer", "data_subject_id": "ada@example.org", "revision": 5,
        "question": b"asked",
    }  # fmt: skip
    own |= {name: changed.pop(name) for name in own.keys() & changed.keys()}
    return AuditFields(AuditKind(**(plain | changed)), **own)


def records_of(state: Path) -> list[AuditRecord]:
    """All records of a sidecar's state folder."""
    return list(AuditReader(state / "audit").records())
