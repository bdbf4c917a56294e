"""What is generated and checked in is what its source gives now."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GENERATED = ROOT / "src" / "consentry" / "v1"


def run_dev(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "dev"), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_protocol_code_is_current() -> None:
    done = run_dev("gen", "--check")

    assert done.returncode == 0, done.stdout + done.stderr


def test_stale_protocol_code_is_noticed() -> None:
    file = GENERATED / "decision_pb2.py"
    kept = file.read_bytes()
    try:
        file.write_bytes(kept + b"# changed by hand\n")
        done = run_dev("gen", "--check")
    finally:
        file.write_bytes(kept)

    assert done.returncode == 1
    assert "decision_pb2.py" in done.stdout


def test_generated_pages_are_current() -> None:
    done = run_dev("docs", "--check")

    assert done.returncode == 0, done.stdout + done.stderr
