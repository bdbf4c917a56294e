"""Recordings that arrive together share a transaction: one wait for the disk serves them all.

Each keeps its own fate: a batch is stored whole or not at all, and one that is refused spoils no
other. There is no thread for it: of those who wait, the first writes for all, and then hands on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Final

from consentry.consent.errors import LedgerUnavailableError
from consentry.consent.ledger import Recorded
from consentry.model.consent import ConsentEvent

MAX_GROUP: Final = 1_000


class Ticket:
    """One batch on its way. `answer` or `problem` is set before `done`."""

    __slots__ = ("answer", "done", "events", "problem")

    def __init__(self, events: Sequence[ConsentEvent]) -> None:
        self.events: Final = events
        self.answer: tuple[Recorded, ...] = ()
        self.problem: Exception | None = None
        self.done: Final = threading.Event()


class GroupCommit:
    """Collects batches while one group is being written.

    Locks: `_lock` guards the queue; `_turn` is held by who writes.
    """

    def __init__(self, write: Callable[[Sequence[Ticket]], None], *, wait_s: float) -> None:
        """`write` stores the tickets of a group durably and sets `answer` or `problem` of each;
        what it raises is every ticket's problem.
        """
        self._write: Final = write
        self._wait_s: Final = wait_s
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._queue: list[Ticket] = []

    def record(self, events: Sequence[ConsentEvent]) -> tuple[Recorded, ...]:
        """The acknowledgements of one batch, once it is durable.

        Raises:
            LedgerUnavailableError: its turn did not come in time, or writing failed.
            LedgerError: whatever became of this batch.
        """
        ticket = Ticket(events)
        with self._lock:
            self._queue.append(ticket)
        if not self._turn.acquire(timeout=self._wait_s):
            if self._withdraw(ticket):
                raise LedgerUnavailableError("the ledger did not take the events in time")
            ticket.done.wait(self._wait_s)
        else:
            try:
                # Whoever wrote before us may have written this one, too.
                while not ticket.done.is_set():
                    self._write_group()
            finally:
                self._turn.release()
        if ticket.problem is not None:
            raise ticket.problem
        if not ticket.done.is_set():
            raise LedgerUnavailableError("the ledger did not answer in time")
        return ticket.answer

    def _withdraw(self, ticket: Ticket) -> bool:
        with self._lock:
            if ticket in self._queue:
                self._queue.remove(ticket)
                return True
            return False

    def _write_group(self) -> None:
        group = self._next_group()
        try:
            self._write(group)
        except Exception as problem:  # noqa: BLE001  # raised again by each whose batch it was
            for ticket in group:
                ticket.problem = ticket.problem or problem
        finally:
            for ticket in group:
                ticket.done.set()

    def _next_group(self) -> list[Ticket]:
        """The longest waiting; at least one, and no more events than one batch may have."""
        with self._lock:
            count, size = 0, 0
            for ticket in self._queue:
                if count and size + len(ticket.events) > MAX_GROUP:
                    break
                count, size = count + 1, size + len(ticket.events)
            group, self._queue = self._queue[:count], self._queue[count:]
            return group
