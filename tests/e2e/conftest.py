"""The installed command, and sidecars that are real processes with a folder of their own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

WAIT_S = 30.0


def clean_environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith("CONSENTRY_")}


@pytest.fixture
def environment() -> dict[str, str]:
    """The environment without settings of this machine."""
    return clean_environment()


@pytest.fixture(scope="session")
def command() -> str:
    """The installed `consentry`, beside the Python that runs the tests."""
    beside = Path(sys.executable).with_name("consentry")
    found = str(beside) if beside.exists() else shutil.which("consentry")
    assert found is not None, "consentry is not installed"
    return found


Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def consentry(command: str, project_root: Path) -> Run:
    """Runs one command line in the project's folder and gives status and output."""

    def run(*words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [command, *words],
            input=stdin,
            capture_output=True,
            text=True,
            cwd=project_root,
            env=clean_environment(),
            timeout=120,
            check=False,
        )

    return run


class Sidecar:
    """`consentry serve` as a process; ended with the test whatever happens."""

    def __init__(self, command: str, folder: Path, policies: Path, *flags: str) -> None:
        self.folder = folder
        self.policies = policies
        words = [command, "serve", "--policies", str(policies), "--state", str(folder / "state")]
        words += ["--listen", "127.0.0.1:0", "--health", "none", "--http", "127.0.0.1:0"]
        words += ["--drain-delay-s", "0", "--allow-ephemeral-ledger", *flags]
        self.process = subprocess.Popen(
            words,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=clean_environment(),
        )

    def wait_for(self, event: str) -> dict[str, Any]:
        """Its next log line about `event`; fails when it ends first."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            told: dict[str, Any] = json.loads(line)
            if told["event"] == event:
                return told
        raise AssertionError(f"no `{event}`: {self.process.communicate()[1]}")

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self) -> int:
        """Its exit status, once its output has been read to the end."""
        self.process.communicate(timeout=WAIT_S)
        return self.process.returncode

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate(timeout=WAIT_S)


StartSidecar = Callable[..., Sidecar]


@pytest.fixture
def policies(tmp_path: Path, project_root: Path) -> Path:
    """A copy of the shop's policies that a test may change."""
    return Path(shutil.copytree(project_root / "policies", tmp_path / "policies"))


@pytest.fixture
def start(command: str, tmp_path: Path, policies: Path) -> Iterator[StartSidecar]:
    """Starts sidecars on one state folder."""
    started: list[Sidecar] = []

    def start_one(*flags: str) -> Sidecar:
        sidecar = Sidecar(command, tmp_path, policies, *flags)
        started.append(sidecar)
        return sidecar

    yield start_one
    for sidecar in started:
        sidecar.kill()
