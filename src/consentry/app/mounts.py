"""Does a folder outlive the container? A ledger that does not is no ledger.

Source: proc(5), /proc/self/mounts.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

EPHEMERAL_KINDS: Final = frozenset({"overlay", "aufs", "tmpfs", "ramfs"})
_MARKER_FILES: Final = ("/.dockerenv", "/run/.containerenv")
_OCTAL: Final = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mount:
    """A mounted file system: where, and of which kind."""

    place: str
    kind: str


def parse_mounts(text: str) -> tuple[Mount, ...]:
    """The mounts of a /proc/mounts text; later ones cover earlier ones."""
    mounts = []
    for line in text.splitlines():
        fields = line.split(" ")
        if len(fields) >= 3:
            # Spaces and the like are written as octal escapes.
            place = _OCTAL.sub(lambda match: chr(int(match.group(1), 8)), fields[1])
            mounts.append(Mount(place, fields[2]))
    return tuple(mounts)


def mount_of(path: str, mounts: Iterable[Mount]) -> Mount | None:
    """The mount that holds the absolute `path`: the longest place above it, the last of equals."""
    best = None
    for mount in mounts:
        prefix = mount.place.rstrip("/") + "/"
        is_above = path == mount.place or path.startswith(prefix)
        if is_above and (best is None or len(mount.place) >= len(best.place)):
            best = mount
    return best


def find_ephemeral_mount(path: Path) -> Mount | None:
    """The mount that would take `path` away with its container; None outside of one."""
    try:
        mounts = parse_mounts(Path("/proc/self/mounts").read_text(encoding="utf-8"))
    except OSError:  # not Linux: no containers of this kind either
        return None
    if not is_container(mounts, os.environ):
        return None
    mount = mount_of(str(path.resolve()), mounts)
    return mount if mount is not None and mount.kind in EPHEMERAL_KINDS else None


def is_container(mounts: Iterable[Mount], environment: Mapping[str, str]) -> bool:
    """Whether this process runs in a container, as far as that can be told."""
    if "KUBERNETES_SERVICE_HOST" in environment:
        return True
    if any(Path(name).exists() for name in _MARKER_FILES):
        return True
    root = mount_of("/", mounts)
    return root is not None and root.kind in ("overlay", "aufs")
