"""What stands in a policy folder, without reading it: names, identities, and what is wrong.

Two looks are equal when nothing that matters changed: the watcher compares them, and the reader
looks before and after, so that it never mixes two versions of a folder.

Hidden names are not entered: Kubernetes keeps the data of a ConfigMap in `..2026_01_01_…` behind a
link `..data`, and shows each file as a link through it. Links are followed where they end inside
the folder's real place.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from consentry.diagnostics.diagnostic import Diagnostic
from consentry.diagnostics.span import Span

SUFFIX: Final = ".policy"
MAX_FILES: Final = 1_000
MAX_ENTRIES: Final = 20_000
MAX_DEPTH: Final = 32
MAX_PROBLEMS: Final = 100


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A policy file: its name, where it really is, and what changes when it does."""

    name: str
    place: str
    inode: int
    size: int
    modified_ns: int
    changed_ns: int


@dataclass(frozen=True, slots=True)
class FolderLook:
    """One look at a folder. Files are sorted by name; `places` are the folders they came from."""

    files: tuple[FoundFile, ...]
    places: tuple[tuple[str, str, int], ...]
    problems: tuple[Diagnostic, ...]


def problem(
    code: str, title: str, name: str | None = None, *, label: str = "", advice: str = ""
) -> Diagnostic:
    """A diagnostic about a file as a whole, or about the whole set."""
    span = Span(name, 0, 0, 1, 1) if name is not None else None
    return Diagnostic(code=code, title=title, span=span, label=label, help=advice)


def look_at_folder(path: Path) -> FolderLook:
    """What is in `path` now. Never waits on a pipe, never leaves the folder, never raises."""
    try:
        root = os.path.realpath(path, strict=True)
        status = os.stat(root)  # noqa: PTH116 - pathlib costs three times this in a loop
        if not stat.S_ISDIR(status.st_mode):
            return _nothing(problem("F501", f"`{path.name}` is not a folder"))
    except (OSError, ValueError) as error:
        why = _why(error) if isinstance(error, OSError) else "its name is not usable"
        return _nothing(problem("F501", f"the policy folder `{path.name}` cannot be read: {why}"))
    walk = _Walk(root)
    walk.enter("", root, status, ())
    if not walk.files and not walk.problems:
        walk.report("F502", f"the policy folder `{path.name}` holds no `{SUFFIX}` files")
    return FolderLook(
        files=tuple(sorted(walk.files, key=lambda file: file.name)),
        places=tuple(sorted(walk.places)),
        problems=tuple(walk.problems[:MAX_PROBLEMS]),
    )


def _nothing(what: Diagnostic) -> FolderLook:
    return FolderLook(files=(), places=(), problems=(what,))


_Node = tuple[int, int]


@dataclass(slots=True)
class _Walk:
    root: str
    files: list[FoundFile] = field(default_factory=list)
    places: list[tuple[str, str, int]] = field(default_factory=list)
    problems: list[Diagnostic] = field(default_factory=list)
    entry_count: int = 0

    def report(self, code: str, title: str, name: str | None = None) -> None:
        self.problems.append(problem(code, title, name))

    def enter(
        self, name: str, place: str, status: os.stat_result, above: tuple[_Node, ...]
    ) -> None:
        node = (status.st_dev, status.st_ino)
        if node in above:
            self.report("F512", f"the folder `{name}` leads back to one above it", name)
            return
        if len(above) >= MAX_DEPTH:
            self.report("F512", f"folders are nested more than {MAX_DEPTH} deep", name)
            return
        self.places.append((name, place, status.st_ino))
        for entry in self._entries(name, place):
            self._take(name, entry, (*above, node))

    def _entries(self, name: str, place: str) -> Iterator[os.DirEntry[str]]:
        try:
            with os.scandir(place) as found:
                entries = [entry for entry in found if not entry.name.startswith(".")]
        except OSError as error:
            self.report("F503", f"the folder `{name or '.'}` cannot be read: {_why(error)}", name)
            return
        for entry in sorted(entries, key=lambda entry: entry.name):
            self.entry_count += 1
            if self.entry_count == MAX_ENTRIES + 1:
                self.report("F509", f"more than {MAX_ENTRIES} names in the policy folder")
            if self.entry_count > MAX_ENTRIES:
                return
            yield entry

    def _take(self, above_name: str, entry: os.DirEntry[str], above: tuple[_Node, ...]) -> None:
        name = f"{above_name}/{entry.name}" if above_name else entry.name
        is_policy = name.endswith(SUFFIX)
        if not _is_usable(name):
            shown = ascii(name)[1:-1]
            self.report("F511", f"the name `{shown}` is not plain UTF-8 text")
            return
        try:
            place = os.path.realpath(entry.path, strict=True) if entry.is_symlink() else entry.path
            status = os.stat(place, follow_symlinks=False)  # noqa: PTH116 - as above
        except OSError as error:
            self.report("F503", f"`{name}` cannot be read: {_why(error)}", name)
            return
        is_folder = stat.S_ISDIR(status.st_mode)
        if not is_folder and not is_policy:
            return
        if not self._is_inside(place):
            self.report("F504", f"`{name}` leads outside the policy folder", name)
        elif is_folder:
            self.enter(name, place, status, above)
        elif not stat.S_ISREG(status.st_mode):
            self.report("F505", f"`{name}` is not a plain file", name)
        else:
            self._add(name, place, status)

    def _add(self, name: str, place: str, status: os.stat_result) -> None:
        if len(self.files) == MAX_FILES:
            self.report("F509", f"more than {MAX_FILES} policy files")
        if len(self.files) <= MAX_FILES:
            self.files.append(
                FoundFile(
                    name,
                    place,
                    status.st_ino,
                    status.st_size,
                    status.st_mtime_ns,
                    status.st_ctime_ns,
                )
            )

    def _is_inside(self, place: str) -> bool:
        return place.startswith(self.root.rstrip("/") + "/") or place == self.root


def _is_usable(name: str) -> bool:
    # Surrogates stand for bytes that are not UTF-8; control characters would garble messages.
    return name.isprintable()


def _why(error: OSError) -> str:
    # The operating system's words without the path, which is this machine's business.
    return (error.strerror or "unknown error").lower()
