"""Every policy set that was ever active, by digest, so that any decision can be replayed.

    <folder>/<digest>/manifest.json    names, hashes, and the versions that compiled it
    <folder>/<digest>/0000.text        the texts, numbered: an author's name is never a path here

A set appears whole or not at all: it is written beside its place, made durable, and renamed. Texts
that it has in common with the set kept before are not written again: they are links to one file.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from consentry.diagnostics.span import Source
from consentry.pdp.pace import at_once
from consentry.telemetry.durable import sync_folder

_DIGEST: Final = re.compile(r"[0-9a-f]{64}\Z")
_NEW: Final = ".new-"
_MANIFEST: Final = "manifest.json"


class ArchiveError(Exception):
    """What is kept under a digest is damaged or not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedSet:
    """A policy set as it was: compile it with one of `compiler_versions` to replay."""

    digest: str
    sources: tuple[Source, ...]
    packs: Mapping[str, Source]
    compiler_versions: tuple[str, ...]


class PolicyArchive:
    """Policy sets in a folder. One writer: the policy store, under its load lock."""

    def __init__(self, folder: Path, *, step: Callable[[], None] = at_once) -> None:
        """`step` is called after each text that is kept, so that it can give way to checks."""
        self._folder = folder
        self._step = step
        self._last: Mapping[str, Path] = {}  # texts of the set kept last, by their hash

    def keep(
        self,
        digest: str,
        sources: Sequence[Source],
        packs: Mapping[str, Source],
        compiler_version: str,
    ) -> None:
        """Make sure that this set is kept, durably.

        Raises:
            OSError: it could not be written.
            ValueError: the digest is not one.
        """
        place = self._place(digest)
        self._folder.mkdir(parents=True, exist_ok=True)
        with alone_in(self._folder):  # workers of one sidecar keep the same set at the same time
            self._keep(place, digest, sources, packs, compiler_version)

    def _keep(
        self,
        place: Path,
        digest: str,
        sources: Sequence[Source],
        packs: Mapping[str, Source],
        compiler_version: str,
    ) -> None:
        self._sweep()
        if place.exists():
            try:
                known = self.load(digest).compiler_versions
            except ArchiveError:
                shutil.rmtree(place)  # damaged: the texts at hand are the same by their digest
            else:
                if compiler_version not in known:
                    _add_version(place, compiler_version)
                return
        new = Path(tempfile.mkdtemp(prefix=_NEW, dir=self._folder))
        try:
            texts = _all_texts(sources, packs)
            written = self._write_set(new, digest, texts, compiler_version)
            new.rename(place)
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            raise
        self._last = {known: place / file for known, file in written.items()}
        sync_folder(self._folder)

    def _write_set(
        self,
        new: Path,
        digest: str,
        texts: Iterable[tuple[str, str, Source]],
        compiler_version: str,
    ) -> Mapping[str, str]:
        """Writes all of a set; gives the files of its texts by their hashes."""
        items: dict[str, list[dict[str, str]]] = {"sources": [], "packs": []}
        written: dict[str, str] = {}
        for number, (kind, pack, source) in enumerate(texts):
            raw = source.text.encode("utf-8")
            file, known = f"{number:04}.text", hashlib.sha256(raw).hexdigest()
            if not (known in self._last and _link(self._last[known], new / file, raw)):
                write_new_file(new / file, raw)
            self._step()
            written[known] = file
            item = {"name": source.name, "file": file, "sha256": known}
            items[kind].append({**item, "pack": pack} if pack else item)
        manifest = {"digest": digest, "compiler_versions": [compiler_version], **items}
        write_new_file(new / _MANIFEST, _json(manifest))
        sync_folder(new)
        return written

    def load(self, digest: str) -> ArchivedSet:
        """The set with this digest, every text checked against its hash.

        Raises:
            ArchiveError: it is not there, or damaged.
        """
        try:
            place = self._place(digest)
            manifest = json.loads((place / _MANIFEST).read_text(encoding="utf-8"))
            return ArchivedSet(
                digest=digest,
                sources=tuple(_load_text(place, item) for item in manifest["sources"]),
                packs={item["pack"]: _load_text(place, item) for item in manifest["packs"]},
                compiler_versions=tuple(str(v) for v in manifest["compiler_versions"]),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ArchiveError(f"policy set {digest[:64]} is not kept or damaged") from error

    def digests(self) -> tuple[str, ...]:
        """All digests kept, sorted."""
        if not self._folder.is_dir():
            return ()
        return tuple(sorted(p.name for p in self._folder.iterdir() if _DIGEST.match(p.name)))

    def _place(self, digest: str) -> Path:
        if not _DIGEST.match(digest):
            raise ValueError("a digest is 64 hexadecimal digits")
        return self._folder / digest

    def _sweep(self) -> None:
        # What a killed process left half-written.
        for left in self._folder.glob(f"{_NEW}*"):
            shutil.rmtree(left, ignore_errors=True)


def _all_texts(
    sources: Sequence[Source], packs: Mapping[str, Source]
) -> list[tuple[str, str, Source]]:
    """Kind, name of the pack, and text of each."""
    return [
        *(("sources", "", source) for source in sources),
        *(("packs", name, source) for name, source in sorted(packs.items())),
    ]


def _link(kept: Path, new: Path, raw: bytes) -> bool:
    """Gives a file that is durable already a second name, if it still is what it was."""
    try:
        if kept.read_bytes() != raw:
            return False
        os.link(kept, new)
    except OSError:  # it is gone, has too many names, or this file system has no links
        return False
    return True


def _add_version(place: Path, compiler_version: str) -> None:
    manifest = json.loads((place / _MANIFEST).read_text(encoding="utf-8"))
    manifest["compiler_versions"].append(compiler_version)
    new = place / f"{_NEW}{_MANIFEST}"
    new.unlink(missing_ok=True)
    write_new_file(new, _json(manifest))
    new.replace(place / _MANIFEST)
    sync_folder(place)


def _json(manifest: Mapping[str, object]) -> bytes:
    # PERF: laid out for people, it would be written by Python code that leaves cycles behind.
    return json.dumps(manifest).encode("ascii")


def _load_text(place: Path, item: Mapping[str, str]) -> Source:
    file = item["file"]
    if not re.fullmatch(r"[0-9]+\.text", file):
        raise ValueError("not a file of the archive")
    raw = (place / file).read_bytes()
    if hashlib.sha256(raw).hexdigest() != item["sha256"]:
        raise ValueError("a text does not have its hash")
    return Source(item["name"], raw.decode("utf-8"))


def write_new_file(path: Path, raw: bytes) -> None:
    """Writes a file that is not there yet, durably; its name is not durable yet."""
    with path.open("xb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Holds the folder against every other process that asks for it this way."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
