"""OPA: its server over HTTP, and its engine in process by its own benchmark."""

from __future__ import annotations

import json
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.bench.equal_work import Question, rego_text
from tests.bench.h2 import Door
from tests.bench.peers import install
from tests.bench.peers.messages import wait_for_http
from tests.support.ports import free_port

PATH: Final = "/v1/data/bench/allow"


def body(question: Question) -> bytes:
    """The question as its server takes it."""
    return json.dumps({"input": question.facts}).encode()


def is_permitted(answer: bytes) -> bool:
    """Whether the answer of its server is yes."""
    return json.loads(answer).get("result") is True


def ask(door: Door, question: Question) -> bytes:
    """One answer of its server."""
    request = urllib.request.Request(
        f"http://{door.address}{PATH}",
        data=body(question),
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        told: bytes = answer.read()
        return told


@contextmanager
def running(rule_count: int) -> Iterator[Door]:
    """The server with a set of `rule_count` rules, decision log off.

    Raises:
        PeerMissingError: it cannot be had here.
    """
    binary = install.opa()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        Path(folder, "bench.rego").write_text(rego_text(rule_count))
        door = f"127.0.0.1:{free_port()}"
        command = [str(binary), "run", "--server", "--addr", door, "--log-level", "error"]
        process = subprocess.Popen(
            [*command, "--disable-telemetry", f"{folder}/bench.rego"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_for_http(f"http://{door}/health", process)
            yield Door(address=door, path=PATH, pid=process.pid, is_grpc=False)
        finally:
            process.kill()
            process.wait()


class InProcess:
    """The engine alone: one figure a call, by the benchmark that comes with it."""

    def __init__(self, question: Question, folder: Path) -> None:
        self._binary = install.opa()
        self._policy, self._input = folder / "bench.rego", folder / "input.json"
        self._policy.write_text(rego_text(question.rule_count))
        self._input.write_text(json.dumps(question.facts))

    def is_permitted(self) -> bool:
        """What it answers to the question."""
        told = self._run("eval", "--format", "raw")
        return told.strip() == "true"

    def us_per_decision(self) -> float:
        """Microseconds of one evaluation."""
        told = json.loads(self._run("bench", "--format", "json", "--count", "1"))
        first = told[0] if isinstance(told, list) else told
        return float(first["T"]) / float(first["N"]) / 1000

    def _run(self, verb: str, *options: str) -> str:
        command = [str(self._binary), verb, *options]
        command += ["--data", str(self._policy), "--input", str(self._input), "data.bench.allow"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout
