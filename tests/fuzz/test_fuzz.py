"""What was once found, and good examples, are tried in each run; the fuzzer itself in long ones."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fuzz.seeds import seeds
from tests.fuzz.targets import TARGETS

CORPUS = Path(__file__).resolve().parent / "corpus"
SECONDS = 60


@pytest.mark.parametrize("name", TARGETS)
def test_known_inputs_hold(name: str) -> None:
    known = [file.read_bytes() for file in sorted((CORPUS / name).glob("*"))]
    for raw in (*known, *seeds(name)):
        TARGETS[name](raw)


@pytest.mark.slow
def test_fuzzer_finds_nothing(figure: Callable[[str, object], None], project_root: Path) -> None:
    command = [sys.executable, "dev", "fuzz", "--seconds", str(SECONDS)]
    done = subprocess.run(command, cwd=project_root, capture_output=True, text=True, check=False)
    for name, runs in re.findall(r"^(\w+): ([\d,]+) inputs", done.stdout, re.MULTILINE):
        figure(f"fuzz: {name}, inputs tried in {SECONDS} s, nothing found", runs)
    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr[-4_000:]
