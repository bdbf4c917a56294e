"""The highest serial of a bundle that was ever active here: the memory behind rollback protection.

Kept in the state folder, durable before the bundle with that serial counts. Workers of one sidecar
share it. A record that cannot be read refuses every bundle: losing it must be an operator's act.
"""

from __future__ import annotations

import fcntl
import json
import operator
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from consentry.pdp.archive import make_durable, write_new_file
from consentry.pdp.bundle import BundleError

_FILE: Final = "highest.json"
_NEW: Final = "highest.new"


@dataclass(frozen=True, slots=True)
class HighestSerial:
    """A serial, and the digest of the manifest that had it."""

    serial: int
    manifest_digest: str


class SerialRecord:
    """The highest serial, in a folder; it only rises."""

    def __init__(self, folder: Path) -> None:
        self._folder: Final = folder

    def read(self) -> HighestSerial | None:
        """What was active with the highest serial; None if nothing ever was.

        Raises:
            BundleError: F557, the record cannot be read.
        """
        try:
            said = json.loads((self._folder / _FILE).read_bytes())
            return HighestSerial(operator.index(said["serial"]), str(said["manifest_digest"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            title = "the record of the highest serial cannot be read"
            raise BundleError("F557", title) from error

    def raise_to(self, serial: HighestSerial) -> HighestSerial | None:
        """Keeps `serial` if it is the highest, durably; gives what was the highest before.

        Raises:
            BundleError: F557, the record cannot be read or written.
        """
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._alone():
                former = self.read()
                if former is None or former.serial < serial.serial:
                    self._write(serial)
                return former
        except OSError as error:
            why = (error.strerror or "unknown error").lower()
            title = f"the bundle's serial cannot be kept: {why}"
            raise BundleError("F557", title) from error

    def _write(self, serial: HighestSerial) -> None:
        said = {"serial": serial.serial, "manifest_digest": serial.manifest_digest}
        new = self._folder / _NEW
        new.unlink(missing_ok=True)
        write_new_file(new, json.dumps(said).encode("ascii"))
        new.replace(self._folder / _FILE)
        make_durable(self._folder)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        fd = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)
