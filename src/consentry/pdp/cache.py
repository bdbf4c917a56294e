"""Answers kept as bytes, by the bytes of the question.

An entry names every version that could change its answer: the policy snapshot and the person's
consent view, both by identity, and the span of time in which the answer holds. The decision point
compares them on each use; this module only keeps entries within bounds and forgets the least
recently used.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from cachetools import LRUCache

from consentry.model.consent import ConsentView
from consentry.model.decision import Decision
from consentry.pdp.pace import at_once
from consentry.pdp.snapshot import Snapshot
from consentry.telemetry.audit.record import AuditFields

MAX_KEY_BYTES = 16 * 1024
"""Longer questions are answered and not kept."""

# What an entry costs beside the bytes that are counted: the object, what Python adds to the bytes
# and times, slots in three tables and a link of the order; what the decision log is told, and what
# it keeps of that when the answer is given again.
_ENTRY_OVERHEAD_BYTES = 740
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

    @property
    def data_subject_id(self) -> str:
        """Whose view it is."""
        ...


class _NoCell:
    view: ConsentView | None = None
    data_subject_id = ""


NO_CELL: Final = _NoCell()
"""The cell of an answer about nobody; such an answer is never kept."""


@dataclass(slots=True, eq=False)
class Entry:
    """One answer, with everything that must still be true for it to be given again.

    INVARIANT: nobody changes an entry. (Not frozen: that would triple the cost of making one.)

    The answer is `shared`, which other entries have too, `own`, and a moment. It holds from
    `from_us` (when it was made) until `until_us`, exclusive; the lower bound matters when a clock
    is set back. `count` counts one answer of this kind. `decision` is kept in compare mode only.
    """

    snapshot: Snapshot
    cell: SubjectCell
    view: ConsentView
    from_us: int
    until_us: int
    shared: bytes
    own: bytes
    count: Callable[[], int]
    audit: AuditFields
    decision: Decision | None = None

    def holds(self, snapshot: Snapshot, now_us: int) -> bool:
        """Whether the answer may be given again, under this policy set and at this time."""
        return (
            self.snapshot is snapshot
            and self.cell.view is self.view
            and self.from_us <= now_us < self.until_us
        )


class _Entries(LRUCache[bytes, Entry]):
    """An LRU cache that answers None for what it does not have.

    PERF: `cache[key]` with this hook takes one look-up for a hit where `get` takes two, and a miss
    raises nothing.
    """

    def __missing__(self, key: bytes) -> Entry:
        return None  # type: ignore[return-value]  # PERF: `cast` is a call


class AnswerCache:
    """Entries by question, bounded in number and in bytes.

    PERF: the library bounds the number, and bytes are added up here: a size of its own for each
    entry takes a third dictionary, and half as long again for a hit.

    Lock: `_lock` guards the entries and their order; nothing else is done while it is held.
    """

    def __init__(
        self,
        *,
        max_entries: int = 50_000,
        max_bytes: int = 64 * 1024 * 1024,
        step: Callable[[], None] = at_once,
    ) -> None:
        """`step` is called between the pieces of `drop_older`, with no lock held."""
        self._lock = threading.Lock()
        self._step = step
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._entries = _Entries(max_entries)
        self._size_bytes = 0
        self._evicted_count = 0

    def find(self, raw: bytes) -> Entry | None:
        """The entry for exactly these bytes, which becomes the most recently used; else None."""
        with self._lock:
            return self._entries[raw]

    def store(self, raw: bytes, entry: Entry) -> bool:
        """Keep `entry`, forgetting others as needed; False when it is too large to keep."""
        size_bytes = entry_size(raw, entry.own)
        if size_bytes > self._max_bytes or self._max_entries < 1:
            return False
        with self._lock:
            entries = self._entries
            if raw in entries:
                self._size_bytes -= entry_size(raw, entries.pop(raw).own)
            self._size_bytes += size_bytes
            while len(entries) >= self._max_entries or self._size_bytes > self._max_bytes:
                self._drop_oldest()
                self._evicted_count += 1
            entries[raw] = entry
        return True

    def drop(self, raw: bytes) -> None:
        """Forget one entry if it is there."""
        with self._lock:
            if (entry := self._entries.pop(raw, None)) is not None:
                self._size_bytes -= entry_size(raw, entry.own)

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
            self._step()

    @property
    def evicted_count(self) -> int:
        """How many entries were forgotten to make room."""
        return self._evicted_count

    @property
    def size_bytes(self) -> int:
        """Bytes that all entries are reckoned to take."""
        with self._lock:
            return self._size_bytes

    def _drop_oldest(self) -> None:
        raw, entry = self._entries.popitem()
        self._size_bytes -= entry_size(raw, entry.own)

    def __len__(self) -> int:
        return len(self._entries)


def entry_size(raw: bytes, own: bytes) -> int:
    """Bytes that an entry takes at most, without what it shares with others."""
    return len(raw) + len(own) + _ENTRY_OVERHEAD_BYTES
