"""Engines that are Python packages, each in a process of its own, and ours in one as well."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.bench.equal_work import CASBIN_MODEL, Question, casbin_text, cedar_text
from tests.bench.peers import install

ROOT: Final = Path(__file__).resolve().parents[3]
SCRIPT: Final = Path(__file__).with_name("in_process.py")


class Engine:
    """One engine in its process: its answer, and microseconds per decision on demand."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.is_permitted: bool = json.loads(self._line())

    def us_per_decision(self) -> float:
        """One more round."""
        assert self._process.stdin is not None
        self._process.stdin.write("round\n")
        self._process.stdin.flush()
        return float(self._line())

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            assert self._process.stderr is not None
            last = (self._process.stderr.read().strip() or "no message").splitlines()[-1]
            raise install.PeerMissingError(f"its process ended: {last[:200]}")
        return line


@contextmanager
def _process(command: list[str]) -> Iterator[Engine]:
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield Engine(process)
    finally:
        process.kill()
        process.communicate()


@contextmanager
def peer(kind: str, question: Question, folder: Path, evaluations: int) -> Iterator[Engine]:
    """`cedar` or `casbin` with the equal policy.

    Raises:
        PeerMissingError: it cannot be had here.
    """
    text = cedar_text if kind == "cedar" else casbin_text
    policy, model = folder / f"{kind}.policy", folder / "model.conf"
    policy.write_text(text(question.rule_count))
    model.write_text(CASBIN_MODEL)
    words = [kind, str(policy), str(model), json.dumps(question.facts), str(evaluations)]
    with _process([str(install.python()), str(SCRIPT), *words]) as engine:
        yield engine


@contextmanager
def ours(question: Question, evaluations: int) -> Iterator[Engine]:
    """Our engine on the equal policy, consent read from events."""
    words = [str(question.rule_count), json.dumps(question.has_consent), str(evaluations)]
    with _process([sys.executable, "-m", "tests.bench.peers.ours_in_process", *words]) as engine:
        yield engine
