"""A real sidecar in a process of its own, on free ports and a Unix socket."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class RunningSidecar:
    """Where it answers, and its process."""

    process: subprocess.Popen[str]
    target: str
    socket: str
    http: str
    health: str

    @property
    def pid(self) -> int:
        """Number of the sidecar's process."""
        return self.process.pid


def wait_for_event(process: subprocess.Popen[str], event: str) -> dict[str, Any]:
    """Reads the log of a sidecar up to `event` and gives that line.

    Raises:
        RuntimeError: the process ended first; the text is what it said.
    """
    said = []
    assert process.stdout is not None
    for line in process.stdout:
        said.append(line)
        try:
            entry: dict[str, Any] = json.loads(line)
        except ValueError:
            continue
        if entry.get("event") == event:
            return entry
    raise RuntimeError(f"the sidecar left with {process.wait()}:\n{''.join(said)}")


def read_on(process: subprocess.Popen[str]) -> None:
    """Reads what the sidecar says from now on, in a thread, and forgets it.

    A pipe that nobody reads fills up, and what then is said is not told.
    """
    said = process.stdout
    assert said is not None

    def read() -> None:
        with said:
            for _ in said:
                pass

    threading.Thread(target=read, daemon=True).start()


@contextmanager
def running_sidecar(policies: Path, state: Path, *flags: str) -> Iterator[RunningSidecar]:
    """A sidecar that decides from `policies` and keeps its ledger below `state`."""
    with tempfile.TemporaryDirectory(prefix="consentry-") as folder:
        socket = f"unix:{folder}/consentry.sock"
        command = [sys.executable, "-m", "consentry.app", "serve"]
        places = ["--policies", str(policies), "--state", str(state)]
        doors = ["--listen", "127.0.0.1:0", "--listen", socket]
        doors += ["--http", "127.0.0.1:0", "--health", "127.0.0.1:0"]
        ends = ["--drain-delay-s", "0", "--allow-ephemeral-ledger"]
        process = subprocess.Popen(
            [*command, *places, *doors, *ends, *flags],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={k: v for k, v in os.environ.items() if not k.startswith("CONSENTRY_")},
        )
        try:
            ready = wait_for_event(process, "ready")
            read_on(process)
            yield RunningSidecar(
                process=process,
                target=next(a for a in ready["grpc"].split() if not a.startswith("unix:")),
                socket=socket,
                http=ready["http"],
                health=ready["health"],
            )
        finally:
            stop(process)


def stop(process: subprocess.Popen[str]) -> None:
    """Asks the process to leave, and makes it if it does not."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
