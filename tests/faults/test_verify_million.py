"""A ledger of any size is verified whole, in a time that an operator waits for."""

from __future__ import annotations

import io
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from consentry.app.output import ProgressBar
from consentry.consent.sqlite import SqliteLedger
from consentry.consent.sqlite_file import verify_file
from tests.support.consent_events import FakeClock, FakeIds, gave, withdrew


def fill(path: Path, count: int) -> None:
    ledger = SqliteLedger(path, clock=FakeClock(), ids=FakeIds(), reserve_bytes=0)
    for start in range(0, count, 1_000):
        ledger.record(
            [
                (gave if number % 5 else withdrew)(
                    1, data_subject_id=f"person-{number % 50_000}", idempotency_key=f"k{number}"
                )
                for number in range(start, min(count, start + 1_000))
            ]
        )
    ledger.close()


def test_ten_thousand_events_are_verified_with_progress_to_the_end(
    tmp_path: Path, figure: Callable[[str, object], None]
) -> None:
    path = tmp_path / "ledger.db"
    fill(path, 10_000)
    told: list[tuple[int, int]] = []
    begun_s = time.process_time()

    checked = verify_file(path, None, lambda done, total: told.append((done, total)))

    figure(
        "ledger: CPU of verifying 10,000 events, ms",
        round((time.process_time() - begun_s) * 1_000),
    )
    assert checked.head.position == 10_000
    assert told == sorted(told)
    assert told[-1] == (10_000, 10_000)


@pytest.mark.slow
def test_a_million_events_are_verified(
    tmp_path: Path, figure: Callable[[str, object], None]
) -> None:
    path = tmp_path / "ledger.db"
    fill(path, 1_000_000)
    command = [sys.executable, "-m", "consentry.app", "ledger", "verify", "--json"]

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    told = subprocess.check_output([*command, "--ledger", path], text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)

    report = json.loads(told)
    assert (report["holds"], report["position"]) == (True, 1_000_000)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    figure("ledger: verifying 1,000,000 events, s (goal: 30)", report["took_s"])
    figure("ledger: verifying 1,000,000 events, s of CPU", round(cpu_s, 1))


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        return True


def test_progress_is_drawn_over_one_line_of_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    bar = ProgressBar("verifying", stream)

    bar(5, 10)
    bar(10, 10)
    bar.close()

    lines = stream.getvalue().split("\r")
    assert "\n" not in stream.getvalue()
    assert "100%  10 of 10" in stream.getvalue()
    assert lines[-1] == ""


def test_progress_is_not_written_to_files() -> None:
    stream = io.StringIO()
    bar = ProgressBar("verifying", stream)

    bar(5, 10)
    bar.close()

    assert stream.getvalue() == ""
