"""A disk with so many bytes and no more: SQLite's writes count, and the ledger's reserve."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import apsw

VFS: Final = "consentry-full-disk"
BASE: Final = apsw.vfs_names()[0]


class Budget:
    """`limit_bytes` for all files of a folder together; None: no limit. Read-only on demand."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.limit_bytes: int | None = None
        self.is_read_only = False

    def used_bytes(self) -> int:
        sizes = 0
        for file in self.folder.iterdir():
            # What readers and writers share is memory, not disk.
            if not file.name.endswith("-shm"):
                with suppress(FileNotFoundError):  # an anchor that was just put in its place
                    sizes += file.stat().st_size
        return sizes

    def fill(self, spare_bytes: int = 0) -> None:
        """Full from now on, but for `spare_bytes`."""
        self.limit_bytes = self.used_bytes() + spare_bytes

    def take(self, path: Path, end: int) -> None:
        """Refuses a write that would make the file too long for the disk."""
        size = path.stat().st_size if path.exists() else 0
        grown = max(0, end - size)
        is_bound = grown > 0 and self.limit_bytes is not None
        if is_bound and self.used_bytes() + grown > (self.limit_bytes or 0):
            raise apsw.FullError("no space left")


class BoundFile(apsw.VFSFile):  # type: ignore[misc]  # apsw has no types
    """One file of SQLite's."""

    def __init__(self, name: Any, flags: list[int], budget: Budget) -> None:
        super().__init__(BASE, name, flags)
        self._path = Path(name.filename() if hasattr(name, "filename") else name)
        self._budget = budget

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 (SQLite's name)
        if self._budget.is_read_only:
            raise apsw.ReadOnlyError("read-only")
        self._budget.take(self._path, offset + len(data))
        super().xWrite(data, offset)


class BoundVfs(apsw.VFS):  # type: ignore[misc]  # apsw has no types
    """SQLite's own way to the disk, up to the budget."""

    def __init__(self, budget: Budget) -> None:
        super().__init__(VFS, BASE, makedefault=True)
        self._budget = budget

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 (SQLite's name)
        return BoundFile(name, flags, self._budget)


@contextmanager
def bound(folder: Path) -> Iterator[Budget]:
    """While it lasts, every new connection writes within the budget it gives."""
    budget = Budget(folder)
    vfs = BoundVfs(budget)
    try:
        yield budget
    finally:
        vfs.unregister()
        apsw.set_default_vfs(BASE)
