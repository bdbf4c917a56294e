"""The newest entries of a ledger, for those who follow it.

One copy serves every follower, so that a hundred of them cost the store nothing. Who is further
behind than this reaches reads the store until it is not.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from consentry.consent.entries import Entry
from consentry.consent.feed import Place

DEFAULT_CAPACITY = 4_096


@dataclass(frozen=True, slots=True)
class Page:
    """Entries in order, the place after them, and whether there are no more."""

    entries: tuple[Entry, ...]
    place: Place
    is_last: bool


class RecentEntries:
    """The entries after some place up to the newest, without a gap.

    Locks: `_moved` guards everything; waiting for a change is waiting for it.
    """

    def __init__(self, capacity: int = DEFAULT_CAPACITY) -> None:
        self._entries: deque[Entry] = deque()
        self._capacity = capacity
        self._moved = threading.Condition()
        self._place: Place | None = None
        self._begin = 0
        self._is_closed = False

    @property
    def place(self) -> Place | None:
        """The newest place; None before the first."""
        return self._place

    def begin_at(self, place: Place) -> None:
        """Holds nothing, from `place` on."""
        with self._moved:
            self._entries.clear()
            self._begin, self._place = place.position, place
            self._moved.notify_all()

    def add(self, entries: Sequence[Entry], place: Place) -> None:
        """Entries that follow the newest place without a gap, and the place after them."""
        if not entries:
            return
        with self._moved:
            self._entries.extend(entries)
            self._place = place
            while len(self._entries) > self._capacity:
                self._begin = self._entries.popleft().position
            self._moved.notify_all()

    def after(self, position: int, limit: int) -> Page | None:
        """What follows `position`, at most `limit` entries; None where some are no longer held."""
        with self._moved:
            if self._place is None or position < self._begin:
                return None
            # Positions are dense, so that a place in the row is a subtraction.
            first = position - self._begin
            entries = tuple(islice(self._entries, first, first + limit))
            is_last = first + len(entries) >= len(self._entries)
            place = self._place if is_last else Place(entries[-1].position)
            return Page(entries, place, is_last)

    def wait_beyond(self, position: int, timeout_s: float) -> bool:
        """Waits until there is an entry after `position`; False when there is none in time."""
        with self._moved:
            return self._moved.wait_for(
                lambda: (
                    self._is_closed or (self._place is not None and self._place.position > position)
                ),
                timeout_s,
            )

    def close(self) -> None:
        """Lets everybody who waits go."""
        with self._moved:
            self._is_closed = True
            self._moved.notify_all()
