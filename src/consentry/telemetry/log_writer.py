"""Writes the log behind those who log, so that none of them ever waits for whoever reads it.

The log goes to a pipe as a rule, and a pipe that nobody empties stops the thread that writes into
it: a check, or the one that records a withdrawal. So lines wait in a bounded buffer for a thread of
their own; what finds it full is dropped, counted, and told once there is room again.

Lock: `_moved` guards the buffer; nothing is written while it is held.
"""

from __future__ import annotations

import json
import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Final, TextIO

from consentry.telemetry.audit.stream import ATOMIC_BYTES, pieces_of, write_all

CAPACITY: Final = 4_096
"""Lines that wait."""

_GROUP: Final = 256
_PATIENCE_S: Final = 2.0


class LogWriter(logging.Handler):
    """Formats in the thread that logs, which is all it does there. Never raises, never waits."""

    def __init__(self, stream: TextIO, *, capacity: int = CAPACITY) -> None:
        super().__init__()
        self._write: Final = _writer_to(stream)
        self._capacity: Final = capacity
        self._moved = threading.Condition()
        self._lines: deque[str] = deque()
        self._is_writing = False
        self._is_closed = False
        self._dropped_count = 0
        threading.Thread(target=self._run, name="log-writer", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Has the record's line written, or counts it as dropped."""
        try:
            line = self.format(record) + "\n"
        except Exception:  # noqa: BLE001  # a record that cannot be told is a lost one, no more
            line = ""
        with self._moved:
            if not line or len(self._lines) >= self._capacity:
                self._dropped_count += 1
            else:
                self._lines.append(line)
            self._moved.notify_all()

    def flush(self) -> None:
        """Waits until all is written, but briefly: nobody may be there to read it."""
        with self._moved:
            self._moved.wait_for(lambda: not self._lines and not self._is_writing, _PATIENCE_S)

    def close(self) -> None:
        """Lets the thread go once it has written what waits; what is logged later is lost."""
        with self._moved:
            self._is_closed = True
            self._moved.notify_all()
        super().close()

    def _run(self) -> None:
        while True:
            with self._moved:
                self._is_writing = False
                self._moved.notify_all()
                self._moved.wait_for(lambda: self._lines or self._is_closed)
                if not self._lines:
                    return
                self._is_writing = True
                group = [self._lines.popleft() for _ in range(min(_GROUP, len(self._lines)))]
                dropped, self._dropped_count = self._dropped_count, 0
            if dropped:
                group.append(_gap(dropped))
            try:
                self._write("".join(group))
            except OSError:  # nobody reads any more
                with self._moved:
                    self._dropped_count += dropped + len(group) - bool(dropped)


def _writer_to(stream: TextIO) -> Callable[[str], None]:
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):  # it is in memory

        def write_text(text: str) -> None:
            stream.write(text)

        return write_text

    def write_lines(text: str) -> None:
        # Not by the stream: its lock would be held while nobody reads, and the interpreter wants
        # that lock when it leaves. In pieces, because the decision log and other workers may write
        # to the same pipe.
        lines = text.encode("ascii", "backslashreplace").splitlines(keepends=True)
        for piece in pieces_of(lines, ATOMIC_BYTES):
            write_all(descriptor, b"".join(piece))

    return write_lines


def _gap(count: int) -> str:
    line = {"level": "warning", "event": "log_lines_dropped", "logger": __name__, "count": count}
    return json.dumps(line) + "\n"
