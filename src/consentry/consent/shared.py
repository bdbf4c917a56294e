"""A ledger that others write, too: follows a source, keeps cells, holds a lease.

Two threads. The *follower* opens sessions and takes their frames: it publishes a frame's events to
the cells, then moves the position, then renews the lease, in this order, so that a lease never
covers an event that a cell does not show. The *watchman* asks the feed (the state machine that
decides all this) when a session is over and cuts it, because a source that has frozen gives no
error. Whatever fails, the two go on; nothing needs a restart.

What this sidecar records itself is visible here when it is acknowledged: the persons' views are
made unusable before, and their next readings ask the source for a position that includes it.

Locks: `_lock` guards the feed, `_floor` and writing `lease`; it is held for comparisons only.
`lease` and `_position` are replaced as wholes and read without.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from consentry.consent.entries import Entry
from consentry.consent.erasure import Erased
from consentry.consent.errors import (
    LedgerCorruptError,
    LedgerError,
    LedgerUnavailableError,
    ReadTooLateError,
)
from consentry.consent.feed import Feed, FeedTimes, Frame, Place, Step
from consentry.consent.lease import Lease
from consentry.consent.ledger import ChangeListener, Recorded, SubjectCell
from consentry.consent.memory import DEFAULT_CAPACITY, SubjectCells
from consentry.consent.person_reads import PersonReads
from consentry.consent.recent import Page, RecentEntries
from consentry.consent.resolver import UNAVAILABLE, SubjectView
from consentry.consent.source import Session, Source
from consentry.consent.trouble import Trouble
from consentry.consent.validate import check_events
from consentry.model.consent import ConsentEvent, ConsentView
from consentry.model.ports import Clock
from consentry.model.values import MICROS_PER_SECOND

log = logging.getLogger(__name__)

DEFAULT_READ_WAIT_S: Final = 0.02


class SharedLedger:
    """Implements `consent.ledger.Ledger`; may be used from any thread once started.

    Until the first proof, and whenever the last one is older than the bound, every view is
    unavailable. `read_us` is the steady clock of all leases.
    """

    def __init__(
        self,
        source: Source,
        *,
        clock: Clock,
        read_us: Callable[[], int],
        times: FeedTimes | None = None,
        read_wait_s: float = DEFAULT_READ_WAIT_S,
        capacity: int = DEFAULT_CAPACITY,
    ) -> None:
        times = times or FeedTimes()
        self._source: Final = source
        self._clock: Final = clock
        self._read_us: Final = read_us
        self._cells: Final = SubjectCells(capacity)
        self._reads: Final = PersonReads(self._read_view, self._cells.cell, wait_s=read_wait_s)
        self.recent: Final = RecentEntries()
        self._lock = threading.Lock()
        self._feed: Final = Feed(times, read_us(), random.random)
        self._floor = 0
        self._session: Session | None = None
        self._is_closed = threading.Event()
        self._woken = threading.Event()
        self._is_proven = threading.Event()
        self._is_told_fresh = False
        self._position = 0
        self._lag_us = 0
        self._damage: LedgerCorruptError | None = None
        # Over from the start: nothing has been proven yet.
        self.lease = Lease(read_us() - times.bound_us - 1, times.lease_us, read_us)
        self._feed_trouble = Trouble("ledger_feed")
        self._read_trouble = Trouble("ledger_read")
        self._write_trouble = Trouble("ledger_write")
        self._follower = threading.Thread(target=self._follow, name="consentry-feed", daemon=True)
        self._watchman = threading.Thread(
            target=self._watch, name="consentry-feed-watch", daemon=True
        )

    def start(self) -> None:
        """Begins to follow the source."""
        self._follower.start()
        self._watchman.start()

    def wait_until_fresh(self, timeout_s: float) -> bool:
        """Waits for a proof; whether there is one."""
        return self._is_proven.wait(timeout_s) and self.is_fresh()

    def record(self, events: Sequence[ConsentEvent]) -> tuple[Recorded, ...]:
        """Stores all events durably at the source, or none; see the port."""
        check_events(events, self._clock.now_us())
        damage = self._damage
        if damage is not None:
            raise LedgerCorruptError(str(damage), damage.position, damage.code)
        try:
            recorded = self._source.record(events)
        except LedgerUnavailableError as problem:
            self._write_trouble.begin(problem)
            raise
        self._write_trouble.end()
        newest = max((entry.position for entry in recorded), default=0)
        with self._lock:
            self._floor = max(self._floor, newest)
        if newest > self._position:
            # INVARIANT: after the floor moved, before the acknowledgement: whoever reads these
            # persons from now on reads what includes the events.
            self._cells.expire({event.data_subject_id for event in events})
        return recorded

    def erase(self, data_subject_id: str, *, with_rights: bool = False) -> Erased:
        """Forgets a person at the source, and in every later view here; raises as `Source.erase`.

        Every other sidecar forgets within the bound.
        """
        erased = self._source.erase(data_subject_id, with_rights=with_rights)
        with self._lock:
            self._floor = max(self._floor, erased.position)
        self._cells.expire((data_subject_id,))
        return erased

    def cell(self, data_subject_id: str) -> SubjectCell:
        """The person's cell; see the port."""
        return self._cells.cell(data_subject_id)

    def view(self, data_subject_id: str, *, wait_s: float | None = None) -> ConsentView:
        """The person's view; an unavailable one where it is not there in time or not fresh."""
        if self.lease.is_over():
            return UNAVAILABLE
        try:
            return self._reads.view(data_subject_id, wait_s)
        except ReadTooLateError:
            # Not a word in the log, which may be slow, in the midst of a check: the reason of the
            # answer is counted.
            return UNAVAILABLE
        except LedgerError as problem:
            self._read_trouble.begin(problem)
            return UNAVAILABLE

    def position(self) -> int:
        """Position of the newest event that all cells show."""
        return self._position

    def on_change(self, listener: ChangeListener) -> None:
        """Call `listener` whenever views moved, and when they may no longer be used.

        Called in the threads of the feed; what this sidecar records itself comes by the feed, too.
        """
        self._cells.on_change(listener)

    def is_fresh(self) -> bool:
        """Whether the state of consent may be used now."""
        return not self.lease.is_over()

    def mark_damaged(self, problem: LedgerCorruptError) -> None:
        """From now on nothing is recorded, and every view is unavailable."""
        with self._lock:
            # INVARIANT: in one hold of the lock, as a proof is taken: none comes after it.
            self._damage = problem
            self.lease = replace(self.lease, proven_at_us=self._read_us() - self.lease.bound_us - 1)
        self._cells.forget_all(self._position)

    def is_connected(self) -> bool:
        """Whether the source has been heard lately."""
        return self._feed.is_connected(self._read_us())

    def lag_us(self) -> int:
        """How long the newest event was under way, by two wall clocks; 0 before the first."""
        return self._lag_us

    def list_events(
        self, data_subject_id: str, after_position: int, limit: int
    ) -> tuple[ConsentEvent, ...]:
        """The person's events after a position, oldest first, from the source."""
        return self._source.list_events(data_subject_id, after_position, limit)

    def data_subjects(self, after: str, limit: int) -> tuple[str, ...]:
        """Those of whom it holds an event, by id from beyond `after` on, from the source."""
        return self._source.data_subjects(after, limit)

    def place(self) -> Place | None:
        """The newest place; None before the source was first heard."""
        return self.recent.place

    def wait_beyond(self, position: int, timeout_s: float) -> bool:
        """Waits until there is an entry after `position`; False when there is none in time."""
        return self.recent.wait_beyond(position, timeout_s)

    def read_after(self, position: int, limit: int) -> Page:
        """Everybody's entries after a position; from memory where it reaches."""
        return self.recent.after(position, limit) or self._source.read_after(position, limit)

    def digest_at(self, position: int) -> bytes | None:
        """The chain's digest at a position; None where there is no such event."""
        return self._source.digest_at(position)

    def wait_for(self, position: int, timeout_s: float) -> bool:
        """Waits until `position()` is at least that; whether it is."""
        return self.recent.wait_beyond(position - 1, timeout_s) and self._position >= position

    def close(self) -> None:
        """Stops following, empties the cells, gives the source back; may be called twice."""
        if self._is_closed.is_set():
            return
        self._is_closed.set()
        self._woken.set()
        session = self._session
        if session is not None:
            session.close()
        self._reads.close()
        self.recent.close()
        self._source.close()
        for thread in (self._follower, self._watchman):
            if thread.ident is not None:
                thread.join(timeout=5)
        self._cells.forget_all(self._position)

    def _read_view(self, data_subject_id: str) -> ConsentView:
        return self._cells.view(data_subject_id, self._load)

    def _load(self, data_subject_id: str) -> SubjectView:
        with self._lock:
            place = self._feed.place
            # INVARIANT: no less than any cell shows or is just being shown, and no less than was
            # acknowledged here. The feed's place moves before the cells, `_position` after them.
            at_least = max(self._floor, 0 if place is None else place.position)
        reading = self._source.read_person(data_subject_id, at_least)
        self._read_trouble.end()
        events = reading.events
        return SubjectView(
            events=events,
            revision=events[-1].position if events else 0,
            position=reading.position,
            read_at_us=max([self._clock.now_us(), *(e.received_at_us for e in events[-1:])]),
        )

    def _follow(self) -> None:
        while not self._is_closed.is_set():
            with self._lock:
                now_us = self._read_us()
                is_time = self._feed.step(now_us) is Step.OPEN
                wait_s = (self._feed.next_us() - now_us) / MICROS_PER_SECOND
            if not is_time:
                self._is_closed.wait(max(wait_s, 0.001))
                continue
            self._run_session()

    def _run_session(self) -> None:
        with self._lock:
            number = self._feed.opened(self._read_us())
            place = self._feed.place
        session = self._session = self._source.follow(place)
        self._woken.set()
        try:
            for frame in session.frames():
                if not self._take(number, frame):
                    break
        except LedgerError as problem:
            self._feed_trouble.begin(problem)
        except Exception as problem:  # the thread must live: without it nothing is ever fresh again
            log.exception("ledger_feed_bug")
            self._feed_trouble.begin(LedgerUnavailableError(type(problem).__name__))
        finally:
            session.close()
            with self._lock:
                self._feed.closed(number, self._read_us())

    def _take(self, number: int, frame: Frame) -> bool:
        """Shows what a frame brings; False when the session is of no more use."""
        with self._lock:
            new = self._feed.take(number, frame, self._read_us())
            place = self._feed.place
        if new is None or place is None:
            return False
        if frame.after is None:
            self._cells.forget_all(place.position)
            self.recent.begin_at(place)
        self._publish(new)
        # INVARIANT: after the cells, so that position n is never seen before the views up to n.
        self._position = max(self._position, place.position)
        self.recent.add(new, place)
        with self._lock:
            proven_at_us = self._feed.prove(frame, self._read_us())
            is_proven = proven_at_us is not None and self._damage is None
            if proven_at_us is not None and is_proven:
                # INVARIANT: after the cells, too: what the lease vouches for is visible.
                self.lease = Lease(proven_at_us, self._feed.times.lease_us, self._read_us)
        if is_proven:
            self._is_proven.set()
            if not self._is_told_fresh:
                self._is_told_fresh = True
                log.info("consent_fresh", extra={"ledger_position": place.position})
        self._feed_trouble.end()
        return True

    def _publish(self, entries: Sequence[Entry]) -> None:
        if not entries:
            return
        by_person: dict[str, list[ConsentEvent]] = {}
        for entry in entries:
            if isinstance(entry, ConsentEvent):
                by_person.setdefault(entry.data_subject_id, []).append(entry)
            else:
                # Whose it was is not told. Erasing is rare, and reading everybody again is cheap.
                self._cells.forget_all(entry.position)
        now_us = self._clock.now_us()
        newest_us = entries[-1].received_at_us
        self._cells.publish(by_person, entries[-1].position, max(now_us, newest_us))
        self._lag_us = max(0, now_us - newest_us)

    def _watch(self) -> None:
        while not self._is_closed.is_set():
            self._tell_staleness()
            with self._lock:
                now_us = self._read_us()
                is_over = self._feed.step(now_us) is Step.CLOSE
                number, wait_us = self._feed.session, self._feed.next_us() - now_us
            if is_over:
                session = self._session
                if session is not None:
                    session.close()
                with self._lock:
                    self._feed.closed(number, self._read_us())
                continue
            wait_us = min(wait_us, self._feed.times.heartbeat_us)
            self._woken.wait(max(wait_us / MICROS_PER_SECOND, 0.02))
            self._woken.clear()

    def _tell_staleness(self) -> None:
        """Tells those who keep answers of ours once that the lease does not hold any more."""
        lease = self.lease
        if self._is_told_fresh and lease.is_over():
            self._is_told_fresh = False
            log.error("consent_stale", extra={"age_s": lease.age_us() // MICROS_PER_SECOND})
            self._cells.doubt(self._position)
