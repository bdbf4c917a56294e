"""In which order policy sets were active, so that a statement tells what changed after a restart.

One line of JSON for each change, beside the archive of the sets themselves.
"""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import BinaryIO, Final

from consentry.pdp.archive import alone_in

log = logging.getLogger(__name__)

_FILE: Final = "succession.jsonl"
_MAX_LINES: Final = 10_000


class Succession:
    """The order, in a folder; several processes may note the same change."""

    def __init__(self, folder: Path) -> None:
        self._folder: Final = folder

    def note(self, digest: str, now_us: int) -> None:
        """This set is active now. What cannot be written is logged, and decides nothing."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with alone_in(self._folder):
                known = self._read()
                if known and known[-1] == digest:
                    return
                with (self._folder / _FILE).open("ab+") as file:
                    line = json.dumps({"digest": digest, "at_us": now_us})
                    # After half a line, where power was lost, this one would be lost as well.
                    begin = b"" if _is_whole(file) else b"\n"
                    file.write(begin + line.encode("ascii") + b"\n")
                    file.flush()
                    os.fsync(file.fileno())
        except OSError as problem:
            log.warning("policy_succession_not_kept", extra={"error_number": problem.errno})

    def before(self, digest: str) -> str | None:
        """The set that was active before this one became so last; None where none is known."""
        try:
            known = self._read()
        except OSError:
            return None
        if digest in known:
            known = known[: len(known) - known[::-1].index(digest) - 1]
        return next((other for other in reversed(known) if other != digest), None)

    def _read(self) -> list[str]:
        try:
            lines = (self._folder / _FILE).read_bytes().splitlines()[-_MAX_LINES:]
        except FileNotFoundError:
            return []
        digests = []
        for line in lines:
            try:
                digests.append(str(json.loads(line)["digest"]))
            except (ValueError, KeyError, TypeError):  # half a line, where power was lost
                continue
        return digests


def _is_whole(file: BinaryIO) -> bool:
    """Whether the last line of a file is whole."""
    if file.seek(0, os.SEEK_END) == 0:
        return True
    file.seek(-1, os.SEEK_END)
    return file.read(1) == b"\n"
