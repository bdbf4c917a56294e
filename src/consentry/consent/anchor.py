"""What is known of a ledger beside its file: that it was there, and how far it had come.

A ledger that is lost, emptied, exchanged or set back to an older copy verifies by itself: nothing
in the file tells of what it no longer holds. So its identity and a head that it once had stand in a
small file beside it, or better on another disk. It is written at each start and each end and, while
events come, at most a second after them: what a rollback can hide is what came in that second.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from consentry.consent.errors import LedgerCorruptError
from consentry.telemetry.durable import sync_folder

log = logging.getLogger(__name__)

SUFFIX: Final = ".anchor"
INTERVAL_S: Final = 1.0


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


def check_anchor(
    anchor: Anchor, ledger_id: str, digest_at: Callable[[int], bytes | None], newest: int
) -> None:
    """Refuses a ledger that is not, or no longer holds, what was here before.

    `digest_at` gives the chain's digest at a position, the genesis digest at 0.

    Raises:
        LedgerCorruptError: with the first position that is known to be lost, or exchanged.
    """
    if anchor.ledger_id != ledger_id:
        raise LedgerCorruptError(
            "it is another ledger than the one that was here", code="rolled_back"
        )
    if newest < anchor.position:
        raise LedgerCorruptError(
            f"it ends at position {newest}, and the one that was here had come to position"
            f" {anchor.position}: what was recorded in between is lost",
            newest + 1,
            "rolled_back",
        )
    if digest_at(anchor.position) != anchor.digest:
        raise LedgerCorruptError(
            "it has another past than the one that was here: not the same event stands at"
            f" position {anchor.position}",
            anchor.position,
            "rolled_back",
        )


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
    sync_folder(path.parent)


class AnchorKeeper:
    """Keeps an anchor at most `interval_s` behind the head, on a thread of its own.

    `move` only leaves the newest head; a disk that is slow here delays nobody. A failure is told
    in the log: the anchor before still stands and still holds.
    """

    def __init__(self, path: Path, interval_s: float = INTERVAL_S) -> None:
        self._path = path
        self._interval_s = interval_s
        self._newest: Anchor | None = None
        self._written: Anchor | None = None
        self._has_moved = threading.Event()
        self._is_closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="consentry-anchor", daemon=True)

    def start(self, anchor: Anchor) -> None:
        """Writes the first anchor before it comes back; then follows."""
        self._newest = anchor
        self._write()
        self._thread.start()

    def move(self, anchor: Anchor) -> None:
        """The head stands here now; called in order."""
        self._newest = anchor
        if not self._has_moved.is_set():  # PERF: `set` takes a lock, and the keeper sleeps anyway
            self._has_moved.set()

    def close(self) -> None:
        """Writes the last anchor."""
        self._is_closing.set()
        self._has_moved.set()
        self._thread.join()
        self._write()

    def _run(self) -> None:
        while not self._is_closing.is_set():
            self._has_moved.wait()
            self._has_moved.clear()
            self._write()
            self._is_closing.wait(self._interval_s)

    def _write(self) -> None:
        anchor = self._newest
        if anchor is None or anchor == self._written:
            return
        try:
            write_anchor(self._path, anchor)
        except OSError as problem:
            log.warning("ledger_anchor_failed", extra={"error_number": problem.errno})
            return
        self._written = anchor
