"""The public keys of whoever issues tokens: a JWK Set from a file or a URL, followed as it changes.

Only a thread of its own fetches; whoever verifies a token takes what is there. Keys that could not
be confirmed for too long are not used any more: without keys no token proves anything.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from consentry.pdp.url_file import UrlError

if TYPE_CHECKING:  # an extra: not there for everybody
    from jwt import PyJWK

log = logging.getLogger(__name__)

MAX_JWKS_BYTES: Final = 256 * 1024
MAX_KEYS: Final = 64
_AGAIN_S: Final = 5.0


class KeySetError(ValueError):
    """A JWK Set cannot be had or used; one sentence of ours."""


Fetch = Callable[[], bytes]
"""The JWK Set as it is now; raises OSError or UrlError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySet:
    """Keys by key id; one without an id stands under "". `raw` is what they were read from."""

    raw: bytes = b""
    keys: Mapping[str, PyJWK] = field(default_factory=lambda: MappingProxyType({}))

    def find(self, key_id: str | None) -> PyJWK | None:
        """The key with this id; without an id the only key of the set."""
        if key_id:
            return self.keys.get(key_id)
        return next(iter(self.keys.values())) if len(self.keys) == 1 else None


def read_keys(raw: bytes) -> KeySet:
    """The keys in a JWK Set that may verify signatures; secrets and others are left out.

    Raises:
        KeySetError: it is no JWK Set, or holds no usable key.
    """
    from jwt import PyJWK, PyJWTError  # noqa: PLC0415 (an extra)

    try:
        told = json.loads(raw)
        entries = told["keys"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise KeySetError("no JWK Set") from None
    if not isinstance(entries, list) or len(entries) > MAX_KEYS:
        raise KeySetError(f"a JWK Set holds a list of at most {MAX_KEYS} keys")
    keys: dict[str, PyJWK] = {}
    for entry in entries:
        if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
            continue
        if entry.get("kty") not in ("RSA", "EC", "OKP"):
            continue
        try:
            key = PyJWK(entry)
        except (PyJWTError, ValueError, TypeError, KeyError):
            continue  # a kind of key that is not known here harms no other
        name = str(entry.get("kid") or "")
        if name in keys:
            raise KeySetError("two keys have the same id")
        keys[name] = key
    if not keys:
        raise KeySetError("no key that could verify a signature")
    return KeySet(raw=raw, keys=MappingProxyType(keys))


class FollowedKeys:
    """The keys of one issuer. `current` from any thread; `start` and `close` from one.

    `_lock` guards the keys and when they were last confirmed; nothing is fetched while it is held.
    """

    def __init__(
        self,
        fetch: Fetch,
        *,
        name: str,
        monotonic_s: Callable[[], float],
        interval_s: float,
        max_age_s: float,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        """Fetches nothing yet. `name` stands in logs; `on_change` is called where keys changed."""
        self._fetch: Final = fetch
        self._name: Final = name
        self._monotonic_s: Final = monotonic_s
        self._interval_s: Final = interval_s
        self._max_age_s: Final = max_age_s
        self.on_change = on_change
        self._lock: Final = threading.Lock()
        self._keys = KeySet()
        self._confirmed_s = -float("inf")
        self._asked_s = -float("inf")
        self._is_wanted: Final = threading.Event()
        self._is_closed = False
        self._is_failing = False
        self._thread: threading.Thread | None = None

    def current(self) -> KeySet:
        """The keys that count now; none where they were last confirmed too long ago."""
        with self._lock:
            return self._keys if self.are_fresh() else KeySet()

    def are_fresh(self) -> bool:
        """Whether the keys were confirmed lately enough to prove anything."""
        return self._monotonic_s() - self._confirmed_s <= self._max_age_s

    def want_newer(self) -> None:
        """A token named a key that is not there: look again soon, but not again and again."""
        with self._lock:
            if self._monotonic_s() - self._asked_s < _AGAIN_S:
                return
        self._is_wanted.set()

    def refresh(self) -> None:
        """Fetches the keys now.

        Raises:
            KeySetError: they cannot be had or used; those from before stay.
        """
        with self._lock:
            self._asked_s = self._monotonic_s()
        try:
            raw = self._fetch()
        except UrlError as problem:
            raise KeySetError(problem.title) from problem
        except OSError as problem:
            raise KeySetError(problem.strerror or "cannot be read") from problem
        if len(raw) > MAX_JWKS_BYTES:
            raise KeySetError(f"larger than {MAX_JWKS_BYTES:,} bytes")
        keys = self._keys if raw == self._keys.raw else read_keys(raw)
        with self._lock:
            is_new, self._keys = keys is not self._keys, keys
            self._confirmed_s = self._monotonic_s()
        if is_new:
            log.info("token_keys_loaded", extra={"issuer": self._name, "count": len(keys.keys)})
            self.on_change()

    def start(self) -> None:
        """Follow, in a thread of its own, until `close`."""
        self._thread = threading.Thread(target=self._run, name="consentry-keys", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Follow no more."""
        self._is_closed = True
        self._is_wanted.set()
        if self._thread is not None:
            self._thread.join(5.0)

    def _run(self) -> None:
        while not self._is_closed:
            self.try_refresh()
            self._is_wanted.wait(_AGAIN_S if self._is_failing else self._interval_s)
            self._is_wanted.clear()

    def try_refresh(self) -> None:
        """As `refresh`; what is wrong is logged, once."""
        try:
            self.refresh()
        except KeySetError as problem:
            if not self._is_failing:
                extra = {"issuer": self._name, "why": str(problem)}
                log.error("token_keys_unusable", extra=extra)  # noqa: TRY400 (a sentence of ours)
            self._is_failing = True
        else:
            self._is_failing = False
