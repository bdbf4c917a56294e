"""The benchmark's harness runs and asks for right answers; how fast they are is not tested."""

from __future__ import annotations

import contextlib
import io
import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from consentry.app.system import ProcessIds, SystemClock
from consentry.consent.sqlite import SqliteLedger
from tests.bench import (
    answer_cache,
    equal_work,
    goals,
    h2,
    peer_series,
    people,
    profile,
    publish,
    reload,
    start,
    unary,
)
from tests.bench.equal_work import Question
from tests.bench.h2 import LoadError
from tests.bench.measure import LEAST_ROUNDS, paired_rounds, within
from tests.bench.parts import PARTS
from tests.bench.peers import cerbos, install, python_peers
from tests.bench.peers.cerbos import CerbosWire
from tests.bench.peers.openfga import OpenFgaWire
from tests.bench.report import Progress
from tests.bench.wire import Caller

ROOT = Path(__file__).resolve().parents[2]


def silent(_text: str) -> None:
    """No progress."""


def test_unary_series_has_all_sides() -> None:
    series = unary.measure(rounds=1, calls=20, in_flight=2, say=silent)

    assert set(series.rounds) >= {"echo", "hit", "miss", "echo again"}
    assert all(value > 0 for values in series.rounds.values() for value in values)


@pytest.mark.parametrize("rule_count", [10, 100])
def test_shared_question_is_permitted_with_consent_and_denied_without(rule_count: int) -> None:
    with (
        python_peers.ours(Question(rule_count), 10) as permitted,
        python_peers.ours(Question(rule_count, has_consent=False), 10) as denied,
    ):
        assert permitted.is_permitted
        assert not denied.is_permitted
        assert permitted.us_per_decision() > 0


@pytest.mark.skipif(
    not h2.is_there(),
    reason="h2load is not installed (Debian package nghttp2-client); continuous integration has it",
)
def test_native_load_reaches_the_sidecar_and_checks_what_comes_back() -> None:
    with peer_series.ours(Question(10)) as side:
        result = h2.load(side.door, side.body, calls=50, streams=4, answer_bytes=side.answer_bytes)
        assert result.calls == 50
        assert 0 < result.p50_us <= result.p99_us

        with pytest.raises(LoadError):
            h2.load(side.door, side.body, calls=50, answer_bytes=100_000)


def test_a_wrong_answer_stops_the_comparison(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check before the timing detects an engine that permits without consent."""
    asked: Callable[..., object] = peer_series.consentry_request
    monkeypatch.setattr(
        peer_series,
        "consentry_request",
        lambda question, number=0: asked(Question(question.rule_count), number),
    )

    with pytest.raises(peer_series.WrongAnswerError), peer_series.ours(Question(10)):
        pass


def test_cerbos_answers_are_read_by_their_numbers_on_the_wire() -> None:
    wire = CerbosWire()
    allow = b"\x12\x0a\x12\x08\x0a\x04read\x10\x01"
    deny = b"\x12\x0a\x12\x08\x0a\x04read\x10\x02"

    assert wire.is_permitted(allow)
    assert not wire.is_permitted(deny)
    assert not wire.is_permitted(allow + deny)
    assert not wire.is_permitted(b"")


def test_openfga_answers_are_read_by_their_numbers_on_the_wire() -> None:
    wire = OpenFgaWire("store", "model")

    assert wire.is_permitted(b"\x08\x01")
    assert not wire.is_permitted(b"")
    assert b"category:c0" in wire.question(Question(10))


def test_rounds_end_with_the_time_that_was_given() -> None:
    told: list[str] = []
    with within(0):
        series = paired_rounds({"side": lambda: 1.0}, rounds=50, progress=told.append)

    assert len(series.rounds["side"]) == LEAST_ROUNDS
    assert len(paired_rounds({"side": lambda: 1.0}, rounds=5, progress=silent).rounds["side"]) == 5


def test_parts_share_fifteen_minutes_or_three() -> None:
    assert sum(part.whole_s for part in PARTS.values()) <= 14.5 * 60
    assert sum(part.quick_s for part in PARTS.values()) <= 3 * 60


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


def test_progress_is_one_line_on_a_terminal_and_ten_elsewhere() -> None:
    screen, file = Screen(), io.StringIO()
    for stream in (screen, file):
        progress = Progress(stream)
        progress.begin("a part", 0.0)
        for number in range(1_000):
            progress.say(f"round {number}")

    assert screen.getvalue().count("\n") == 1
    assert file.getvalue().count("\n") == 1 + Progress.LINES


def test_progress_in_a_file_is_spread_over_the_time_of_the_part() -> None:
    file = io.StringIO()
    progress = Progress(file)
    progress.begin("a part", 3_600.0)
    for number in range(1_000):
        progress.say(f"round {number}")

    assert file.getvalue() == "a part\n"


def _side(median: float) -> dict[str, object]:
    ratio = {"min": median / 2, "median": median, "max": median * 2}
    return {"us": median, "base_us": 1.0, "ratio": ratio, "rounds": 15}


def test_each_goal_is_held_against_its_figure() -> None:
    parts = {
        "unary": {"in_flight_1": {"sides": {"hit": _side(1.1), "miss": _side(1.54)}}},
        "ledger": {"batch_1": {"sides": {"ledger": _side(4.0)}}},
        "people": {"facts": {"people in the ledger": {"value": 1_000_000, "unit": "people"}}},
        "peers": {"open_loop": {"missing": "no npm"}},
    }

    found = {row.goal.at: row for row in goals.measured(parts) if row.goal.at}

    assert found["unary", "in_flight_1", "hit"].verdict == "yes"
    assert found["unary", "in_flight_1", "miss"].verdict == "no, 10 % above"
    assert found["ledger", "batch_1", "ledger"].verdict == "no, 50 % below"
    assert (
        found["ledger", "batch_1", "ledger"].shown
        == "0.25 (0.12 to 0.50); 1.00 / 4.00 us; 15 rounds"
    )
    assert found["people", "people in the ledger"].verdict == "yes"
    assert found["peers", "open_loop", "ours"].verdict == "not measured"
    assert found["peers", "open_loop", "ours"].shown == "no npm"
    assert found["stream", "hit"].verdict == "not measured"
    assert {at[0] for at in found} <= set(PARTS)


def test_a_peer_that_starts_too_slowly_is_left_out_and_says_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(install, "cerbos", lambda: Path("/nowhere"))

    with (
        within(10),
        pytest.raises(install.PeerMissingError, match=r"about 270 s .* --patient"),
        cerbos.running(10_000),
    ):
        pass


def test_large_shared_set_fits_into_files() -> None:
    files = equal_work.consentry_files(10_000)

    assert max(len(text) for text in files.values()) < 1024 * 1024
    assert sum(text.count("permit ") for text in files.values()) == 10_000


def test_changed_file_is_compiled_by_a_new_and_by_the_same_child() -> None:
    with reload.changed_file(10) as sides:
        assert all(side() > 0 for _ in range(2) for side in sides.values())


def test_people_fill_a_ledger_that_holds(tmp_path: Path) -> None:
    file, people_there = people.fill(tmp_path / "state", 30, silent)

    ledger = SqliteLedger(file, clock=SystemClock(), ids=ProcessIds())
    try:
        assert ledger.verify() == people_there == 30
        assert ledger.list_events(people.person(7), 0, 10)[0].idempotency_key == "bench-7"
    finally:
        ledger.close()
    assert people.verified_s(file) > 0

    with contextlib.closing(sqlite3.connect(file)) as broken, broken:
        for (trigger,) in broken.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall():
            broken.execute(f"DROP TRIGGER {trigger}")
        broken.execute("UPDATE event SET digest = zeroblob(32) WHERE position = 9")
    with pytest.raises(subprocess.CalledProcessError):
        people.verified_s(file)


def test_people_are_asked_about_who_were_not_read_before() -> None:
    found = people.measure(people=40, calls=5, rounds=1, say=silent)

    assert found["people in the ledger"].value == 40
    assert found["check, person not held"].value > 0


def test_answers_are_kept_by_the_sidecar_that_is_weighed() -> None:
    with peer_series.ours(Question(10)) as side:
        caller = Caller(side.door.address, side.door.pid)
        answer_cache.fill(caller, Question(10), 20, silent)
        with pytest.raises(ValueError, match="must be permitted"):
            answer_cache.fill(caller, Question(10, has_consent=False), 1, silent)
        caller.close()


def test_compiling_is_timed_for_each_size() -> None:
    found = start.measure_compiling(rule_counts=(10, 20), say=silent)

    assert {name.split()[-2] for name in found} == {"10", "20"}


def test_docs_show_what_the_kept_figures_give() -> None:
    told = json.loads((ROOT / publish.FIGURES).read_text())

    made = publish.pages(told)

    assert set(made) == {publish.PAGE, publish.BARS, publish.FLAMES}
    for name, text in made.items():
        assert (ROOT / name).read_text() == text, "run ./dev bench --draw docs/performance.json"


@pytest.mark.parametrize("name", [publish.BARS, publish.FLAMES])
def test_pictures_stand_alone_and_are_readable_in_the_dark(name: str) -> None:
    text = (ROOT / name).read_text()

    root = ET.fromstring(text)

    assert {"title", "desc", "style"} <= {element.tag.rpartition("}")[2] for element in root}
    assert "prefers-color-scheme: dark" in text
    assert "script" not in text
    assert "href" not in text


def test_profile_tells_every_microsecond_of_the_path() -> None:
    with profile.application("") as made:
        body = profile.consentry_request(profile.QUESTION).SerializeToString()
        looked = profile.drive(made.point.check_bytes, [body], 0.2)

    assert looked.us > 0
    assert sum(looked.by_work().values()) == pytest.approx(looked.us)
    assert all(stack[0] == "pdp.decision_point:check_bytes" for stack in looked.stacks)


@pytest.mark.parametrize(
    ("stack", "work"),
    [
        (("pdp.decision_point:check_bytes", "pdp.cache:find", "cachetools:get"), "answer cache"),
        (("pdp.decision_point:_make", "server.codec:encode_answer"), "write the answer"),
        (("pdp.decision_point:_make", "server.decode:x"), "decode and check the question"),
        (("pdp.decision_point:_make", "engine.evaluate:y", "model.tri:z"), "evaluate"),
        (("pdp.decision_point:check_bytes",), "decision point"),
    ],
)
def test_profile_names_the_work_of_a_stack(stack: tuple[str, ...], work: str) -> None:
    assert profile.work_of(stack) == work


def test_unknown_part_is_refused_with_the_parts_there_are() -> None:
    command = [sys.executable, "-m", "tests.bench", "--only", "unray"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "unary" in done.stderr


def test_a_start_is_measured_on_all_its_events_however_little_time_there_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A row of fewer events would stand beside the goal, and would not be the one of the goal."""
    filled: list[int] = []
    real = people.fill

    def fill(*asked: Any, **more: Any) -> tuple[Path, int]:
        path, count = real(*asked, **more)
        filled.append(count)
        return path, count

    monkeypatch.setattr(people, "fill", fill)
    with within(0):
        facts = start.measure_serving(rule_count=10, events=12_000, rounds=1, say=lambda _: None)

    assert filled == [12_000]
    assert list(facts) == ["start to SERVING, 10 rules, 12,000 events"]
