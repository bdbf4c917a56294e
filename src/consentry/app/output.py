"""Writing to people and to programs: plain text, colour on a terminal only, JSON.

Colour honours NO_COLOR (https://no-color.org) and is never written to a file or a pipe.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass
from typing import Final, TextIO

_STYLES: Final = {"red": "31", "green": "32", "yellow": "33", "cyan": "36", "bold": "1", "dim": "2"}


@dataclass(frozen=True, slots=True)
class Console:
    """A stream with or without colour."""

    stream: TextIO
    has_colour: bool

    def line(self, text: str = "") -> None:
        """Writes one line and flushes it, so that a reader of a pipe sees it in time."""
        self.stream.write(text + "\n")
        self.stream.flush()

    def styled(self, text: str, style: str) -> str:
        """`text` in a style by name, or as it is where there is no colour."""
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if self.has_colour else text

    def json(self, value: object) -> None:
        """One JSON value, indented, in UTF-8, on lines of its own."""
        self.line(json.dumps(value, indent=2, ensure_ascii=False))


def console(stream: TextIO) -> Console:
    """A console that colours only where a person looks."""
    is_plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    return Console(stream, has_colour=stream.isatty() and not is_plain)


def out() -> Console:
    """Standard output: what was asked for."""
    return console(sys.stdout)


def err() -> Console:
    """Standard error: what went wrong."""
    return console(sys.stderr)


class ProgressBar:
    """How far long work has come: one line that is drawn over, on a terminal only."""

    _WIDTH: Final = 30
    _PERIOD_S: Final = 0.1

    def __init__(self, what: str, stream: TextIO | None = None) -> None:
        self._what = what
        self._stream = sys.stderr if stream is None else stream
        self._is_drawn = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        self._begun_s = time.monotonic()
        self._drawn_s = 0.0

    def __call__(self, done: int, total: int) -> None:
        """Draws, at most ten times a second."""
        now_s = time.monotonic()
        if not self._is_drawn or (now_s - self._drawn_s < self._PERIOD_S and done < total):
            return
        self._drawn_s = now_s
        share = min(1.0, done / total) if total else 1.0
        bar = ("#" * round(share * self._WIDTH)).ljust(self._WIDTH, ".")
        left_s = (now_s - self._begun_s) * (1 - share) / share if share else 0.0
        text = f"{self._what} [{bar}] {share:4.0%}  {done:,} of {total:,}, {left_s:.0f} s left"
        self._stream.write(f"\r{text:<100}")
        self._stream.flush()

    def close(self) -> None:
        """Takes the line away."""
        if self._is_drawn and self._drawn_s:
            self._stream.write("\r" + " " * 100 + "\r")
            self._stream.flush()


def counted(number: int, singular: str, plural: str = "") -> str:
    """`1 error`, `2 errors`."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"
