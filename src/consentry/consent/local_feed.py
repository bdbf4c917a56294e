"""What followers of a sidecar that owns its ledger are told; see `SharedLedger` for the other kind.

The store is on this machine and the ledger's own process is its only writer, so followers read it
directly, and what it says is never old.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from typing import Final

from consentry.consent.entries import decode_entry
from consentry.consent.event_codec import genesis_digest
from consentry.consent.feed import Place
from consentry.consent.recent import Page
from consentry.consent.sqlite import SqliteLedger


class LocalFeed:
    """Serves followers of an embedded ledger; may be used from any thread.

    Locks: `_moved` is held to wait and to wake, never while reading.
    """

    lease: Final = None

    def __init__(self, ledger: SqliteLedger) -> None:
        self._ledger: Final = ledger
        self._moved = threading.Condition()
        self._told = ledger.position()
        ledger.on_change(self._wake)

    def place(self) -> Place:
        """The newest place."""
        position = self._ledger.position()
        return Place(position, self.digest_at(position) or b"")

    def read_after(self, position: int, limit: int) -> Page:
        """Everybody's entries after a position, oldest first.

        Raises:
            LedgerError: they could not be read.
        """
        rows = self._ledger.read_rows(position, limit)
        entries = tuple(decode_entry(row[0], row[3], row[7]) for row in rows)
        place = Place(rows[-1][0], rows[-1][4]) if rows else self.place()
        return Page(entries, place, len(rows) < limit)

    def digest_at(self, position: int) -> bytes | None:
        """The chain's digest at a position; None where there is no such row.

        Raises:
            LedgerError: it could not be read.
        """
        if position == 0:
            return genesis_digest(self._ledger.ledger_id)
        rows = self._ledger.read_rows(position - 1, 1)
        return rows[0][4] if rows and rows[0][0] == position else None

    def wait_beyond(self, position: int, timeout_s: float) -> bool:
        """Waits until there is an entry after `position`; False when there is none in time."""
        with self._moved:
            return self._moved.wait_for(lambda: self._told > position, timeout_s)

    def _wake(self, _persons: Collection[str] | None, position: int) -> None:
        # Told after the commit and before the ledger's own position moves.
        with self._moved:
            self._told = max(self._told, position)
            self._moved.notify_all()
