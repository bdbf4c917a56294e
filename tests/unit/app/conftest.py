"""The command line in this process: same words, same status, same output, a tenth of the time."""

from __future__ import annotations

import io
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from consentry.app.main import run


@pytest.fixture
def consentry(
    project_root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs one command line in the project's folder and gives status and output."""
    monkeypatch.chdir(project_root)

    def run_here(*words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        capsys.readouterr()
        try:
            status = run(list(words))
        except SystemExit as left:
            status = left.code if isinstance(left.code, int) else 1
        captured = capsys.readouterr()
        return subprocess.CompletedProcess(list(words), status, captured.out, captured.err)

    return run_here


@pytest.fixture
def policies(tmp_path: Path, project_root: Path) -> Path:
    """A copy of the shop's policies that a test may change."""
    return Path(shutil.copytree(project_root / "policies", tmp_path / "policies"))
