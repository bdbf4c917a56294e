"""`init` writes a starter set that is right from the first moment, and overwrites nothing."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def started(consentry: Run, tmp_path: Path) -> Path:
    folder = tmp_path / "deep" / "policies"
    told = consentry("init", str(folder))
    assert (told.returncode, told.stderr) == (0, "")
    return folder


@pytest.mark.parametrize(
    "words",
    [
        ("check", "--strict", "--notes"),
        ("fmt", "--check"),
        ("test", "--min", "100"),
        ("prove", "--since", "2026-05-01"),
    ],
)
def test_starter_set_passes_at_once(consentry: Run, started: Path, words: tuple[str, ...]) -> None:
    told = consentry(*words, str(started))

    assert told.returncode == 0, told.stdout + told.stderr
    assert "warning" not in told.stdout


def test_folder_with_policies_is_left_alone(consentry: Run, started: Path) -> None:
    own = started / "rules.policy"
    own.write_text("# mine\n")
    for other in started.iterdir():
        if other != own:
            other.unlink()

    told = consentry("init", str(started))

    assert told.returncode == 2
    assert "holds policies already, such as rules.policy" in told.stderr
    assert [file.name for file in started.iterdir()] == ["rules.policy"]
    assert own.read_text() == "# mine\n"


def test_folder_with_other_files_is_fine(consentry: Run, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("ours\n")

    assert consentry("init", str(tmp_path)).returncode == 0
    assert (tmp_path / "README.md").read_text() == "ours\n"


def test_place_that_is_a_file_is_refused(consentry: Run, tmp_path: Path) -> None:
    (tmp_path / "policies").write_text("")

    told = consentry("init", str(tmp_path / "policies"))

    assert told.returncode == 2
    assert "cannot be written" in told.stderr
