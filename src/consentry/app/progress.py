"""A bar for long work, on a terminal only: a file or a pipe is told the result and nothing else."""

from __future__ import annotations

import time
from typing import Final

from consentry.app.output import Console

_WIDTH: Final = 30
_SHOWN_AFTER_S: Final = 0.5
_EVERY_S: Final = 0.1


class Progress:
    """Told how much of how much is done; erases itself in the end. Used by one thread."""

    def __init__(self, console: Console, what: str) -> None:
        self._console = console
        self._what = what
        self._is_shown = False
        self._next_at = time.monotonic() + _SHOWN_AFTER_S

    def __call__(self, done: int, total: int) -> None:
        """Draws the bar anew, a few times a second at most."""
        now = time.monotonic()
        if not self._console.stream.isatty() or now < self._next_at:
            return
        self._next_at = now + _EVERY_S
        self._is_shown = True
        filled = min(_WIDTH, _WIDTH * done // max(total, 1))
        bar = "#" * filled + "." * (_WIDTH - filled)
        self._console.stream.write(f"\r[{bar}] {done:,} of {total:,} {self._what}")
        self._console.stream.flush()

    def close(self) -> None:
        """Erases the bar."""
        if self._is_shown:
            self._console.stream.write("\r\x1b[2K")
            self._console.stream.flush()
