"""Answers kept at the caller's side, for as long as a Watch says that they hold.

The rules are those of `WatchResponse` in the protocol. An answer is kept only if the Watch speaks
for the sidecar that gave it, under the policy set that decides now, and if it is no older than the
last move of its data subject. It is given again until its `valid_until`, or `max_age_s`, or a move,
and never once the Watch has been silent beyond its bound.

Lock: `_lock` guards everything that is written. `find` takes none: it reads one entry, which never
changes, and two numbers that only end its use too early when they are read apart.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from typing import Final

from consentry.client.decision import Decision
from consentry.client.metrics import ClientMetrics, NoMetrics
from consentry.v1 import authorization_pb2

_MAX_MOVES: Final = 10_000
_NEVER: Final = float("-inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheOptions:
    """Bounds of a cache. `bound_s` shortens the sidecar's own bound on silence; None takes that."""

    max_entries: int = 10_000
    max_age_s: float = 30.0
    bound_s: float | None = None


@dataclass(frozen=True, slots=True)
class _Entry:
    decision: Decision
    until_s: float
    handle: int
    position: int


class DecisionCache:
    """A cache and what its Watch has said. Any thread may use it."""

    def __init__(
        self,
        options: CacheOptions,
        *,
        metrics: ClientMetrics | None = None,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._options = options
        self._metrics = metrics or NoMetrics()
        self._now_s = monotonic_s
        self._lock = threading.Lock()
        self._entries: dict[Hashable, _Entry] = {}
        self._by_handle: dict[int, set[Hashable]] = {}
        # Where the Watch began, or everything was dropped: nothing older may be kept.
        self._floor = 0
        # The last moves by handle, oldest first; a forgotten one raises the floor.
        self._moves: dict[int, int] = {}
        self._instance = b""
        self._digest = ""
        # The sidecar's clock less ours; the largest seen is the one that was least under way.
        self._offset_s = _NEVER
        # In our time; -inf: nothing may be used.
        self._fresh_until_s = _NEVER

    def find(self, key: Hashable) -> Decision | None:
        """The answer kept under `key`, if it still holds."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        now_s = self._now_s()
        if now_s >= self._fresh_until_s or now_s + self._offset_s >= entry.until_s:
            return None
        return entry.decision

    def store(
        self, key: Hashable, answer: authorization_pb2.CheckResponse, decision: Decision
    ) -> bool:
        """Keep `decision`, which is what `answer` says, if that is allowed; whether it was."""
        if not answer.HasField("keeping") or not answer.HasField("valid_until"):
            return False
        handle, position = answer.keeping.handle, answer.moment.ledger_position
        valid_until_s = answer.valid_until.seconds + answer.valid_until.nanos / 1e9
        with self._lock:
            now_s = self._now_s()
            if (
                now_s >= self._fresh_until_s
                or answer.keeping.instance != self._instance
                or answer.policy_digest != self._digest
                or position < self._moves.get(handle, self._floor)
                or position < self._floor
            ):
                return False
            until_s = min(valid_until_s, now_s + self._offset_s + self._options.max_age_s)
            if until_s <= now_s + self._offset_s:
                return False
            self._drop_key(key)
            while len(self._entries) >= max(1, self._options.max_entries):
                self._drop_key(next(iter(self._entries)))
            kept = replace(decision, is_from_cache=True, correlation_id="")
            self._entries[key] = _Entry(kept, until_s, handle, position)
            self._by_handle.setdefault(handle, set()).add(key)
        return True

    def apply(self, message: authorization_pb2.WatchResponse) -> None:
        """Take in one message of the Watch; when it is back, no answer that it ends is found."""
        with self._lock:
            now_s = self._now_s()
            is_new = message.instance != self._instance
            if message.drop_everything or is_new or now_s >= self._fresh_until_s:
                self._drop_all("dropped_all")
                self._moves.clear()
                self._floor = message.ledger_position
            if message.policy_digest != self._digest:
                self._drop_all("policy")
            for moved in message.moved:
                self._move(moved.handle, moved.ledger_position)
            self._instance, self._digest = message.instance, message.policy_digest
            sent_s = message.at.seconds + message.at.nanos / 1e9
            self._offset_s = sent_s - now_s if is_new else max(self._offset_s, sent_s - now_s)
            valid_for_s = message.valid_for_us / 1e6
            if self._options.bound_s is not None:
                valid_for_s = min(valid_for_s, self._options.bound_s)
            # What was long under way is no fresher than when it was sent.
            self._fresh_until_s = sent_s - self._offset_s + valid_for_s

    def lose(self) -> None:
        """The Watch ended: forget everything, and keep nothing until it is back."""
        with self._lock:
            self._drop_all("lost")
            self._fresh_until_s = _NEVER
            self._instance = b""

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def is_following(self) -> bool:
        """Whether answers may be kept and used now."""
        return self._now_s() < self._fresh_until_s

    def _move(self, handle: int, position: int) -> None:
        self._moves.pop(handle, None)
        self._moves[handle] = position
        if len(self._moves) > _MAX_MOVES:
            self._floor = max(self._floor, self._moves.pop(next(iter(self._moves))))
        keys = self._by_handle.get(handle, ())
        for key in [k for k in keys if self._entries[k].position < position]:
            self._drop_key(key)
        self._metrics.followed("moved")

    def _drop_key(self, key: Hashable) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            keys = self._by_handle[entry.handle]
            keys.discard(key)
            if not keys:
                del self._by_handle[entry.handle]

    def _drop_all(self, why: str) -> None:
        self._entries.clear()
        self._by_handle.clear()
        self._metrics.followed(why)
