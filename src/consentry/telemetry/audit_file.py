"""The decision log on disk: whole groups of lines, rotated by size, and the key for its hashes."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final

KEY_BYTES: Final = 32


class FileSink:
    """Appends lines to `path`; `path.1` is the newest of `keep_count` older files.

    A group of lines is stored whole or not at all: after a failed write the file is cut back. A
    file that somebody moved away is made again. Not safe under threads: the log's writer owns it.
    """

    def __init__(
        self, path: Path, *, max_bytes: int = 64 * 1024 * 1024, keep_count: int = 8
    ) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._keep_count = keep_count
        self._fd: int | None = None

    def write(self, lines: bytes) -> None:
        """Store all of `lines` or, with an OSError, none."""
        fd = self._open()
        size = os.fstat(fd).st_size
        if size and size + len(lines) > self._max_bytes:
            self._rotate()
            fd = self._open()
            size = os.fstat(fd).st_size
        left = memoryview(lines)
        try:
            while left:
                left = left[os.write(fd, left) :]
        except OSError:
            try:
                os.ftruncate(fd, size)
            except OSError:
                # What was stored of the group cannot be taken back. A new file keeps its lines
                # whole; a reader tells the repeated ones by their numbers.
                self._let_go()
                with suppress(OSError):
                    self._shift()
            raise

    def close(self) -> None:
        """Make what was written durable and close the file."""
        if self._fd is not None:
            os.fsync(self._fd)
            self._let_go()

    def _open(self) -> int:
        if self._fd is not None and self._is_moved(self._fd):
            self._let_go()
        if self._fd is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            fd = os.open(self._path, flags, 0o600)
            try:
                self._end_line(fd)
            except OSError:
                os.close(fd)
                raise
            self._fd = fd
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

    def _rotate(self) -> None:
        self.close()
        self._shift()

    def _shift(self) -> None:
        for number in range(self._keep_count - 1, 0, -1):
            with suppress(FileNotFoundError):
                self._older(number).replace(self._older(number + 1))
        if self._keep_count > 0:
            self._path.replace(self._older(1))
        else:
            self._path.unlink()

    def _older(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")

    def _let_go(self) -> None:
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)


def load_hash_key(path: Path) -> bytes:
    """The key in `path`, made with mode 0600 if the file is not there.

    Raises:
        OSError: it can be neither read nor made.
        ValueError: it does not hold a key.
    """
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
        if len(key) != KEY_BYTES:
            raise ValueError(f"expected a key of {KEY_BYTES} bytes in hex") from None
        return key
    with os.fdopen(fd, "w", encoding="ascii") as file:
        key = secrets.token_bytes(KEY_BYTES)
        file.write(key.hex() + "\n")
        file.flush()
        os.fsync(file.fileno())
    return key
