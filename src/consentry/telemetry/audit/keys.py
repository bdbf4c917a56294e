"""Keys that give persons a name in the decision log, each with a life and an end.

A record names the key that it was written with. A new key is begun once in a while, so that a key
can be deleted together with the records it covers: then nobody, ourselves included, can find a
person in a copy of those records any more.

A key is a file `<name>.key` of mode 0600 that appears whole or not at all. Its name is the moment
from which it counts, so that all processes of one sidecar begin the same key at the same time and
no lock is needed.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import secrets
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from consentry.model.values import MICROS_PER_DAY, MICROS_PER_SECOND, datetime_of, time_us
from consentry.telemetry.durable import sync_folder

KEY_BYTES: Final = 32
HASH_BYTES: Final = 16
_NAME: Final = re.compile(r"\d{8}T\d{6}Z\Z")
_SUFFIX: Final = ".key"
# No process writes with a key for this long after the next one has begun.
_LINGER_US: Final = 3_600 * MICROS_PER_SECOND


class AuditKeyError(ValueError):
    """A key of the decision log is damaged."""


@dataclass(frozen=True, slots=True)
class AuditKey:
    """One key; `name` is the moment from which it counts, in UTC to the second."""

    name: str
    secret: bytes = field(repr=False)

    def name_of(self, data_subject_id: str) -> str:
        """The name of a person in records of this key: hex; empty for no person."""
        return self.digest(data_subject_id.encode("utf-8", "surrogatepass"))

    def digest(self, raw: bytes) -> str:
        """A keyed digest in hex; empty for nothing."""
        if not raw:
            return ""
        return hashlib.blake2b(raw, key=self.secret, digest_size=HASH_BYTES).hexdigest()


class KeyRing:
    """The keys in a folder. Any number of processes may use it at once; a thread at a time."""

    def __init__(self, folder: Path, *, life_days: float = 30.0) -> None:
        self._folder: Final = folder
        self._life_us: Final = max(1, int(life_days * MICROS_PER_DAY))
        self._newest: AuditKey | None = None
        self._looked_us = self._look_again_us = 0

    def current(self, now_us: int) -> AuditKey:
        """The key to write with now; begun if the one before has had its time.

        Raises:
            OSError: it can be neither read nor made.
            AuditKeyError: it is damaged.
        """
        newest = self._newest
        if newest is not None and self._looked_us <= now_us < self._look_again_us:
            return newest
        begin_us = now_us - now_us % self._life_us
        name = max((*self.names(), _name_at(begin_us)))
        if newest is None or newest.name != name:
            newest = self._newest = self.find(name) or self._make(name)
        self._looked_us = now_us
        # What another process began before its time is seen within a second.
        self._look_again_us = min(now_us + MICROS_PER_SECOND, begin_us + self._life_us)
        return newest

    def begin(self, now_us: int) -> AuditKey:
        """A new key from now on, whatever is left of the life of the one before.

        Raises:
            OSError, AuditKeyError: as `current`.
        """
        name = _name_at(now_us)
        self._newest = None
        return self.find(name) or self._make(name)

    def names(self) -> tuple[str, ...]:
        """Names of all living keys, the oldest first."""
        if not self._folder.is_dir():
            return ()
        names = (path.name.removesuffix(_SUFFIX) for path in self._folder.glob(f"*{_SUFFIX}"))
        return tuple(sorted(name for name in names if _NAME.match(name)))

    def living(self) -> tuple[AuditKey, ...]:
        """All keys, the oldest first.

        Raises:
            OSError, AuditKeyError: one of them cannot be read.
        """
        return tuple(key for name in self.names() if (key := self.find(name)) is not None)

    def find(self, name: str) -> AuditKey | None:
        """The key of this name, None where there is none.

        Raises:
            OSError: it cannot be read.
            AuditKeyError: it is damaged.
        """
        path = self._path(name)
        try:
            secret = bytes.fromhex(path.read_text(encoding="ascii").strip())
        except FileNotFoundError:
            return None
        except ValueError:
            raise AuditKeyError(f"key {name} of the decision log is not hex") from None
        if len(secret) != KEY_BYTES:
            raise AuditKeyError(f"key {name} of the decision log has not {KEY_BYTES} bytes")
        return AuditKey(name, secret)

    def delete(self, name: str) -> bool:
        """Forget a key for good; whether it was there. Its records name nobody from then on."""
        try:
            self._path(name).unlink()
        except FileNotFoundError:
            return False
        sync_folder(self._folder)
        return True

    def prune(self, used: Collection[str], now_us: int, *, keep_us: int = 0) -> tuple[str, ...]:
        """Forget keys that no record in `used` names any more; the names of those forgotten.

        The newest key stays, and so does one that was followed by another less than an hour and
        `keep_us` ago.
        """
        names = self.names()
        gone = [
            name
            for name, follower in itertools.pairwise(names)
            if name not in used and moment_of(follower) + _LINGER_US + keep_us <= now_us
        ]
        return tuple(name for name in gone if self.delete(name))

    def _path(self, name: str) -> Path:
        if not _NAME.match(name):
            raise AuditKeyError("not the name of a key")
        return self._folder / f"{name}{_SUFFIX}"

    def _make(self, name: str) -> AuditKey:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = self._folder / f".new-{os.getpid()}-{secrets.token_hex(4)}"
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(fd, "w", encoding="ascii") as file:
                file.write(secrets.token_bytes(KEY_BYTES).hex() + "\n")
                file.flush()
                os.fsync(file.fileno())
            # Whoever comes first names the key; the others take it.
            with suppress(FileExistsError):
                os.link(new, self._path(name))
        finally:
            new.unlink()
        sync_folder(self._folder)
        made = self.find(name)
        if made is None:
            raise AuditKeyError(f"key {name} went away while it was made")
        return made


def _name_at(at_us: int) -> str:
    second_us = at_us - at_us % MICROS_PER_SECOND
    return datetime_of(second_us).strftime("%Y%m%dT%H%M%SZ")


def moment_of(name: str) -> int:
    """The moment from which the key of this name counts, in microseconds since the epoch."""
    return time_us(datetime.strptime(f"{name}+0000", "%Y%m%dT%H%M%SZ%z"))
