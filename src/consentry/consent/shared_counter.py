"""The ledger's position in memory that several processes see: moved by one, compared by all.

INVARIANT: the writer moves it after the commit and before the acknowledgement. So whoever reads it
at the start of an answer knows of every event that was acknowledged before. It lies in an aligned
word of a shared page, which is read and written whole.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from typing import Final

_BYTES: Final = 8
_DAMAGED: Final = -1


class SharedCounter:
    """One word. `read` may be called by any thread of any process, the rest by the writer alone."""

    def __init__(self, descriptor: int) -> None:
        """Maps the file, which stays open for others to inherit."""
        self.descriptor: Final = descriptor
        self._memory: Final = mmap.mmap(descriptor, _BYTES)
        self._word: Final = memoryview(self._memory).cast("q")

    def read(self) -> int:
        """The position; below 0 once the ledger was found damaged."""
        return self._word[0]

    def move(self, position: int) -> None:
        """Show events up to `position`; what is damaged stays so."""
        if self._word[0] >= 0:
            self._word[0] = max(self._word[0], position)

    def mark_damaged(self) -> None:
        """Let nobody use what the ledger says."""
        self._word[0] = _DAMAGED

    def close(self) -> None:
        """Unmap and close; once."""
        self._word.release()
        self._memory.close()
        os.close(self.descriptor)


def new_counter() -> SharedCounter:
    """A counter at 0, in memory without a name."""
    with tempfile.TemporaryFile() as file:
        file.truncate(_BYTES)
        return SharedCounter(os.dup(file.fileno()))
