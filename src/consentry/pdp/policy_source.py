"""Where policy sets come from: a folder, or signed bundles, and what must hold before one is used.

INVARIANT: what was verified is what is compiled. A bundle is read into memory once; its signature,
its hashes and its texts are taken from those bytes, and nothing is read again.
"""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

from consentry.consent.signing import KeyFileError, SigningUnavailableError, read_jwk_set
from consentry.diagnostics.diagnostic import Diagnostic, Severity
from consentry.diagnostics.span import Source
from consentry.lang.translations import Translation
from consentry.pdp.bundle import (
    MAX_BUNDLE_BYTES,
    Bundle,
    BundleError,
    read_bundle,
    sha256_of,
    verify_bundle,
)
from consentry.pdp.folder import SUFFIX, look_at_folder, problem
from consentry.pdp.pace import at_once
from consentry.pdp.serials import HighestSerial, SerialRecord
from consentry.pdp.sources import read_policy_folder, read_text
from consentry.pdp.translations import read_translations, translations_of

log = logging.getLogger(__name__)

# What may be wrong with a server or the way to it, and says nothing about bundles.
_AWAY: Final = frozenset({"F555", "F556"})
_NOT_SIGNED: Final = "with trusted keys, only a signed bundle is taken"


class PolicySource(Protocol):
    """What the store, the watcher and the statements need to know of it."""

    def read(self) -> tuple[tuple[Source, ...], tuple[Diagnostic, ...]]:
        """The texts of one moment; with an error among the diagnostics they must not be used."""
        ...

    def look(self) -> object:
        """A value that is equal as long as nothing changed."""
        ...

    def admit(self, digest: str) -> tuple[Diagnostic, ...]:
        """Asked before what was read last becomes or stays active; an error refuses it."""
        ...

    def translations(self) -> tuple[Translation, ...]:
        """The translations that stand with the policies."""
        ...


class FolderSource:
    """A folder with policy files, which whoever writes to it is trusted for."""

    def __init__(self, folder: Path, *, step: Callable[[], None] = at_once) -> None:
        """`step` is called after each file that was read, so that it can give way to checks."""
        self._folder: Final = folder
        self._step: Final = step

    def read(self) -> tuple[tuple[Source, ...], tuple[Diagnostic, ...]]:
        """All policy files below the folder."""
        sources, problems = read_policy_folder(self._folder, self._step)
        if problems and self._folder.is_file():
            advice = "a bundle needs to know whom to trust: policies.trusted_keys"
            return (), (problem("F501", f"`{self._folder.name}` is not a folder", advice=advice),)
        return sources, problems

    def look(self) -> object:
        """Names, identities, sizes and times."""
        return look_at_folder(self._folder)

    def admit(self, digest: str) -> tuple[Diagnostic, ...]:  # noqa: ARG002 (a port)
        """Any set of the folder."""
        return ()

    def translations(self) -> tuple[Translation, ...]:
        """As they stand in the folder now."""
        return read_translations(self._folder)[0]


class BundleBytes(Protocol):
    """Where the bytes of a bundle come from."""

    def fetch(self) -> bytes:
        """The bytes as they are now.

        Raises:
            BundleError: they cannot be had.
        """
        ...

    def look(self) -> object:
        """A value that is equal as long as they are the same; never raises."""
        ...


class BundleFile:
    """A bundle on a disk."""

    def __init__(self, path: Path, *, max_bytes: int = MAX_BUNDLE_BYTES) -> None:
        self._path: Final = path
        self._max_bytes: Final = max_bytes

    def fetch(self) -> bytes:
        """The file, read once; a pipe is not waited for."""
        name = self._path.name
        try:
            # Opening must not wait for the writer of a pipe.
            fd = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                mode = os.fstat(fd).st_mode
                if stat.S_ISDIR(mode):
                    raise BundleError("F546", f"`{name}` is a folder: {_NOT_SIGNED}")
                if not stat.S_ISREG(mode):
                    raise BundleError("F546", f"the bundle `{name}` is not a plain file")
                with os.fdopen(fd, "rb", closefd=False) as file:
                    return file.read(self._max_bytes + 1)
            finally:
                os.close(fd)
        except OSError as error:
            why = (error.strerror or "unknown error").lower()
            raise BundleError("F546", f"the bundle `{name}` cannot be read: {why}") from error

    def look(self) -> object:
        """Identity, size and times."""
        return _status_of(self._path)


@dataclass(frozen=True, slots=True)
class _Held:
    bundle: Bundle
    key_id: str


class BundleSource:
    """Bundles that one of the trusted keys signed, never older than one that was active.

    Used by the store under its load lock; `look` and `translations` from any thread.
    """

    def __init__(
        self,
        origin: BundleBytes,
        *,
        trusted_keys: Path,
        packs: Mapping[str, Source],
        record: SerialRecord,
        rollback_to_serial: int | None = None,
        max_bytes: int = MAX_BUNDLE_BYTES,
        keeps_last: bool = False,
    ) -> None:
        """With `keeps_last` the last active bundle is kept for a start without its server."""
        self._origin: Final = origin
        self._trusted_keys: Final = trusted_keys
        self._packs: Final = packs
        self._record: Final = record
        self._rollback_to_serial: Final = rollback_to_serial
        self._max_bytes: Final = max_bytes
        self._keeps_last: Final = keeps_last
        self._read: _Held | None = None
        self._active: _Held | None = None

    def read(self) -> tuple[tuple[Source, ...], tuple[Diagnostic, ...]]:
        """The texts of a bundle that is signed, whole, not too old, and fits these packs."""
        self._read = None
        doubts: tuple[Diagnostic, ...] = ()
        try:
            try:
                held = self._judged(self._origin.fetch())
            except BundleError as error:
                held, doubts = self._last_instead(error)
        except BundleError as error:
            return (), (error.told(),)
        except KeyFileError:
            title = f"the trusted keys `{self._trusted_keys.name}` cannot be read"
            return (), (problem("F550", title),)
        except SigningUnavailableError as error:
            return (), (problem("F550", str(error)),)
        files = held.bundle.texts.items()
        texts = [read_text(name, raw) for name, raw in files if name.endswith(SUFFIX)]
        self._read = held
        sources = tuple(text for text in texts if isinstance(text, Source))
        return sources, (*doubts, *(text for text in texts if isinstance(text, Diagnostic)))

    def _judged(self, raw: bytes) -> _Held:
        bundle = read_bundle(raw, max_bytes=self._max_bytes)
        key_id = verify_bundle(bundle, read_jwk_set(self._trusted_keys))
        self._refuse_older(bundle, self._record.read())
        self._refuse_other_packs(bundle)
        return _Held(bundle, key_id)

    def _last_instead(self, error: BundleError) -> tuple[_Held, tuple[Diagnostic, ...]]:
        """At a start without the server, what was active last; judged like any other bundle."""
        may_be_used = self._keeps_last and self._active is None and error.code in _AWAY
        last = self._record.find_last() if may_be_used else None
        if last is None:
            raise error
        held = self._judged(last)
        log.warning("last_bundle_used", extra={"code": error.code, "title": error.title})
        found = problem("F558", f"the bundle that was active last is used: {error.title}")
        return held, (replace(found, severity=Severity.WARNING),)

    def look(self) -> object:
        """What the origin sees, and the file with the keys: a new key may mend a refusal."""
        return self._origin.look(), _status_of(self._trusted_keys)

    def admit(self, digest: str) -> tuple[Diagnostic, ...]:
        """Keeps the serial before it counts; refuses texts that are not those of the digest."""
        held = self._read
        if held is None:
            return ()
        manifest = held.bundle.manifest
        if digest != manifest.policy_digest:
            advice = "build the bundle again with this release"
            title = "the bundle's texts do not give the digest that it names"
            return (problem("F554", title, advice=advice),)
        try:
            serial = HighestSerial(manifest.serial, manifest.digest)
            last = held.bundle.raw() if self._keeps_last else None
            self._refuse_older(held.bundle, self._record.raise_to(serial, last))
        except BundleError as error:
            return (error.told(),)
        if self._active is None or self._active.bundle.manifest != manifest:
            facts = {"serial": manifest.serial, "digest": digest, "key_id": held.key_id}
            log.info("bundle_admitted", extra=facts)
        self._active = held
        return ()

    def translations(self) -> tuple[Translation, ...]:
        """Those of the bundle that is active."""
        active = self._active
        return () if active is None else translations_of(active.bundle.texts)

    def _refuse_older(self, bundle: Bundle, highest: HighestSerial | None) -> None:
        serial = bundle.manifest.serial
        if highest is None or serial > highest.serial:
            return
        if serial == highest.serial:
            if bundle.manifest.digest != highest.manifest_digest:
                advice = "give every bundle a serial of its own"
                title = f"another bundle with the serial {serial} was active"
                raise BundleError("F552", title, advice)
            return
        facts = {"serial": serial, "highest_serial": highest.serial}
        if serial == self._rollback_to_serial:
            log.warning("bundle_rollback_allowed", extra=facts)
            return
        advice = "build the older policies again with a higher serial"
        title = f"the bundle's serial {serial} is below {highest.serial}, which was active"
        raise BundleError("F551", title, advice)

    def _refuse_other_packs(self, bundle: Bundle) -> None:
        for name, pinned in bundle.manifest.packs.items():
            pack = self._packs.get(name)
            if pack is None or sha256_of(pack.text.encode()) != pinned:
                has = "another text of" if pack is not None else "no"
                advice = "build the bundle again with this release, and look at what changes"
                raise BundleError("F553", f"this release has {has} the pack `{name}`", advice)


def _status_of(path: Path) -> object:
    try:
        status = os.stat(path)  # noqa: PTH116 - as in pdp.folder
    except OSError as error:
        return error.errno
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
