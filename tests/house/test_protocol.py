"""The protocol is a clean buf module, and breaks nobody who was built with the last release."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.tools import ROOT, tool

# Written at each release: `buf build -o proto/released.binpb --exclude-source-info`.
RELEASED = ROOT / "proto" / "released.binpb"


def buf(folder: Path, cache: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"BUF_CACHE_DIR": str(cache)}
    return subprocess.run(
        [tool("buf"), *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    """A copy of the module that a test may change."""
    shutil.copytree(ROOT / "proto", tmp_path / "proto")
    shutil.copy(ROOT / "buf.yaml", tmp_path)
    return tmp_path


def test_protocol_passes_buf_lint(tmp_path: Path) -> None:
    done = buf(ROOT, tmp_path, "lint")

    assert done.returncode == 0, done.stdout


def test_protocol_breaks_nothing_since_the_last_release(tmp_path: Path) -> None:
    done = buf(ROOT, tmp_path, "breaking", "--against", str(RELEASED))

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("string purpose = 5;", "string purpose = 55;"),
        ("string purpose = 5;", "repeated string purpose = 5;"),
        ("string purpose = 5;", ""),
        ("rpc Check(CheckRequest) returns (CheckResponse);", ""),
    ],
    ids=["renumbered", "retyped", "removed", "method gone"],
)
def test_a_breaking_change_is_noticed(
    changed: Path, tmp_path: Path, was: str, becomes: str
) -> None:
    file = changed / "proto" / "consentry" / "v1" / "authorization.proto"
    assert was in file.read_text()
    file.write_text(file.read_text().replace(was, becomes))

    assert buf(changed, tmp_path / "cache", "breaking", "--against", str(RELEASED)).returncode != 0
