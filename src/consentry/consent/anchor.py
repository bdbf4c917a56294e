"""What is known of a ledger beside its file: that it was there, and how far it had come.

A ledger that is lost, emptied, exchanged or set back to an older copy verifies by itself: nothing
in the file tells of what it no longer holds. So its identity and a head that it once had stand in a
small file beside it, written at each start and each end. An older head than the last is enough:
every later one contains it.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from consentry.consent.errors import LedgerCorruptError

SUFFIX: Final = ".anchor"


@dataclass(frozen=True, slots=True)
class Anchor:
    """A ledger's identity and the digest at one of its positions."""

    ledger_id: str
    position: int
    digest: bytes


def anchor_path(ledger: Path) -> Path:
    """Where the anchor of a ledger file stands."""
    return ledger.with_name(ledger.name + SUFFIX)


def find_anchor(path: Path) -> Anchor | None:
    """The anchor in `path`, None when there is none yet.

    Raises:
        LedgerCorruptError: it cannot be read.
    """
    try:
        told = json.loads(path.read_bytes())
        return Anchor(str(told["ledger_id"]), int(told["position"]), bytes.fromhex(told["digest"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise LedgerCorruptError(f"{path.name} cannot be read") from problem


def write_anchor(path: Path, anchor: Anchor) -> None:
    """Put `anchor` in the place of the one before, durably, whole or not at all.

    Raises:
        OSError: it could not be written; the one before stands.
    """
    told = {
        "ledger_id": anchor.ledger_id,
        "position": anchor.position,
        "digest": anchor.digest.hex(),
    }
    new = path.with_name(path.name + ".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        json.dump(told, file)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
