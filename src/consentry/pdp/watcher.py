"""Watches the policy folder by looking at it once a second, and reloads when it has come to rest.

Looking is chosen over notifications: those miss the link swaps of a mounted ConfigMap and of
git-sync, and folders that are made again; a look at 200 files costs about a millisecond.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final, Protocol

log = logging.getLogger(__name__)

_MAX_PAUSE_LOOKS: Final = 64


class Reloadable(Protocol):
    """What the watcher drives: the policy store, as far as it concerns it."""

    def reload_if_changed(self) -> bool:
        """Reload; False where the try failed for a reason that may pass by itself."""
        ...

    def confirm(self) -> None:
        """Take note that the source still is what was last loaded from it."""
        ...


class PolicyWatcher:
    """Reloads after two equal looks that differ from what was last loaded.

    `look` gives a value that is equal as long as nothing changed; `wait(seconds)` gives True when
    it is time to stop. Where things come whole or not at all (`settles` false), one look is enough.
    `step` is the whole of one look and may be called without the thread.
    """

    def __init__(
        self,
        *,
        look: Callable[[], object],
        store: Reloadable,
        interval_s: float = 1.0,
        settles: bool = True,
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        self._look = look
        self._store = store
        self._interval_s = interval_s
        self._settles = settles
        self._stop = threading.Event()
        self._wait = wait if wait is not None else self._stop.wait
        self._loaded: object = None
        self._seen: object = None
        self._failures = 0
        self._pause = 0
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Look at intervals in a thread of its own, until `close`."""
        self._thread = threading.Thread(target=self._run, name="policy-watcher", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop looking; a reload that is under way is waited for."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._wait(self._interval_s):
            try:
                self.step()
            except Exception:  # a bug here must not end the watching
                log.exception("policy_watch_failed")

    def step(self) -> bool:
        """Look once; True when that led to a reload."""
        look = self._look()
        if look == self._loaded:
            self._seen = look
            self._store.confirm()
            return False
        if look != self._seen:
            self._seen = look
            self._failures = self._pause = 0
            if self._settles:
                return False
        if self._pause > 0:
            self._pause -= 1
            return False
        if self._store.reload_if_changed():
            self._loaded = look
            self._failures = 0
        else:
            # Not the author's fault (the compiler ran out of time, say): the same files may load
            # later, so try again, ever more rarely.
            self._failures += 1
            # The store confirms nothing after a failed try, so what was loaded is tried again, too.
            self._loaded = None
            self._pause = min(2**self._failures, _MAX_PAUSE_LOOKS)
        return True
