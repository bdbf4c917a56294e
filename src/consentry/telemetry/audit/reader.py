"""Reads decision logs back: every record once, in order, and whose it is.

Only reads, so a running sidecar is not in the way. A log is the folder `audit/` of a sidecar's
state, with the parts of its workers, or a file of lines that were collected elsewhere.
"""

from __future__ import annotations

import heapq
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

from consentry.telemetry.audit.files import ACTIVE, key_of_file, older_files
from consentry.telemetry.audit.keys import KeyRing
from consentry.telemetry.audit.record import DECISION, GAP, SAMPLED_OUT, parse_time

KEYS_FOLDER: Final = "keys"
WORKER_PREFIX: Final = "worker-"
_NO_FACTS: Final[Mapping[str, Any]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """One answer, as the log tells it; what was left out is empty.

    `data_subject` is the person's name under the key `key`, `data_subject_id` the id itself where
    the log holds it in clear. `granted` are the leaves given where it was not all of `data`.
    `question` is a keyed digest of the question's bytes, `facts` are what it said, if it was kept.
    """

    time_us: int
    decision_id: str
    effect: str
    reason: str
    digest: str
    position: int
    revision: int = 0
    rule: str = ""
    purpose: str = ""
    action: str = ""
    data: tuple[str, ...] = ()
    granted: tuple[str, ...] | None = None
    principal_id: str = ""
    caller: str = ""
    correlation_id: str = ""
    trace_id: str = ""
    is_hit: bool = False
    is_consent_known: bool = True
    key: str = ""
    data_subject: str = ""
    data_subject_id: str = ""
    question: str = ""
    facts: Mapping[str, Any] | None = None
    left_out: tuple[str, ...] = ()
    told: Mapping[str, Any] = field(default_factory=lambda: _NO_FACTS, repr=False, compare=False)
    """All that its line says."""


@dataclass(slots=True)
class Tally:
    """What a walk through a log came upon beside its records."""

    record_count: int = 0
    dropped_count: int = 0
    """Answers whose records were lost, as the log itself tells."""
    sampled_out_count: int = 0
    """Answers whose records were left out by sampling."""
    damaged_count: int = 0
    """Lines that are none of ours, such as half a line of a process that was killed."""


Progress = Callable[[int, int], None]
"""(bytes read, bytes in all)."""


class AuditReader:
    """A log, to be walked as often as wanted. `tally` is that of the last walk."""

    def __init__(self, place: Path, *, keys: Path | None = None) -> None:
        """`place` is the folder `audit/` of a state folder, or a file of lines; `keys` the folder
        of its keys, where it is not `keys/` in that folder or beside that file.
        """
        self._place: Final = place
        self._keys: Final = keys
        self.tally = Tally()

    @property
    def keys(self) -> KeyRing:
        """The keys of the log."""
        folder = self._place if self._place.is_dir() else self._place.parent
        return KeyRing(self._keys or folder / KEYS_FOLDER)

    def records(self, progress: Progress = lambda _done, _total: None) -> Iterator[AuditRecord]:
        """Every record once, the oldest first; those of several workers are merged by their time.

        What is written while this walk is under way may be left out of it.

        Raises:
            OSError: the log cannot be read.
        """
        tally = self.tally = Tally()
        with ExitStack() as stack:
            places = [self._files(folder, stack) for folder in self._folders()]
            files = [file for place in places for file in place]
            total = sum(os.fstat(file.fileno()).st_size for file in files)
            done = _Done(total, progress)
            walks = [_records_of(place, tally, done) for place in places]
            for record in heapq.merge(*walks, key=lambda record: record.time_us):
                tally.record_count += 1
                yield record
            progress(total, total)

    def is_about(self, data_subject_id: str) -> Callable[[AuditRecord], bool]:
        """Whether a record is about this person, as far as the keys that still live can tell.

        Raises:
            OSError, AuditKeyError: a key cannot be read.
        """
        names = {key.name: key.name_of(data_subject_id) for key in self.keys.living()}

        def is_about(record: AuditRecord) -> bool:
            if record.data_subject_id:
                return record.data_subject_id == data_subject_id
            return bool(record.data_subject) and names.get(record.key) == record.data_subject

        return is_about

    def used_keys(self) -> frozenset[str]:
        """Names of the keys that the files of the log need."""
        paths = [
            path
            for folder in self._folders()
            for path in (folder / ACTIVE, *(older for _, older in older_files(folder)))
        ]
        return frozenset(key for path in paths if (key := key_of_file(path)) is not None)

    def active_keys(self) -> frozenset[str]:
        """Names of the keys of the files that are being written."""
        found = (key_of_file(folder / ACTIVE) for folder in self._folders())
        return frozenset(key for key in found if key is not None)

    def files_of(self, key: str) -> tuple[Path, ...]:
        """The older files, no longer written, whose records need this key."""
        return tuple(
            path
            for folder in self._folders()
            for _, path in sorted(older_files(folder))
            if key_of_file(path) == key
        )

    def _folders(self) -> list[Path]:
        if not self._place.is_dir():
            return [self._place]
        workers = sorted(self._place.glob(f"{WORKER_PREFIX}*"))
        return [self._place, *(folder for folder in workers if folder.is_dir())]

    @staticmethod
    def _files(folder: Path, stack: ExitStack) -> list[BinaryIO]:
        """The files of one place, the oldest first, opened."""
        if not folder.is_dir():
            return [stack.enter_context(folder.open("rb"))]
        active = None
        # First of all: what is turned from now on is still the file that is open here.
        if (folder / ACTIVE).exists():
            active = stack.enter_context((folder / ACTIVE).open("rb"))
        opened: list[BinaryIO] = []
        for _, path in sorted(older_files(folder)):
            try:
                file = stack.enter_context(path.open("rb"))
            except FileNotFoundError:  # past its time a moment ago
                continue
            if active is None or not os.path.sameopenfile(file.fileno(), active.fileno()):
                opened.append(file)
        return opened if active is None else [*opened, active]


class _Done:
    """How much of a log was read."""

    def __init__(self, total: int, progress: Progress) -> None:
        self._total, self._progress = total, progress
        self._done = 0

    def add(self, count: int) -> None:
        self._done += count
        self._progress(min(self._done, self._total), self._total)


def _records_of(files: list[BinaryIO], tally: Tally, done: _Done) -> Iterator[AuditRecord]:
    # A group that could not be taken back after a failure was written again, into the next file.
    seen: set[str] = set()
    for file in files:
        fresh: set[str] = set()
        for line in file:
            done.add(len(line))
            record = _read(line, tally)
            if record is None or record.decision_id in seen or record.decision_id in fresh:
                continue
            fresh.add(record.decision_id)
            yield record
        seen = fresh


def _read(line: bytes, tally: Tally) -> AuditRecord | None:
    if not line.strip():
        return None
    try:
        entry = json.loads(line)
        match entry["event"]:
            case event if event == DECISION:
                return record_of(entry)
            case event if event == GAP:
                tally.dropped_count += int(entry["dropped"])
            case event if event == SAMPLED_OUT:
                tally.sampled_out_count += int(entry["count"])
    except (ValueError, KeyError, TypeError):
        tally.damaged_count += 1
    return None


def record_of(entry: Mapping[str, Any]) -> AuditRecord:
    """A line of the log as a value.

    Raises:
        ValueError, KeyError, TypeError: it is no record.
    """
    granted = entry.get("granted")
    return AuditRecord(
        time_us=parse_time(entry["time"]),
        decision_id=entry["decision_id"],
        effect=entry["effect"],
        reason=entry["reason"],
        digest=entry["digest"],
        position=int(entry["position"]),
        revision=int(entry.get("revision", 0)),
        rule=entry.get("rule", ""),
        purpose=entry.get("purpose", ""),
        action=entry.get("action", ""),
        data=tuple(entry.get("data", ())),
        granted=None if granted is None else tuple(granted),
        principal_id=entry.get("principal_id", ""),
        caller=entry.get("caller", ""),
        correlation_id=entry.get("correlation_id", ""),
        trace_id=entry.get("trace_id", ""),
        is_hit=bool(entry.get("is_hit", False)),
        is_consent_known=bool(entry.get("is_consent_known", True)),
        key=entry.get("key", ""),
        data_subject=entry.get("data_subject", ""),
        data_subject_id=entry.get("data_subject_id", ""),
        question=entry.get("question", ""),
        facts=entry.get("facts"),
        left_out=tuple(entry.get("left_out", ())),
        told=entry,
    )
