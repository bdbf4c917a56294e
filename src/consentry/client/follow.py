"""Keeps a cache in step with the sidecar's Watch, from a thread of its own."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any, Final

import grpc
from google.protobuf.message import DecodeError

from consentry.client.cache import DecisionCache
from consentry.client.metrics import ClientMetrics
from consentry.v1 import authorization_pb2

FIRST_PAUSE_S: Final = 0.05
LAST_PAUSE_S: Final = 2.0
ASKED: Final = authorization_pb2.WatchRequest().SerializeToString()


def pause_s(failures: int) -> float:
    """How long to wait before the Watch is asked for again; callers do not come back at once."""
    longest = min(LAST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(failures, 10))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311  # spreads load, hides nothing


class Follower:
    """Follows from now until `close`; whatever ends the Watch, the cache forgets everything."""

    def __init__(
        self, watch: Callable[..., Any], cache: DecisionCache, metrics: ClientMetrics
    ) -> None:
        self._watch: Final = watch
        self._cache: Final = cache
        self._metrics: Final = metrics
        self._is_closed: Final = threading.Event()
        # Guards `_call` against a close that comes while the call is being made.
        self._lock: Final = threading.Lock()
        self._call: Any = None
        self._thread: Final = threading.Thread(
            target=self._run, name="consentry-watch", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Follow no more; back when the thread has ended."""
        self._is_closed.set()
        with self._lock:
            if self._call is not None:
                self._call.cancel()
        self._thread.join(5.0)

    def _run(self) -> None:
        failures = 0
        while not self._is_closed.is_set():
            try:
                with self._lock:
                    if self._is_closed.is_set():
                        return
                    self._call = self._watch(ASKED)
                for index, raw in enumerate(self._call):
                    if index == 0:
                        failures = 0
                        self._metrics.followed("connected")
                    self._cache.apply(authorization_pb2.WatchResponse.FromString(raw))
            except (grpc.RpcError, DecodeError, ValueError):  # ValueError: a closed channel
                pass
            finally:
                self._cache.lose()
                if self._call is not None:
                    self._call.cancel()
            self._is_closed.wait(pause_s(failures))
            failures += 1
