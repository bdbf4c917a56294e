"""A disk that loses power: everything SQLite writes is recorded, and any state it may leave made.

What a sync has not covered may be on the disk or not, whole or in part, whatever came later; that
is the whole model. Files are independent of each other, sectors of 512 bytes too. What is written
for real goes to a real file, so that the ledger under test works as always.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import apsw

from consentry.consent import anchor as anchor_module
from consentry.consent.chain import Verification
from consentry.consent.errors import LedgerError
from consentry.consent.sqlite import SqliteLedger
from consentry.model.consent import EventKind
from tests.support.consent_events import FakeClock, FakeIds, event

SECTOR: Final = 512
VFS: Final = "consentry-power-loss"
BASE: Final = apsw.vfs_names()[0]


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes at an offset of a file; nothing: the file is cut off there."""

    file: str
    offset: int
    data: bytes | None


@dataclass(frozen=True, slots=True)
class Sync:
    """Everything before it is on the disk, for this file."""

    file: str


@dataclass(frozen=True, slots=True)
class Delete:
    """A file's name taken away; on the disk once its folder was synced."""

    file: str
    is_synced: bool


@dataclass(frozen=True, slots=True)
class Replace:
    """A file put in another's place by a durable rename: its folder is synced with it."""

    file: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The caller was told that rows up to here are durable."""

    position: int


@dataclass
class Recording:
    """What went to the disk, in order; `is_deaf` takes syncs for given that never happened."""

    steps: list[object] = field(default_factory=list)
    is_deaf: bool = False


class RecordingFile(apsw.VFSFile):  # type: ignore[misc]  # apsw has no types
    """One file of SQLite's."""

    def __init__(self, name: str, flags: list[int], recording: Recording) -> None:
        super().__init__(BASE, name, flags)
        self._name = Path(name.filename() if hasattr(name, "filename") else name).name
        self._recording = recording

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 (SQLite's name)
        self._recording.steps.append(Write(self._name, offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, size: int) -> None:  # noqa: N802 (SQLite's name)
        self._recording.steps.append(Write(self._name, size, None))
        super().xTruncate(size)

    def xSync(self, flags: int) -> None:  # noqa: N802 (SQLite's name)
        if not self._recording.is_deaf:
            self._recording.steps.append(Sync(self._name))
        super().xSync(flags)


class RecordingVfs(apsw.VFS):  # type: ignore[misc]  # apsw has no types
    """SQLite's own way to the disk, with every write told to a recording."""

    def __init__(self, recording: Recording) -> None:
        super().__init__(VFS, BASE, makedefault=True)
        self._recording = recording

    def xDelete(self, name: str, is_synced: bool) -> None:  # noqa: N802 (SQLite's name)
        self._recording.steps.append(Delete(Path(name).name, bool(is_synced)))
        super().xDelete(name, is_synced)

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 (SQLite's name)
        return RecordingFile(name, flags, self._recording)


@contextmanager
def recording(*, is_deaf: bool = False) -> Iterator[Recording]:
    """While it lasts, every new connection and every anchor is recorded."""
    made = Recording(is_deaf=is_deaf)
    vfs = RecordingVfs(made)
    genuine = anchor_module.write_anchor

    def write_anchor(path: Path, anchor: anchor_module.Anchor) -> None:
        genuine(path, anchor)
        made.steps.append(Replace(path.name, path.read_bytes()))

    def checkpoint_often(connection: apsw.Connection) -> None:
        # Small, so that checkpoints and new beginnings of the log are among the states.
        connection.wal_autocheckpoint(24)

    anchor_module.write_anchor = write_anchor
    apsw.connection_hooks.append(checkpoint_often)
    try:
        yield made
    finally:
        apsw.connection_hooks.remove(checkpoint_often)
        anchor_module.write_anchor = genuine
        vfs.unregister()
        apsw.set_default_vfs(BASE)


def live(path: Path, made: Recording, *, count: int, seed: int) -> None:
    """A ledger's life: single events, batches, a person forgotten, a restart."""
    draw = random.Random(seed)
    number = 0
    while number < count:
        ledger = SqliteLedger(path, clock=FakeClock(), ids=FakeIds(), reserve_bytes=0)
        for _ in range(draw.randint(5, 25)):
            size = draw.choice((1, 1, 1, 2, 8))
            ledger.record([_event(number + n) for n in range(size)])
            number += size
            made.steps.append(Acknowledged(ledger.position()))
            if draw.random() < 0.05:
                ledger.erase(f"person-{draw.randrange(7)}", with_rights=True)
                made.steps.append(Acknowledged(ledger.position()))
        ledger.close()


def _event(number: int) -> Any:
    kind = EventKind.GIVEN if number % 2 else EventKind.WITHDRAWN
    return event(kind, 1, data_subject_id=f"person-{number % 7}", idempotency_key=f"k{number}")


class Disk:
    """What is surely on the disk after some steps, and what may be."""

    def __init__(self) -> None:
        self.files: dict[str, bytearray] = {}
        self.pending: dict[str, list[Write]] = {}
        self.deleted: dict[str, bytearray] = {}
        self.acknowledged = 0

    def take(self, step: object) -> None:
        """One more step."""
        match step:
            case Write():
                self.pending.setdefault(step.file, []).append(step)
            case Delete():
                self.pending.pop(step.file, None)
                content = self.files.pop(step.file, None)
                if content is not None and not step.is_synced:
                    self.deleted[step.file] = content
            case Sync():
                if step.file not in self.files and step.file.endswith(("-wal", "-journal")):
                    self.deleted.clear()  # SQLite syncs the folder of a new log
                for write in self.pending.pop(step.file, []):
                    _apply(self.files.setdefault(step.file, bytearray()), write)
            case Replace():
                self.files[step.file] = bytearray(step.data)
                self.deleted.clear()
            case Acknowledged():
                self.acknowledged = step.position
            case _:
                raise TypeError(step)

    def leave(self, folder: Path, draw: random.Random) -> None:
        """Writes one of the states that the loss of power may leave."""
        share = draw.choice((0.0, 0.3, 0.7, 0.95, 1.0))
        for name in {*self.files, *self.pending}:
            content = bytearray(self.files.get(name, b""))
            for write in self.pending.get(name, []):
                if draw.random() < share:
                    _apply(content, _torn(write, draw))
            (folder / name).write_bytes(content)
        for name, before in self.deleted.items():
            if name not in self.files and draw.random() < 0.5:
                (folder / name).write_bytes(before)


def _apply(content: bytearray, write: Write) -> None:
    if write.data is None:
        del content[write.offset :]
        return
    end = write.offset + len(write.data)
    if len(content) < end:
        content.extend(bytes(end - len(content)))
    content[write.offset : end] = write.data


def _torn(write: Write, draw: random.Random) -> Write:
    """Now and then only the first sectors of it came through."""
    if write.data is None or len(write.data) <= SECTOR or draw.random() < 0.7:
        return write
    sectors = draw.randrange(1, -(-len(write.data) // SECTOR))
    return Write(write.file, write.offset, write.data[: sectors * SECTOR])


@dataclass
class Findings:
    """What was wrong with how many states."""

    states: int = 0
    with_loss: int = 0
    unreadable: int = 0
    problems: list[str] = field(default_factory=list)


def try_states(
    steps: list[object], folder: Path, *, count: int, seed: int, told: Callable[[int], None]
) -> Findings:
    """Cuts the power at `count` moments and opens what is left, as the next owner would."""
    draw = random.Random(seed)
    cuts = sorted(draw.randrange(len(steps) + 1) for _ in range(count))
    disk, taken, found = Disk(), 0, Findings()
    for number, cut in enumerate(cuts):
        while taken < cut:
            disk.take(steps[taken])
            taken += 1
        place = folder / str(number)
        place.mkdir()
        disk.leave(place, draw)
        _judge(place / "ledger.db", disk.acknowledged, found)
        for file in place.iterdir():
            file.unlink()
        place.rmdir()
        told(number + 1)
    return found


def _judge(path: Path, acknowledged: int, found: Findings) -> None:
    found.states += 1
    try:
        ledger = SqliteLedger(path, clock=FakeClock(), ids=FakeIds(), reserve_bytes=0)
        try:
            walk = Verification(ledger.ledger_id)
            walk.feed(ledger.read_rows(0, -1))
            position = walk.finish().position
            ledger.check_store()
        finally:
            ledger.close()
    except LedgerError as problem:
        found.unreadable += 1
        found.problems.append(f"acknowledged {acknowledged}: {problem!r}")
        return
    if position < acknowledged:
        found.with_loss += 1
        found.problems.append(f"acknowledged {acknowledged}, there {position}")
