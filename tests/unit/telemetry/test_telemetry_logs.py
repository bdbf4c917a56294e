"""Claims about the life log: one line an event, nothing personal, nothing that breaks a line."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import threading
from collections.abc import Iterator
from typing import Any, TextIO

import pytest

from consentry.telemetry.log_writer import LogWriter
from consentry.telemetry.logs import JsonFormatter, configure_logging


class Written(io.StringIO):
    """What was logged, once all of it is written."""

    handler: logging.Handler

    def getvalue(self) -> str:
        self.handler.flush()
        return super().getvalue()


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = Written()
    stream.handler = configure_logging("info", stream)
    yield stream
    stream.handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)


def test_event_and_its_facts_are_one_line(lines: io.StringIO) -> None:
    logging.getLogger("consentry.pdp").info("policy_loaded", extra={"digest": "ab", "rules": 3})

    (line,) = lines.getvalue().splitlines()
    record = json.loads(line)
    assert record.pop("time").endswith("+00:00")
    assert record == {
        "level": "info",
        "event": "policy_loaded",
        "logger": "consentry.pdp",
        "digest": "ab",
        "rules": 3,
    }


@pytest.mark.parametrize("hostile", ["a\nb", "\x1b[31m", "\u2028", "\r\n{}", "\x00", "\ud800"])
def test_hostile_text_stays_inside_its_value(lines: io.StringIO, hostile: str) -> None:
    logging.getLogger("x").info("event", extra={"value": hostile})

    text = lines.getvalue()
    assert len(text.splitlines()) == 1
    assert text.isascii()
    assert text.rstrip("\n").isprintable()
    assert json.loads(text)["value"] == hostile


def test_exception_is_told_without_its_text(lines: io.StringIO) -> None:
    try:
        int("ada@example.org was born 1990-04-01")
    except ValueError:
        logging.getLogger("x").exception("evaluation_failed")

    record = json.loads(lines.getvalue())
    assert record["error"] == "ValueError"
    assert any("test_exception_is_told_without_its_text" in frame for frame in record["frames"])
    assert "ada" not in lines.getvalue()


def test_extra_cannot_overwrite_the_event(lines: io.StringIO) -> None:
    logging.getLogger("x").info("real", extra={"event": "forged", "level": "debug"})

    record = json.loads(lines.getvalue())
    assert (record["event"], record["level"]) == ("real", "info")


def test_below_the_level_nothing_is_written(lines: io.StringIO) -> None:
    logging.getLogger("x").debug("detail")

    assert lines.getvalue() == ""


@pytest.fixture
def full_pipe() -> Iterator[tuple[int, TextIO]]:
    """A pipe that takes no byte more: the end to read from, and a stream onto the other."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, b" " * 4_096 + b"\n")
    os.set_blocking(writing, True)
    with os.fdopen(writing, "w") as stream:
        yield reading, stream
    os.close(reading)


def test_nobody_waits_for_a_log_that_nobody_reads(full_pipe: tuple[int, TextIO]) -> None:
    reading, stream = full_pipe
    handler = LogWriter(stream, capacity=10)
    handler.setFormatter(JsonFormatter())

    def log_much() -> None:
        for number in range(100):
            handler.handle(logging.makeLogRecord({"msg": f"event_{number}"}))

    logging_thread = threading.Thread(target=log_much, daemon=True)
    logging_thread.start()
    logging_thread.join(10)
    is_stuck = logging_thread.is_alive()
    handler.close()
    told: list[dict[str, Any]] = []
    accounted = 0
    with os.fdopen(os.dup(reading)) as read:
        # No line is lost without being counted, or this never ends.
        while accounted < 100:
            if line := read.readline().strip():
                told.append(json.loads(line))
                accounted += told[-1].get("count", 1)

    assert not is_stuck
    assert accounted == 100
    assert told[0]["event"] == "event_0"


def test_a_log_whose_reader_is_gone_harms_nobody() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    stream = os.fdopen(writing, "w")
    handler = LogWriter(stream)
    handler.handle(logging.makeLogRecord({"msg": "event"}))
    handler.flush()
    handler.handle(logging.makeLogRecord({"msg": "another"}))
    handler.close()
    stream.close()
