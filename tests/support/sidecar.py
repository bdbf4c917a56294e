"""A real sidecar in a process of its own, on free ports and a Unix socket."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class RunningSidecar:
    """Where it answers, its process, and what it said since it was ready."""

    process: subprocess.Popen[str]
    heard: Heard
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
        RuntimeError: the process ended first, or will not get ready; the text is what it said.
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
        if entry.get("event") == "serving_without_policies" and event == "ready":
            raise RuntimeError(f"the sidecar has no policies:\n{''.join(said)}")
    raise RuntimeError(f"the sidecar left with {process.wait()}:\n{''.join(said)}")


class Heard:
    """Reads what a sidecar says from now on, in a thread, and keeps its latest events.

    A pipe that nobody reads fills up, and what then is said is not told.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self._said = process.stdout
        self._entries: deque[dict[str, Any]] = deque(maxlen=1_000)
        self.lines: deque[str] = deque(maxlen=100_000)
        """All that was said, as it was said."""
        self._has_more = threading.Condition()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with self._said:
            for line in self._said:
                self.lines.append(line)
                with contextlib.suppress(ValueError):
                    entry = json.loads(line)
                    with self._has_more:
                        self._entries.append(entry)
                        self._has_more.notify_all()

    def end(self) -> None:
        """Waits until all was read and the pipe is closed; the process has left before."""
        self._thread.join(timeout=10)

    def wait_for(self, event: str, patience_s: float = 60.0) -> dict[str, Any]:
        """The next entry of `event`; those before it are forgotten.

        Raises:
            RuntimeError: it did not come.
        """
        with self._has_more:
            while True:
                while self._entries:
                    entry = self._entries.popleft()
                    if entry.get("event") == event:
                        return entry
                if not self._has_more.wait(patience_s):
                    raise RuntimeError(f"the sidecar did not say {event}")


@contextmanager
def running_sidecar(
    policies: Path, state: Path, *flags: str, under: Sequence[str] = (), event: str = "ready"
) -> Iterator[RunningSidecar]:
    """A sidecar that decides from `policies` and keeps its ledger below `state`.

    `under` is a command that becomes it, such as `prlimit`; `event` is how it says that it serves.
    """
    with tempfile.TemporaryDirectory(prefix="consentry-") as folder:
        socket = f"unix:{folder}/consentry.sock"
        command = [sys.executable, "-m", "consentry.app", "serve"]
        places = ["--policies", str(policies), "--state", str(state)]
        doors = ["--listen", "127.0.0.1:0", "--listen", socket]
        doors += ["--http", "127.0.0.1:0", "--health", "127.0.0.1:0"]
        ends = ["--drain-delay-s", "0", "--allow-ephemeral-ledger"]
        process = subprocess.Popen(
            [*under, *command, *places, *doors, *ends, *flags],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={k: v for k, v in os.environ.items() if not k.startswith("CONSENTRY_")},
        )
        heard: Heard | None = None
        try:
            ready = wait_for_event(process, event)
            heard = Heard(process)
            yield RunningSidecar(
                process=process,
                heard=heard,
                target=next(a for a in ready["grpc"].split() if not a.startswith("unix:")),
                socket=socket,
                http=ready["http"],
                health=ready["health"],
            )
        finally:
            stop(process)
            if heard is not None:
                heard.end()
            elif process.stdout is not None:
                process.stdout.close()


def stop(process: subprocess.Popen[str]) -> None:
    """Asks the process to leave, and makes it if it does not."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
