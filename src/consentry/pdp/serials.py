"""The highest serial of a bundle that was ever active here: the memory behind rollback protection.

Kept in the state folder, durable before the bundle with that serial counts. Workers of one sidecar
share it. A record that cannot be read refuses every bundle: losing it must be an operator's act.

Beside it may stand the last bundle that was active, for a start while its server is away. Whoever
reads it verifies it anew.
"""

from __future__ import annotations

import json
import operator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from consentry.pdp.archive import alone_in, write_new_file
from consentry.pdp.bundle import BundleError
from consentry.telemetry.durable import sync_folder

_FILE: Final = "highest.json"
_LAST: Final = "last.bundle"


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

    def find_last(self) -> bytes | None:
        """The last bundle that was kept, unverified; None if there is none to be read."""
        try:
            return (self._folder / _LAST).read_bytes()
        except OSError:
            return None

    def raise_to(self, serial: HighestSerial, last: bytes | None = None) -> HighestSerial | None:
        """Keeps `serial` if it is the highest, durably; gives what was the highest before.

        With `last` these bytes are kept, too, unless another bundle was the highest.

        Raises:
            BundleError: F557, the record cannot be read or written.
        """
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with alone_in(self._folder):
                former = self.read()
                if former is None or former.serial < serial.serial:
                    said = {"serial": serial.serial, "manifest_digest": serial.manifest_digest}
                    self._replace(_FILE, json.dumps(said).encode("ascii"))
                is_highest = former is None or former.serial < serial.serial or former == serial
                if last is not None and is_highest and self.find_last() != last:
                    self._replace(_LAST, last)
                return former
        except OSError as error:
            why = (error.strerror or "unknown error").lower()
            title = f"the bundle's serial cannot be kept: {why}"
            raise BundleError("F557", title) from error

    def _replace(self, name: str, content: bytes) -> None:
        new = self._folder / f"{name}.new"
        new.unlink(missing_ok=True)
        write_new_file(new, content)
        new.replace(self._folder / name)
        sync_folder(self._folder)
