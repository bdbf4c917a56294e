"""In which order policy sets were active, across restarts."""

from __future__ import annotations

from pathlib import Path

from consentry.pdp.succession import Succession

A, B, C, D = ("a" * 64, "b" * 64, "c" * 64, "d" * 64)


def test_the_set_before_is_known_after_a_restart(tmp_path: Path) -> None:
    for digest in (A, A, B):
        Succession(tmp_path / "policies").note(digest, 1)

    again = Succession(tmp_path / "policies")
    assert again.before(B) == A
    assert again.before(A) is None
    assert again.before(C) == B


def test_after_going_back_the_set_before_is_the_one_gone_back_from(tmp_path: Path) -> None:
    succession = Succession(tmp_path)
    for digest in (A, B, A):
        succession.note(digest, 1)

    assert succession.before(A) == B


def test_a_line_that_was_cut_off_hides_no_other(tmp_path: Path) -> None:
    succession = Succession(tmp_path)
    succession.note(A, 1)
    with (tmp_path / "succession.jsonl").open("ab") as file:
        file.write(b'{"digest": "bbbb')
    succession.note(C, 1)

    assert succession.before(C) == A
    assert succession.before(D) == C


def test_what_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "policies").write_text("a file where a folder should be")

    Succession(tmp_path / "policies").note(A, 1)

    assert Succession(tmp_path / "policies").before(A) is None
