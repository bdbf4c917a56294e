"""Runs the compiler in a child process, within bounds of time, memory and output.

The child is started anew for each compilation (spawned, never forked: forking a process with a gRPC
server in it hangs). What goes wrong with it becomes a diagnostic, so that the last good policy set
stays.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import selectors
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Final

from consentry.compiler.compile import CompileResult
from consentry.diagnostics.span import Source
from consentry.pdp.folder import problem

log = logging.getLogger(__name__)

MODULE: Final = "consentry.pdp.compile_child"
TIMEOUT_S: Final = 30.0
MAX_ANSWER_BYTES: Final = 256 * 1024 * 1024
_KEPT_ENVIRONMENT: Final = ("PATH", "PYTHON", "LD_", "LANG", "LC_")
_MAX_COMPLAINT_BYTES: Final = 4096
_CHUNK: Final = 1 << 16
_CHILD_NICENESS: Final = 10


class _ChildFailedError(Exception):
    def __init__(self, code: str, title: str) -> None:
        super().__init__(title)
        self.code = code
        self.title = title


def compile_in_child(
    sources: Sequence[Source],
    packs: Mapping[str, Source],
    *,
    timeout_s: float = TIMEOUT_S,
    max_answer_bytes: int = MAX_ANSWER_BYTES,
    module: str = MODULE,
) -> CompileResult:
    """What `compile_policies` gives, without trees and symbols; F52x if the child fails."""
    question = pickle.dumps((tuple(sources), dict(packs)))
    # -P: the working folder must not be a place to import from.
    command = [sys.executable, "-P", "-m", module]
    environment = {k: v for k, v in os.environ.items() if k.startswith(_KEPT_ENVIRONMENT)}
    try:
        with subprocess.Popen(  # noqa: S603 - a fixed command
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
        ) as child:
            try:
                # Checks come before compiling, also where there is but one core.
                os.setpriority(os.PRIO_PROCESS, child.pid, _CHILD_NICENESS)
                answer = _Exchange(child, question, timeout_s, max_answer_bytes).run()
                return _understand(answer)
            finally:
                child.kill()
    except OSError as error:
        log.exception("compiler_not_started")
        title = f"the compiler could not be started: {(error.strerror or '').lower()}"
        return _failed(_ChildFailedError("F520", title))
    except _ChildFailedError as error:
        return _failed(error)


def _failed(error: _ChildFailedError) -> CompileResult:
    found = problem(error.code, error.title)
    return CompileResult(program=None, diagnostics=(found,), modules=(), symbols=None)


def _understand(answer: bytes) -> CompileResult:
    try:
        result = pickle.loads(answer)  # noqa: S301 - our own child wrote it
    except Exception as error:
        raise _ChildFailedError("F520", "the compiler's answer was cut short") from error
    if not isinstance(result, CompileResult):
        raise _ChildFailedError("F520", "the compiler's answer was not a result")
    return result


class _Exchange:
    """Writes the question and reads the answer at once, so that neither pipe can fill up."""

    def __init__(
        self, child: subprocess.Popen[bytes], question: bytes, timeout_s: float, max_bytes: int
    ) -> None:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stderr is not None
        self._child = child
        self._stdin = child.stdin
        self._stdout = child.stdout.fileno()
        self._stderr = child.stderr.fileno()
        self._question = memoryview(question)
        self._timeout_s = timeout_s
        self._max_bytes = max_bytes
        self._answer = bytearray()
        self._complaint = bytearray()

    def run(self) -> bytes:
        ends_s = time.monotonic() + self._timeout_s
        for fd in (self._stdin.fileno(), self._stdout, self._stderr):
            os.set_blocking(fd, False)
        with selectors.DefaultSelector() as pipes:
            pipes.register(self._stdin, selectors.EVENT_WRITE, self._write)
            pipes.register(self._stdout, selectors.EVENT_READ, self._read_answer)
            pipes.register(self._stderr, selectors.EVENT_READ, self._read_complaint)
            while pipes.get_map():
                ready = pipes.select(max(0.0, ends_s - time.monotonic()))
                if not ready:
                    raise _ChildFailedError(
                        "F521", f"the compiler took longer than {self._timeout_s:g} seconds"
                    )
                for key, _ in ready:
                    if not key.data():
                        pipes.unregister(key.fileobj)
        try:
            status = self._child.wait(max(0.1, ends_s - time.monotonic()))
        except subprocess.TimeoutExpired:
            status = None
        if status != 0:
            last = self._complaint.decode("utf-8", "replace").strip().rpartition("\n")[2]
            log.error("compiler_failed", extra={"status": status, "complaint": last})
            raise _ChildFailedError("F520", f"the compiler ended with status {status}")
        return bytes(self._answer)

    def _write(self) -> bool:
        try:
            sent = os.write(self._stdin.fileno(), self._question[:_CHUNK])
        except BrokenPipeError:
            sent = len(self._question)
        self._question = self._question[sent:]
        if not self._question:
            with contextlib.suppress(BrokenPipeError):
                self._stdin.close()
        return bool(self._question)

    def _read_answer(self) -> bool:
        chunk = os.read(self._stdout, _CHUNK)
        self._answer += chunk
        if len(self._answer) > self._max_bytes:
            raise _ChildFailedError("F522", "the compiled policy set is too large")
        return bool(chunk)

    def _read_complaint(self) -> bool:
        chunk = os.read(self._stderr, _CHUNK)
        self._complaint += chunk
        del self._complaint[:-_MAX_COMPLAINT_BYTES]
        return bool(chunk)
