"""The decision log on disk: lines of JSON in files that are turned by size, by age and by key.

    decisions.jsonl            the file that is written
    decisions-000017.jsonl     older ones, numbered in order

A file holds records of one key, so that a key can go when the last file that needs it goes.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from consentry.model.values import MICROS_PER_DAY
from consentry.telemetry.audit.record import parse_time
from consentry.telemetry.durable import sync_folder

ACTIVE: Final = "decisions.jsonl"
_OLDER: Final = re.compile(r"decisions-(\d{6,})\.jsonl\Z")
# A record is far shorter; what has no end within this is no line of ours.
_MAX_LINE_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Turning:
    """When a file is turned and how long older ones are kept: by number, and by age if so said.

    `max_age_days` is the age at which the file that is written is turned, so that older ones can
    be removed by age also where little is decided.
    """

    max_bytes: int = 64 * 1024 * 1024
    max_age_days: float = 1.0
    keep_count: int = 8
    keep_days: float | None = None


class FileSink:
    """Appends lines to `decisions.jsonl` in a folder. One thread at a time.

    A group of lines is stored whole or not at all: after a failed write the file is cut back. A
    file that somebody moved away is made again.
    """

    def __init__(
        self,
        folder: Path,
        *,
        now_us: Callable[[], int],
        turning: Turning | None = None,
        tidy: Callable[[], object] = lambda: None,
    ) -> None:
        """`tidy` is called once in a while: keys may have gone out of use."""
        self._folder = folder
        self._path = folder / ACTIVE
        self._now_us = now_us
        self._turning = turning if turning is not None else Turning()
        self._tidy = tidy
        self._fd: int | None = None
        self._begun_us: int | None = None

    def use_key(self, name: str) -> None:
        """A file that holds records of another key is turned."""
        if key_of_file(self._path) not in (None, name):
            self._turn()

    def write(self, lines: Sequence[bytes], stored: Callable[[int], None]) -> None:
        """Store all of `lines` or, with an OSError, none."""
        self._append(lines, is_durable=False)
        stored(len(lines))

    def write_durably(self, lines: Sequence[bytes]) -> None:
        """Store all of `lines` durably or, with an OSError, none."""
        self._append(lines, is_durable=True)

    def _append(self, lines: Sequence[bytes], *, is_durable: bool) -> None:
        raw = b"".join(lines)
        fd = self._open()
        size = os.fstat(fd).st_size
        if size and size + len(raw) > self._turning.max_bytes:
            self._turn()
            fd = self._open()
            size = os.fstat(fd).st_size
        is_written = False
        left = memoryview(raw)
        try:
            while left:
                left = left[os.write(fd, left) :]
            is_written = True
            if is_durable:
                os.fdatasync(fd)
        except OSError:
            # What a failed wait for the disk left behind cannot be trusted, nor can what cannot be
            # taken back: then a new file keeps its lines whole. A reader tells repeated ones by
            # their decision ids.
            if not self._take_back(fd, size) or is_written:
                self._let_go()
                with suppress(OSError):
                    self._shift()
            raise

    @staticmethod
    def _take_back(fd: int, size: int) -> bool:
        try:
            os.ftruncate(fd, size)
        except OSError:
            return False
        return True

    def tend(self, now_us: int) -> None:
        """Turn a file that is old enough, and remove those past their time."""
        fd = self._fd
        if fd is not None and os.fstat(fd).st_size:
            if self._begun_us is None:
                self._begun_us = begin_of_file(self._path) or now_us
            if now_us - self._begun_us >= self._turning.max_age_days * MICROS_PER_DAY:
                self._turn()
        self._remove_old(now_us)
        self._tidy()

    def close(self) -> None:
        """Make what was written durable and close the file."""
        if self._fd is not None:
            os.fsync(self._fd)
            self._let_go()

    def _open(self) -> int:
        if self._fd is not None and self._is_moved(self._fd):
            self._let_go()
        if self._fd is None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            fd = os.open(self._path, flags, 0o600)
            try:
                self._end_line(fd)
                sync_folder(self._folder)
            except OSError:
                os.close(fd)
                raise
            self._fd, self._begun_us = fd, None
        return self._fd

    def _is_moved(self, fd: int) -> bool:
        ours = os.fstat(fd)
        try:
            there = self._path.lstat()
        except FileNotFoundError:
            return True
        return (ours.st_dev, ours.st_ino) != (there.st_dev, there.st_ino)

    @staticmethod
    def _end_line(fd: int) -> None:
        # A process that was killed may have left half a line behind; the next one stands alone.
        size = os.fstat(fd).st_size
        if size and os.pread(fd, 1, size - 1) != b"\n":
            os.write(fd, b"\n")

    def _turn(self) -> None:
        self.close()
        self._shift()
        self._remove_old(self._now_us())

    def _shift(self) -> None:
        newest = max(older_files(self._folder), default=(0, self._path))[0]
        with suppress(FileNotFoundError):
            self._path.rename(self._folder / f"decisions-{newest + 1:06}.jsonl")

    def _remove_old(self, now_us: int) -> None:
        kept = sorted(older_files(self._folder))
        turning = self._turning
        gone = kept[: max(0, len(kept) - turning.keep_count)]
        if turning.keep_days is not None:
            end_s = now_us / 1e6 - turning.keep_days * 86_400
            gone += [each for each in kept[len(gone) :] if each[1].stat().st_mtime < end_s]
        for _, path in gone:
            path.unlink(missing_ok=True)

    def _let_go(self) -> None:
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)


def older_files(folder: Path) -> Iterator[tuple[int, Path]]:
    """The files that were turned, with their numbers, in no order."""
    for path in folder.glob("decisions-*.jsonl"):
        if (match := _OLDER.match(path.name)) is not None:
            yield int(match[1]), path


def begin_of_file(path: Path) -> int | None:
    """When its first record was made, in microseconds since the epoch; None where there is none."""
    time = _first_of(path, "time")
    return None if time is None else parse_time(time)


def key_of_file(path: Path) -> str | None:
    """The key of a file's records; None where it holds none."""
    return _first_of(path, "key")


def _first_of(path: Path, name: str) -> str | None:
    """What the first record that has it says under `name`."""
    try:
        with path.open("rb") as file:
            while line := file.readline(_MAX_LINE_BYTES):
                with suppress(ValueError):
                    entry = json.loads(line)
                    if isinstance(entry, dict) and isinstance(entry.get(name), str):
                        return str(entry[name])
    except FileNotFoundError:
        return None
    return None
