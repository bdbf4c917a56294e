"""The processes of the story: one sidecar, and one for each department. All end with the story."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Final

START_TIMEOUT_S: Final = 20.0
ANSWER_TIMEOUT_S: Final = 30.0
_STOP_TIMEOUT_S: Final = 8.0


class ProcessError(Exception):
    """A process of the story did not start, or ended before its time."""


def _spawn(words: list[str], stderr: IO[bytes]) -> subprocess.Popen[str]:
    # A session of its own: Ctrl-C reaches the story, and the story ends its processes in order.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CONSENTRY_")}
    return subprocess.Popen(  # noqa: S603 - our own module with our own words
        [sys.executable, "-P", "-m", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        encoding="utf-8",
        start_new_session=True,
        env=environment,
    )


class _Lines:
    """The lines of a process as they come, so that waiting for one can have an end."""

    def __init__(self, stream: IO[str]) -> None:
        self._queue: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._read, args=(stream,), daemon=True).start()

    def _read(self, stream: IO[str]) -> None:
        with contextlib.suppress(ValueError):  # closed while we read: the story is over
            for line in stream:
                self._queue.put(line)
        self._queue.put("")

    def next(self, timeout_s: float) -> str:
        """The next line; empty when the process has no more or takes too long."""
        try:
            return self._queue.get(timeout=timeout_s)
        except queue.Empty:
            return ""


def _end(process: subprocess.Popen[str], *, gently: bool) -> int:
    """Ends a process of ours and gives its status; killed if it does not leave."""
    if gently and process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        status = process.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        status = process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()
    return status


class SidecarProcess:
    """`consentry serve` as a child; `ready` is its line about where it listens."""

    def __init__(self, folder: Path) -> None:
        self.policies: Final = folder / "policies"
        self.socket: Final = f"unix:{folder / 'consentry.sock'}"
        self.ready: Mapping[str, Any] = {}
        self._complaints: Final = folder / "sidecar.err"
        words = ["consentry.app", "serve", "--policies", str(self.policies)]
        words += ["--state", str(folder / "state"), "--allow-ephemeral-ledger", "--no-watch"]
        words += ["--listen", self.socket, "--listen", "127.0.0.1:0"]
        words += ["--health", "none", "--http", "127.0.0.1:0", "--drain-delay-s", "0"]
        with self._complaints.open("wb") as stderr:
            self._process: Final = _spawn(words, stderr)
        assert self._process.stdout is not None
        self._lines: Final = _Lines(self._process.stdout)

    def wait_ready(self) -> None:
        """Reads its log until it says that it is ready.

        Raises:
            ProcessError: it ended, or took too long.
        """
        while line := self._lines.next(START_TIMEOUT_S):
            event = json.loads(line)
            if event["event"] == "ready":
                self.ready = event
                return
            if event["event"] == "serving_without_policies":
                break
        told = self._complaints.read_text(encoding="utf-8", errors="replace").strip()
        raise ProcessError(f"the sidecar is not ready: {told or 'it said nothing'}")

    @property
    def tcp(self) -> str:
        """The TCP address it was given."""
        addresses: list[str] = self.ready["grpc"].split()
        return next(a for a in addresses if not a.startswith("unix:"))

    @property
    def process_id(self) -> int:
        """Its number with the operating system."""
        return self._process.pid

    def stop(self) -> int:
        """SIGTERM, drain, and its exit status."""
        return _end(self._process, gently=True)


class Department:
    """A caller in a process of its own; it speaks to the sidecar, we speak to it."""

    def __init__(self, name: str, target: str, folder: Path) -> None:
        self.name: Final = name
        self._complaints: Final = folder / f"{name}.err"
        with self._complaints.open("wb") as stderr:
            self._process: Final = _spawn(["consentry.app.demo.caller", target], stderr)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin: Final = self._process.stdin
        self._lines: Final = _Lines(self._process.stdout)

    @property
    def process_id(self) -> int:
        """Its number with the operating system."""
        return self._process.pid

    def ask(self, verb: str, **words: object) -> dict[str, Any]:
        """Lets it do one thing and gives what came of it.

        Raises:
            ProcessError: it could not.
        """
        self._stdin.write(json.dumps({"verb": verb, "words": words}) + "\n")
        self._stdin.flush()
        line = self._lines.next(ANSWER_TIMEOUT_S)
        if not line:
            told = self._complaints.read_text(encoding="utf-8", errors="replace").strip()
            last = told.splitlines()[-1] if told else "it said nothing"
            raise ProcessError(f"{self.name} ended early: {last}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise ProcessError(f"{self.name}: {answer['error']}")
        return answer

    def stop(self) -> int:
        """Its input ends, so it leaves; its exit status."""
        with contextlib.suppress(OSError):
            self._stdin.close()
        return _end(self._process, gently=False)
