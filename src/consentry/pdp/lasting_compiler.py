"""A compiler that stays alive between reloads, so that a file that did not change is not parsed
again and no interpreter has to start.

It serves the policies of the sidecar's own source alone: what callers want validated, or replayed
from the archive, is compiled in a child of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from consentry.compiler.compile import CompileResult, compile_policies
from consentry.diagnostics.span import Source
from consentry.pdp.compile_process import TIMEOUT_S, CompilerFailedError, CompilerProcess
from consentry.pdp.pace import Pace, at_once

IDLE_S: Final = 300.0
"""How long it stays after its last use. Reloads come in groups, while somebody works on policies or
a rollout goes on; between them the memory is worth more than the second that it saves.
"""

FIRST_TIMEOUT_S: Final = 120.0
"""At start nothing is there to fall back on."""

SMALL_CHARACTERS: Final = 256 * 1024
"""Text that is compiled quicker than a child starts, and whose trees need little memory."""


class LastingCompiler:
    """Compiles as `compile_in_child` does, in a child that is used again.

    A child that crashed, ran out of time or said too much is ended, and the next compilation takes
    a new one. So is one that had nothing to do for `idle_s`. Lock: `_lock` guards the child and is
    held while it works; whoever comes meanwhile waits.
    """

    def __init__(
        self,
        *,
        timeout_s: float = TIMEOUT_S,
        idle_s: float = IDLE_S,
        start: Callable[[], CompilerProcess] = CompilerProcess,
        step: Callable[[], None] | None = None,
    ) -> None:
        """Starts nothing yet. `timeout_s` bounds each compilation; between the parts of its answer
        `step` gives way to checks.
        """
        self.timeout_s = timeout_s
        self._idle_s: Final = idle_s
        self._start: Final = start
        self._step: Final = Pace().step if step is None else step
        self._lock: Final = threading.Lock()
        self._child: CompilerProcess | None = None
        self._timer: threading.Timer | None = None
        self._is_closed = False

    @property
    def pid(self) -> int | None:
        """Number of the child's process; None where there is none now."""
        child = self._child
        return None if child is None else child.pid

    def compile_first(
        self, sources: Sequence[Source], packs: Mapping[str, Source]
    ) -> CompileResult:
        """`compile` for the start: a small set is compiled here, since nobody waits for answers.

        The trees of a large one would leave their memory with this process for good: 65 MiB at
        10,000 rules.
        """
        if sum(len(source.text) for source in sources) <= SMALL_CHARACTERS:
            return compile_policies(sources, packs)
        return self._ask(sources, packs, FIRST_TIMEOUT_S, at_once)

    def compile(self, sources: Sequence[Source], packs: Mapping[str, Source]) -> CompileResult:
        """What `compile_policies` gives, without trees and symbols; F52x if the child fails."""
        return self._ask(sources, packs, self.timeout_s, self._step)

    def _ask(
        self,
        sources: Sequence[Source],
        packs: Mapping[str, Source],
        timeout_s: float,
        step: Callable[[], None],
    ) -> CompileResult:
        with self._lock:
            self._stop_timer()
            try:
                return self._compile(sources, packs, timeout_s, step)
            except CompilerFailedError as error:
                self._drop()
                return error.told()
            except BaseException:
                self._drop()  # it may be in the middle of a question
                raise
            finally:
                self._start_timer()

    def _compile(
        self,
        sources: Sequence[Source],
        packs: Mapping[str, Source],
        timeout_s: float,
        step: Callable[[], None],
    ) -> CompileResult:
        if self._child is not None and self._child.is_alive:
            try:
                return self._child.compile(sources, packs, timeout_s=timeout_s, step=step)
            except CompilerFailedError as error:
                # One that was about to leave anyway was not ended by this question.
                if error.status != 0:
                    raise
        self._drop()
        if self._is_closed:
            raise CompilerFailedError("F520", "the compiler was ended")
        self._child = self._start()
        return self._child.compile(sources, packs, timeout_s=timeout_s, step=step)

    def close(self) -> None:
        """Ends the child, whatever it does."""
        self._is_closed = True
        child = self._child
        if child is not None:
            child.kill()
        with self._lock:
            self._stop_timer()
            self._drop()

    def _retire(self) -> None:
        with self._lock:
            # Another timer runs where a compilation came between.
            if threading.current_thread() is self._timer:
                self._drop()

    def _drop(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.close()

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _start_timer(self) -> None:
        if self._child is not None and not self._is_closed:
            self._timer = threading.Timer(self._idle_s, self._retire)
            self._timer.name, self._timer.daemon = "compiler-idle", True
            self._timer.start()
