"""Reads policy texts: the operator's folder and the packs that come with the program."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path
from typing import Final

from consentry.diagnostics.diagnostic import Diagnostic
from consentry.diagnostics.span import Source
from consentry.pdp.folder import SUFFIX, FolderLook, FoundFile, look_at_folder, problem
from consentry.pdp.pace import at_once

MAX_FILE_BYTES: Final = 1024 * 1024
MAX_TOTAL_BYTES: Final = 64 * 1024 * 1024
_BOM: Final = b"\xef\xbb\xbf"
_ATTEMPTS: Final = 3


def read_policy_folder(
    path: Path, step: Callable[[], None] = at_once
) -> tuple[tuple[Source, ...], tuple[Diagnostic, ...]]:
    """All policy files under `path`, by name, and what is wrong with them. `step` is called after
    each file.

    With a diagnostic the set must not be used. The texts are those of one moment: a folder that
    changes while it is read is read again, and refused (F513) if it does not come to rest.
    """
    look = look_at_folder(path)
    for _ in range(_ATTEMPTS):
        sources, problems = _read(look, step)
        again = look_at_folder(path)
        if again == look:
            return sources, problems
        look = again
    return (), (problem("F513", f"the policy folder `{path.name}` changed while it was read"),)


def read_packs() -> Mapping[str, Source]:
    """The law packs and vocabularies that come with the program, by name."""
    folder = resources.files("consentry") / "packs"
    return {
        entry.name.removesuffix(SUFFIX): Source(
            f"consentry/packs/{entry.name}", entry.read_text(encoding="utf-8")
        )
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(SUFFIX)
    }


def _read(
    look: FolderLook, step: Callable[[], None]
) -> tuple[tuple[Source, ...], tuple[Diagnostic, ...]]:
    sources: list[Source] = []
    problems = list(look.problems)
    total = 0
    for file in look.files:
        result = _read_file(file)
        step()
        if isinstance(result, Diagnostic):
            problems.append(result)
            continue
        raw, source = result
        total += len(raw)
        if total > MAX_TOTAL_BYTES:
            problems.append(problem("F510", "the policy files are more than 64 MiB together"))
            break
        sources.append(source)
    return tuple(sources), tuple(problems)


def _read_file(file: FoundFile) -> tuple[bytes, Source] | Diagnostic:
    name = file.name
    # A file may have become a pipe since it was looked at: opening one must not wait for a writer.
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        fd = os.open(file.place, flags)
        with os.fdopen(fd, "rb") as opened:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                return problem("F505", f"`{name}` is not a plain file", name)
            raw = opened.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        why = (error.strerror or "unknown error").lower()
        return problem("F503", f"`{name}` cannot be read: {why}", name)
    source = read_text(name, raw)
    return source if isinstance(source, Diagnostic) else (raw, source)


def read_text(name: str, raw: bytes) -> Source | Diagnostic:
    """The text of a policy file, or why it cannot be one."""
    if len(raw) > MAX_FILE_BYTES:
        return problem(
            "F508", f"`{name}` is larger than 1 MiB", name, advice="split it into several files"
        )
    if raw.startswith(_BOM):
        return problem(
            "F507",
            f"`{name}` begins with a byte order mark",
            name,
            advice="save the file as UTF-8 without a byte order mark",
        )
    try:
        return Source(name, raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        return problem(
            "F506",
            f"`{name}` is not UTF-8 text",
            name,
            label=f"byte {error.start} is 0x{raw[error.start]:02x}",
            advice="save the file as UTF-8",
        )
