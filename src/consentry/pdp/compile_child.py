"""The child process that compiles: `python -m consentry.pdp.compile_child`.

Compiling ten thousand rules would stop every other thread of the sidecar for most of a second, and
a policy that makes the compiler run away must not take the sidecar with it. The child reads pickled
`(sources, packs, gives_way)` from standard input and writes a `CompileResult`, without its trees
and in parts (`answer_parts`), to standard output, one after another until its input ends. Each is
preceded by its length (8 bytes, big-endian). Both ends are this program; no byte of a pickle comes
from anywhere else.

Where it gives way, it rests in short turns while it works. It may have to share the one core of the
checks, and their threads, once woken, wait until somebody leaves it (ADR 49): for 3 ms with a child
that never rests, however little it is worth to the scheduler.

Between two policy sets it keeps the trees of their files, so that a file that did not change is not
parsed again. A child that once needed more than `MAX_LASTING_BYTES` leaves after its answer.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

if TYPE_CHECKING:  # loaded late, see `_Compiler`
    from consentry.diagnostics.span import Source

LENGTH_BYTES: Final = 8
MAX_MEMORY_BYTES: Final = 2 * 1024**3
MAX_LASTING_BYTES: Final = 512 * 1024**2
MAX_CPU_S: Final = 120
WORK_S: Final = 0.000_5
REST_S: Final = 0.000_25
_RSS_UNIT: Final = 1 if sys.platform == "darwin" else 1024


def main() -> None:
    """Compile what comes in, write what comes out, until nothing comes."""
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    # PERF: looking for cycles among ever more trees took a quarter of the time.
    gc.disable()
    compiler: _Compiler | None = None
    # Whatever prints by mistake goes to standard error and cannot damage the answer.
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as answers:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        while (question := _read(sys.stdin.buffer)) is not None:
            _limit_time()
            sources, packs, gives_way = pickle.loads(question)  # noqa: S301 - see the module
            del question
            with resting() if gives_way else contextlib.nullcontext():
                compiler = compiler or _Compiler()
                _write(answers, compiler.compile(sources, packs))
                del sources, packs
                compiler.turn()
                # PERF: trees that stay have no cycles and are not looked at again and again.
                gc.collect()
                gc.freeze()
            if _peak_bytes() > MAX_LASTING_BYTES:
                return


class _Compiler:
    """The compiler, and the trees that it keeps.

    Loaded when there is something to do, since that takes as long as compiling a hundred rules: the
    child rests from time to time by then.
    """

    def __init__(self) -> None:
        from consentry.compiler.compile import compile_policies  # noqa: PLC0415 - see above
        from consentry.compiler.kept import KeptTrees  # noqa: PLC0415 - see above
        from consentry.pdp.answer_parts import write_parts  # noqa: PLC0415 - see above

        self._trees = KeptTrees()
        self._compile, self._write = compile_policies, write_parts

    def compile(self, sources: Sequence[Source], packs: Mapping[str, Source]) -> bytes:
        return self._write(self._compile(sources, packs, parse=self._trees.parse))

    def turn(self) -> None:
        """Forgets the trees of files that the last set did not have."""
        self._trees.turn()


@contextlib.contextmanager
def resting(
    process_time_s: Callable[[], float] = time.process_time,
    rest: Callable[[float], None] = time.sleep,
) -> Iterator[None]:
    """Inside, this program rests a while after each short piece of work.

    By its own processor time, so that one that hardly gets any does not rest as well.
    """
    if not hasattr(signal, "setitimer"):
        yield
        return
    began_s, is_over = process_time_s(), False

    def look(_number: int, _frame: object) -> None:
        nonlocal began_s
        if is_over:
            return
        if process_time_s() - began_s >= WORK_S:
            rest(REST_S)
            began_s = process_time_s()
        signal.setitimer(signal.ITIMER_REAL, WORK_S)

    before = signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, WORK_S)
    try:
        yield
    finally:
        is_over = True
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)  # takes a look that is due already


def _limit_time() -> None:
    """The processor time of one compilation, whatever earlier ones took."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime) + MAX_CPU_S
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    if hard == resource.RLIM_INFINITY or soft <= hard:
        resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def _peak_bytes() -> int:
    """The most memory that this program has held.

    Not the kernel's account of the process where there is another: that one begins with what the
    process held before it became this program, which is all of a large parent.
    """
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT


def _read(pipe: BinaryIO) -> bytes | None:
    length = pipe.read(LENGTH_BYTES)
    return pipe.read(int.from_bytes(length, "big")) if length else None


def _write(pipe: BinaryIO, content: bytes) -> None:
    pipe.write(len(content).to_bytes(LENGTH_BYTES, "big"))
    pipe.write(content)
    pipe.flush()


if __name__ == "__main__":
    main()
