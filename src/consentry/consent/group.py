"""Recordings that arrive together share a transaction: one wait for the disk serves them all.

Each keeps its own fate: a batch is stored whole or not at all, and one that is refused spoils no
other. There is no thread for it: of those who wait, the first writes for all, and then hands on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from consentry.consent.append import NewRow, UsedKey, keys_of, plan_append
from consentry.consent.chain import Head
from consentry.consent.errors import IdempotencyConflictError, LedgerUnavailableError
from consentry.consent.ledger import Recorded
from consentry.model.consent import NARROWING_KINDS, ConsentEvent
from consentry.model.ports import IdSource

MAX_GROUP: Final = 1_000


class Ticket:
    """One batch on its way. `answer` or `problem` is set before `is_done`."""

    __slots__ = ("answer", "events", "is_done", "problem")

    def __init__(self, events: Sequence[ConsentEvent]) -> None:
        self.events: Final = events
        self.answer: tuple[Recorded, ...] = ()
        self.problem: Exception | None = None
        self.is_done = False

    @property
    def is_narrowing(self) -> bool:
        """Whether all its events narrow what may be done."""
        return all(event.kind in NARROWING_KINDS for event in self.events)


@dataclass(slots=True)
class GroupAppend:
    """What a group comes to: rows and events that are new, and the head after them."""

    head: Head
    rows: list[NewRow] = field(default_factory=list)
    added: list[ConsentEvent] = field(default_factory=list)


def plan_group(
    tickets: Sequence[Ticket],
    used: Mapping[bytes, UsedKey],
    *,
    ledger_id: str,
    head: Head,
    now_us: int,
    ids: IdSource,
) -> GroupAppend:
    """What follows `head`, ticket by ticket; each has its `answer`, or its `problem` where a key
    was used before with other content: by what is stored (`used`), or by a ticket before it.
    """
    group = GroupAppend(head)
    for ticket in tickets:
        ticket.problem = None
        keys = keys_of(ticket.events, ledger_id)
        try:
            append = plan_append(ticket.events, keys, used, head=group.head, now_us=now_us, ids=ids)
        except IdempotencyConflictError as problem:
            ticket.problem = problem
            continue
        ticket.answer, group.head = append.recorded, append.head
        group.rows += append.rows
        group.added += append.added
        if ticket is not tickets[-1]:
            new = {r.key_digest: UsedKey(r.content_digest, r.public, r.salt) for r in append.rows}
            used = {**used, **new}
    return group


class GroupCommit:
    """Collects batches while one group is being written.

    Locks: `_moved` guards the queue and who writes; writing itself is done without it.
    """

    def __init__(self, write: Callable[[Sequence[Ticket]], None], *, wait_s: float) -> None:
        """`write` stores the tickets of a group durably and sets `answer` or `problem` of each;
        what it raises is every ticket's problem.
        """
        self._write: Final = write
        self._wait_s: Final = wait_s
        self._moved = threading.Condition()
        self._queue: list[Ticket] = []
        self._is_writing = False

    def record(self, events: Sequence[ConsentEvent]) -> tuple[Recorded, ...]:
        """The acknowledgements of one batch, once it is durable.

        Raises:
            LedgerUnavailableError: its turn did not come in time, or writing failed.
            LedgerError: whatever became of this batch.
        """
        ticket = Ticket(events)
        with self._moved:
            self._queue.append(ticket)
            group = self._next_group(ticket)
        while group:
            self._write_group(group)
            if ticket.is_done:  # as a rule; others may have waited longer
                break
            with self._moved:
                group = self._next_group(ticket)
        if ticket.problem is not None:
            raise ticket.problem
        return ticket.answer

    def _next_group(self, ticket: Ticket) -> list[Ticket]:
        """What this thread is to write now; nothing once its own ticket is done. `_moved` is held.

        The longest waiting come first; a group has no more events than one batch may have.
        """
        if self._is_writing and not self._moved.wait_for(
            lambda: ticket.is_done or not self._is_writing, self._wait_s
        ):
            if ticket in self._queue:
                self._queue.remove(ticket)
            raise LedgerUnavailableError("the ledger did not take the events in time")
        if ticket.is_done:
            return []
        self._is_writing = True
        count, size = 0, 0
        for waiting in self._queue:
            if count and size + len(waiting.events) > MAX_GROUP:
                break
            count, size = count + 1, size + len(waiting.events)
        group, self._queue = self._queue[:count], self._queue[count:]
        return group

    def _write_group(self, group: Sequence[Ticket]) -> None:
        try:
            self._write(group)
        except Exception as problem:  # noqa: BLE001  # raised again by each whose batch it was
            for ticket in group:
                ticket.problem = ticket.problem or problem
        except BaseException:
            # INVARIANT: what was not written is acknowledged to nobody, whatever ended the writing.
            for ticket in group:
                ticket.problem = LedgerUnavailableError("the recording was broken off")
            raise
        finally:
            with self._moved:
                self._is_writing = False
                for ticket in group:
                    ticket.is_done = True
                self._moved.notify_all()
