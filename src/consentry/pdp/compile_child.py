"""The child process that compiles: `python -m consentry.pdp.compile_child`.

Compiling ten thousand rules would stop every other thread of the sidecar for most of a second, and
a policy that makes the compiler run away must not take the sidecar with it. The child reads pickled
`(sources, packs)` from standard input and writes a pickled `CompileResult`, without its trees, to
standard output. Both ends are this program; no byte of a pickle comes from anywhere else.
"""

from __future__ import annotations

import os
import pickle
import resource
import sys
from dataclasses import replace
from typing import Final

from consentry.compiler.compile import compile_policies

MAX_MEMORY_BYTES: Final = 2 * 1024**3
MAX_CPU_S: Final = 120


def main() -> None:
    """Compile what comes in, write what comes out."""
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (MAX_CPU_S, MAX_CPU_S))
    # Whatever prints by mistake goes to standard error and cannot damage the answer.
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as answer:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        sources, packs = pickle.loads(sys.stdin.buffer.read())  # noqa: S301 - see the module
        result = compile_policies(sources, packs)
        answer.write(pickle.dumps(replace(result, modules=(), symbols=None, book=None, notes=())))


if __name__ == "__main__":
    main()
