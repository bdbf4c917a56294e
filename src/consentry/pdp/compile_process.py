"""Runs the compiler in a child process, within bounds of time, memory and output.

A child is spawned, never forked: forking a process with a gRPC server in it hangs. What goes wrong
with it becomes a diagnostic, so that the last good policy set stays. `compile_in_child` takes a new
child each time; `pdp.lasting_compiler` keeps one.
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
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from consentry.compiler.compile import CompileResult
from consentry.diagnostics.span import Source
from consentry.pdp.answer_parts import read_parts
from consentry.pdp.compile_child import LENGTH_BYTES
from consentry.pdp.folder import problem
from consentry.pdp.heap import set_aside
from consentry.pdp.pace import Pace, at_once

log = logging.getLogger(__name__)

MODULE: Final = "consentry.pdp.compile_child"
TIMEOUT_S: Final = 30.0
MAX_ANSWER_BYTES: Final = 256 * 1024 * 1024
_KEPT_ENVIRONMENT: Final = ("PATH", "PYTHON", "LD_", "LANG", "LC_")
_MAX_COMPLAINT_BYTES: Final = 4096
_CHUNK: Final = 1 << 16
_CHILD_NICENESS: Final = 10
_PATIENCE_S: Final = 0.1


class CompilerFailedError(Exception):
    """The child gave no result. `status` is its exit status, None where it was ended from here."""

    def __init__(self, code: str, title: str, status: int | None = None) -> None:
        super().__init__(title)
        self.code = code
        self.title = title
        self.status = status

    def told(self) -> CompileResult:
        """As the result of a compilation."""
        found = problem(self.code, self.title)
        return CompileResult(program=None, diagnostics=(found,), modules=(), symbols=None)


def compile_in_child(
    sources: Sequence[Source],
    packs: Mapping[str, Source],
    *,
    timeout_s: float = TIMEOUT_S,
    max_answer_bytes: int = MAX_ANSWER_BYTES,
    module: str = MODULE,
) -> CompileResult:
    """What `compile_policies` gives, without trees and symbols; F52x if the child fails."""
    try:
        with contextlib.closing(CompilerProcess(module)) as child:
            return child.compile(
                sources,
                packs,
                timeout_s=timeout_s,
                max_answer_bytes=max_answer_bytes,
                is_last=True,
                step=Pace().step,
            )
    except CompilerFailedError as error:
        return error.told()


class CompilerProcess:
    """One child, from its start to its end. Used by one thread at a time."""

    def __init__(self, module: str = MODULE) -> None:
        """Starts the child.

        Raises:
            CompilerFailedError: it cannot be started.
        """
        # -P: the working folder must not be a place to import from.
        command = [sys.executable, "-P", "-m", module]
        environment = {k: v for k, v in os.environ.items() if k.startswith(_KEPT_ENVIRONMENT)}
        try:
            self._child = subprocess.Popen(  # noqa: S603 - a fixed command
                command,
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
                # What a terminal sends to its programs is for the sidecar, which ends its child.
                process_group=0,
            )
            # Checks come before compiling, also where there is but one core.
            os.setpriority(os.PRIO_PROCESS, self._child.pid, _CHILD_NICENESS)
        except OSError as error:
            log.exception("compiler_not_started")
            title = f"the compiler could not be started: {(error.strerror or '').lower()}"
            raise CompilerFailedError("F520", title) from error

    @property
    def pid(self) -> int:
        """Number of the child's process."""
        return self._child.pid

    @property
    def is_alive(self) -> bool:
        """Whether it has not left."""
        return self._child.poll() is None

    def compile(
        self,
        sources: Sequence[Source],
        packs: Mapping[str, Source],
        *,
        timeout_s: float = TIMEOUT_S,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
        is_last: bool = False,
        step: Callable[[], None] = at_once,
    ) -> CompileResult:
        """What `compile_policies` gives, without trees and symbols. `is_last` ends the child;
        `step` is called while the answer is read, so that it can give way to checks, as the child
        then does too.

        Raises:
            CompilerFailedError: it did not; the child is of no use any more.
        """
        question = pickle.dumps((tuple(sources), dict(packs), step is not at_once))
        answer = _Exchange(self._child, question, timeout_s, max_answer_bytes, is_last).run(step)
        try:
            with set_aside():
                return read_parts(answer, step)
        except Exception as error:
            raise CompilerFailedError("F520", "the compiler's answer was cut short") from error

    def kill(self) -> None:
        """Ends the child at once; any thread may call. Who waits for its answer is told."""
        self._child.kill()

    def close(self) -> None:
        """Ends the child at once and lets its process go."""
        self._child.kill()
        self._child.wait()
        for pipe in (self._child.stdin, self._child.stdout, self._child.stderr):
            if pipe is not None:
                pipe.close()


class _Exchange:
    """Writes one question and reads its answer at once, so that neither pipe can fill up."""

    def __init__(
        self,
        child: subprocess.Popen[bytes],
        question: bytes,
        timeout_s: float,
        max_bytes: int,
        is_last: bool,  # noqa: FBT001 - private, and passed on
    ) -> None:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stderr is not None
        self._child = child
        self._stdin = child.stdin
        self._stdout = child.stdout.fileno()
        self._stderr = child.stderr.fileno()
        self._question = memoryview(len(question).to_bytes(LENGTH_BYTES, "big") + question)
        self._timeout_s = timeout_s
        self._max_bytes = max_bytes
        self._is_last = is_last
        self._answer = bytearray()
        self._is_whole = False
        self._complaint = bytearray()

    def run(self, step: Callable[[], None]) -> bytes:
        """The answer; `step` is called after each part of it.

        Raises:
            CompilerFailedError: it did not come, in time and in bounds.
        """
        ends_s = time.monotonic() + self._timeout_s
        for fd in (self._stdin.fileno(), self._stdout, self._stderr):
            os.set_blocking(fd, False)
        with selectors.DefaultSelector() as pipes:
            pipes.register(self._stdin, selectors.EVENT_WRITE, self._write)
            pipes.register(self._stdout, selectors.EVENT_READ, self._read_answer)
            pipes.register(self._stderr, selectors.EVENT_READ, self._read_complaint)
            while not self._is_whole and pipes.get_map():
                ready = pipes.select(max(0.0, ends_s - time.monotonic()))
                if not ready:
                    raise CompilerFailedError(
                        "F521", f"the compiler took longer than {self._timeout_s:g} seconds"
                    )
                for key, _ in ready:
                    if not key.data():
                        pipes.unregister(key.fileobj)
                step()
        if not self._is_whole:
            raise self._left(max(_PATIENCE_S, ends_s - time.monotonic()))
        return bytes(memoryview(self._answer)[LENGTH_BYTES:])

    def _left(self, patience_s: float) -> CompilerFailedError:
        try:
            status = self._child.wait(patience_s)
        except subprocess.TimeoutExpired:
            return CompilerFailedError("F520", "the compiler closed its pipes and went on")
        last = self._complaint.decode("utf-8", "replace").strip().rpartition("\n")[2]
        log.error("compiler_failed", extra={"status": status, "complaint": last})
        if status == 0:
            return CompilerFailedError("F520", "the compiler's answer was cut short", status)
        return CompilerFailedError("F520", f"the compiler ended with status {status}", status)

    def _write(self) -> bool:
        try:
            sent = os.write(self._stdin.fileno(), self._question[:_CHUNK])
        except BrokenPipeError:
            sent = len(self._question)
        self._question = self._question[sent:]
        if not self._question and self._is_last:
            with contextlib.suppress(BrokenPipeError):
                self._stdin.close()
        return bool(self._question)

    def _read_answer(self) -> bool:
        chunk = os.read(self._stdout, _CHUNK)
        self._answer += chunk
        if len(self._answer) >= LENGTH_BYTES:
            length = int.from_bytes(self._answer[:LENGTH_BYTES], "big")
            if max(length, len(self._answer) - LENGTH_BYTES) > self._max_bytes:
                raise CompilerFailedError("F522", "the compiled policy set is too large")
            self._is_whole = len(self._answer) - LENGTH_BYTES == length
        return bool(chunk)

    def _read_complaint(self) -> bool:
        chunk = os.read(self._stderr, _CHUNK)
        self._complaint += chunk
        del self._complaint[:-_MAX_COMPLAINT_BYTES]
        return bool(chunk)
