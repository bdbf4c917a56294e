"""Answers kept as bytes, by the bytes of the question.

An entry names every version that could change its answer: the policy snapshot and the person's
consent view, both by identity, and the span of time in which the answer holds. The decision point
compares them on each use; this module only keeps entries within bounds and forgets the least
recently used.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from consentry.model.consent import ConsentView
from consentry.model.decision import Decision
from consentry.pdp.snapshot import Snapshot
from consentry.telemetry.audit.record import AuditFields

MAX_KEY_BYTES = 16 * 1024
"""Longer questions are answered and not kept."""

# What an entry costs beside its question and answer: the object, two dict slots, the order's link.
_ENTRY_OVERHEAD_BYTES = 600
_DROP_STEP = 64


class SubjectCell(Protocol):
    """Where the ledger keeps one person's current view.

    INVARIANT: `view` is the same object until an event of this person changes it, and None once the
    ledger forgets the person; a cell that was ever handed out is kept current or set to None.
    """

    @property
    def view(self) -> ConsentView | None:
        """The person's current view, None when the ledger does not hold one."""
        ...


@dataclass(slots=True, eq=False)
class Entry:
    """One answer, with everything that must still be true for it to be given again.

    INVARIANT: nobody changes an entry. (Not frozen: that would triple the cost of making one.)

    `answer` is without its moment. It holds from `from_us` (when it was made) until `until_us`,
    exclusive; the lower bound matters when a clock is set back. `count` counts one answer of this
    kind. `decision` is kept in compare mode only.
    """

    snapshot: Snapshot
    cell: SubjectCell
    view: ConsentView
    from_us: int
    until_us: int
    answer: bytes
    count: Callable[[], int]
    audit: AuditFields
    size_bytes: int
    decision: Decision | None = None


class AnswerCache:
    """Entries by question, bounded in number and in bytes.

    Lock: `_lock` guards the entries and their order; nothing else is done while it is held.
    """

    def __init__(self, *, max_entries: int = 50_000, max_bytes: int = 64 * 1024 * 1024) -> None:
        self._lock = threading.Lock()
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        # PERF: an ordered dict is a cache by least recent use, and each step of it is C.
        self._entries: OrderedDict[bytes, Entry] = OrderedDict()
        self._size_bytes = 0
        self._evicted_count = 0

    def find(self, raw: bytes) -> Entry | None:
        """The entry for exactly these bytes, which becomes the most recently used; else None."""
        with self._lock:
            entry = self._entries.get(raw)
            if entry is not None:
                self._entries.move_to_end(raw)
            return entry

    def store(self, raw: bytes, entry: Entry) -> bool:
        """Keep `entry`, forgetting others as needed; False when it is too large to keep."""
        if entry.size_bytes > self._max_bytes or self._max_entries < 1:
            return False
        with self._lock:
            entries = self._entries
            former = entries.pop(raw, None)
            if former is not None:
                self._size_bytes -= former.size_bytes
            entries[raw] = entry
            self._size_bytes += entry.size_bytes
            # INVARIANT: the new entry is the last to go, and by itself it fits.
            while len(entries) > self._max_entries or self._size_bytes > self._max_bytes:
                self._drop_oldest()
                self._evicted_count += 1
        return True

    def drop(self, raw: bytes) -> None:
        """Forget one entry if it is there."""
        with self._lock:
            former = self._entries.pop(raw, None)
            if former is not None:
                self._size_bytes -= former.size_bytes

    def drop_older(self) -> None:
        """Forget all entries there are now, a few at a time so that checks go on in between.

        Called after a reload: their snapshot is gone, and they must not keep it in memory. Entries
        stored meanwhile are the most recently used and stay.
        """
        left = len(self)
        while left > 0:
            with self._lock:
                for _ in range(min(_DROP_STEP, left, len(self._entries))):
                    self._drop_oldest()
            left -= _DROP_STEP

    def _drop_oldest(self) -> None:
        _, oldest = self._entries.popitem(last=False)
        self._size_bytes -= oldest.size_bytes

    @property
    def evicted_count(self) -> int:
        """How many entries were forgotten to make room."""
        return self._evicted_count

    @property
    def size_bytes(self) -> int:
        """Bytes that all entries are reckoned to take."""
        return self._size_bytes

    def __len__(self) -> int:
        return len(self._entries)


def entry_size(raw: bytes, answer: bytes) -> int:
    """Bytes that an entry takes, as far as the bound is concerned."""
    return len(raw) + len(answer) + _ENTRY_OVERHEAD_BYTES
