"""The benchmark's harness runs and asks for right answers; how fast they are is not tested."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bench import h2, peer_series, unary
from tests.bench.equal_work import Question
from tests.bench.h2 import LoadError
from tests.bench.peers import python_peers
from tests.bench.peers.cerbos import CerbosWire

ROOT = Path(__file__).resolve().parents[2]


def silent(_text: str) -> None:
    """No progress."""


def test_unary_series_has_all_sides() -> None:
    series = unary.measure(rounds=1, calls=20, in_flight=2, say=silent)

    assert set(series.rounds) == {"echo", "hit", "miss", "echo again"}
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


def test_unknown_part_is_refused_with_the_parts_there_are() -> None:
    command = [sys.executable, "-m", "tests.bench", "--only", "unray"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "unary" in done.stderr
