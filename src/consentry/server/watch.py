"""Watch: what caches at the callers' side must forget, pushed as it happens.

The hub is told of a change by whoever makes it, in that thread, and does no more there than to put
it into the mailbox of each watcher. A mailbox is bounded: too many changes for a slow reader become
"forget everything". Each watcher's own thread takes news out and sends them, or a heartbeat.

Locks: the hub's `_lock`, then a mailbox's own; nothing else is done while they are held.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Final

from google.protobuf.message import DecodeError

from consentry.model.ports import Clock
from consentry.model.values import MICROS_PER_SECOND
from consentry.server.errors import LeavingError
from consentry.server.faults import malformed
from consentry.server.handles import Handles
from consentry.server.health import AUTHORIZATION_SERVICE
from consentry.server.ports import ConsentLedger, Policies
from consentry.server.streams import OpenStream, StreamBehaviour
from consentry.telemetry.metrics import Metrics
from consentry.v1 import authorization_pb2

MAX_WAITING: Final = 4_096
_BEATS_IN_BOUND: Final = 4


@dataclass(frozen=True, slots=True)
class News:
    """What one watcher must be told: handles that moved, each with the position of its move."""

    has_all_moved: bool = False
    moved: dict[int, int] = field(default_factory=dict)


class Mailbox:
    """What waits for one watcher. Any thread puts in, the watcher's thread takes out."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._moved: dict[int, int] = {}
        # The first message tells everything to a cache that was there before.
        self._has_all_moved = True
        self._has_news = True
        self._is_closed = False

    def put(self, handles: Collection[int], position: int) -> None:
        """Add moves; with too many waiting they become a move of all."""
        with self._changed:
            for handle in handles:
                self._moved[handle] = position
            if len(self._moved) > MAX_WAITING:
                self._put_all_locked()
            self._wake_locked()

    def put_all(self) -> None:
        """Add that anybody may have moved."""
        with self._changed:
            self._put_all_locked()
            self._wake_locked()

    def wake(self) -> None:
        """Have a message sent now."""
        with self._changed:
            self._wake_locked()

    def close(self) -> None:
        """Let the watcher's thread go."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()

    def wait(self, timeout_s: float) -> bool:
        """Back when something came, at the latest after `timeout_s`; False once closed."""
        with self._changed:
            if not self._has_news and not self._is_closed:
                self._changed.wait(timeout_s)
            return not self._is_closed

    def take(self) -> News:
        """What came since the last time."""
        with self._changed:
            news = News(self._has_all_moved, self._moved)
            self._moved, self._has_all_moved, self._has_news = {}, False, False
            return news

    def _put_all_locked(self) -> None:
        self._moved = {}
        self._has_all_moved = True

    def _wake_locked(self) -> None:
        self._has_news = True
        self._changed.notify()


class WatchHub:
    """Hears of every change and tells all watchers.

    `bound_s` is how long a cache may go on in silence; a quarter of it lies between two heartbeats.
    """

    def __init__(
        self,
        *,
        ledger: ConsentLedger,
        policies: Policies,
        handles: Handles,
        clock: Clock,
        metrics: Metrics,
        bound_s: float,
    ) -> None:
        self._ledger = ledger
        self._policies = policies
        self._handles = handles
        self._clock = clock
        self._bound_us = int(bound_s * MICROS_PER_SECOND)
        self._beat_s = bound_s / _BEATS_IN_BOUND
        self._lock = threading.Lock()
        self._mailboxes: set[Mailbox] = set()
        self._told_position = 0
        metrics.watch_gauge("watchers", self.count)
        ledger.on_change(self._tell_moved)
        policies.on_change(self._tell_policies)

    def count(self) -> int:
        """How many watchers there are."""
        return len(self._mailboxes)

    def streams(self) -> dict[str, StreamBehaviour]:
        """Its method, by full name."""
        return {f"/{AUTHORIZATION_SERVICE}/Watch": self.watch}

    def watch(self, raw: bytes, stream: OpenStream) -> Iterator[bytes]:
        """The answers of one Watch, until the caller goes or the sidecar leaves.

        Raises:
            RequestError: the request is malformed.
            LeavingError: the sidecar leaves.
        """
        try:
            authorization_pb2.WatchRequest.FromString(raw)
        except DecodeError:
            raise malformed() from None
        mailbox = Mailbox()
        with self._lock:
            self._mailboxes.add(mailbox)
        try:
            stream.owe_nothing(mailbox.close)
            while mailbox.wait(self._beat_s):
                yield self._message(mailbox).SerializeToString()
        finally:
            with self._lock:
                self._mailboxes.discard(mailbox)
        if stream.is_leaving:
            raise LeavingError

    def _message(self, mailbox: Mailbox) -> authorization_pb2.WatchResponse:
        # INVARIANT: time and lease before the news, so that what they promise is told with them.
        now_us = self._clock.now_us()
        lease = self._ledger.lease
        valid_for_us = self._bound_us
        if lease is not None:
            valid_for_us = max(0, min(valid_for_us, lease.bound_us) - lease.age_us())
        # A worker reads here what others recorded; those moves must not come after the promise.
        self._ledger.position()
        news = mailbox.take()
        current = self._policies.current
        # What was told may be ahead of the ledger's own word: it tells first and moves then. A
        # reader keeps nothing from before the position it began at, so that must be the later one.
        position = max(self._ledger.position(), self._told_position)
        message = authorization_pb2.WatchResponse(
            drop_everything=news.has_all_moved,
            moved=[
                authorization_pb2.Moved(handle=handle, ledger_position=moved_at)
                for handle, moved_at in news.moved.items()
            ],
            policy_digest="" if current is None else current.digest,
            ledger_position=position,
            instance=self._handles.instance,
            valid_for_us=valid_for_us,
        )
        seconds, micros = divmod(now_us, MICROS_PER_SECOND)
        message.at.seconds, message.at.nanos = seconds, micros * 1_000
        return message

    def _tell_moved(self, data_subject_ids: Collection[str] | None, position: int) -> None:
        with self._lock:
            # INVARIANT: with the set of mailboxes, so that whoever comes later begins after it.
            self._told_position = max(self._told_position, position)
            mailboxes = tuple(self._mailboxes)
        if not mailboxes:
            return
        if data_subject_ids is None:
            self._each(mailboxes, Mailbox.put_all)
            return
        handles = [self._handles.of(name) for name in data_subject_ids]
        self._each(mailboxes, lambda mailbox: mailbox.put(handles, position))

    def _tell_policies(self, _snapshot: object) -> None:
        with self._lock:
            mailboxes = tuple(self._mailboxes)
        self._each(mailboxes, Mailbox.wake)

    @staticmethod
    def _each(mailboxes: Collection[Mailbox], do: Callable[[Mailbox], None]) -> None:
        for mailbox in mailboxes:
            do(mailbox)
