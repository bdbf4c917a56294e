"""The log of the sidecar's own life: one line of JSON for each event, on a stream.

Events are lower-case snake names (`policy_loaded`), facts stand in `extra`. Answers are not logged
here (audit.py), and neither is anything about a person. An exception is told by its type and the
places it passed, never by its text, which may repeat what a caller sent. All but ASCII is escaped,
so that nothing in a value can start a line or colour a terminal.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from typing import Final, TextIO

from consentry.model.values import datetime_of
from consentry.telemetry.log_writer import LogWriter

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_MAX_FRAMES: Final = 20


class JsonFormatter(logging.Formatter):
    """A log record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        line: dict[str, object] = {
            "time": datetime_of(int(record.created * 1_000_000)).isoformat(timespec="microseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            "logger": record.name,
        }
        for key, value in vars(record).items():
            if key not in _STANDARD and key not in line:
                line[key] = value if isinstance(value, str | int | float | bool) else str(value)
        if record.exc_info and record.exc_info[0] is not None:
            kind, _, trace = record.exc_info
            line["error"] = kind.__qualname__
            line["frames"] = [
                f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}"
                for frame in traceback.extract_tb(trace)[-_MAX_FRAMES:]
            ]
        return json.dumps(line, ensure_ascii=True)


def configure_logging(level: str = "INFO", stream: TextIO | None = None) -> logging.Handler:
    """Send every log record of `level` and above to `stream` (default: stderr) as JSON lines.

    Lines are written by a thread of their own (`log_writer`). Replaces the root logger's handlers;
    returns the new one, so that a test can take it off.
    """
    handler = LogWriter(stream if stream is not None else sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    return handler
