"""Claims about the life log: one line an event, nothing personal, nothing that breaks a line."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from consentry.telemetry.logs import configure_logging


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure_logging("info", stream)
    yield stream
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
