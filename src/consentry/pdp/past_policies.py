"""Policy sets that were active once, compiled anew from the archive so that they can be asked.

The last few are kept, since who replays one answer soon replays the next.

Locks: `_lock` guards `_kept`; it is not held while compiling, and two callers who want the same set
at once compile it twice.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from consentry.compiler.compile import CompileResult
from consentry.diagnostics.span import Source
from consentry.engine.link import LinkedProgram, Step
from consentry.engine.link import link as engine_link
from consentry.model.program import Program
from consentry.pdp.archive import ArchiveError, PolicyArchive
from consentry.pdp.compile_process import compile_in_child
from consentry.pdp.errors import UnknownPolicySetError
from consentry.pdp.heap import set_aside
from consentry.pdp.pace import Pace
from consentry.pdp.retired import linked_parts_of

MAX_KEPT: Final = 4


class PastPolicies:
    """Linked programs of archived policy sets, by digest; any thread may ask."""

    def __init__(
        self,
        archive: PolicyArchive,
        *,
        compile_apart: Callable[
            [Sequence[Source], Mapping[str, Source]], CompileResult
        ] = compile_in_child,
        link: Callable[[Program, Step], LinkedProgram] = engine_link,
    ) -> None:
        self._archive: Final = archive
        self._compile: Final = compile_apart
        self._link: Final = link
        self._lock: Final = threading.Lock()
        self._kept: dict[str, LinkedProgram] = {}

    def get(self, digest: str) -> LinkedProgram:
        """The set with this digest, compiled as the compiler is today.

        Raises:
            UnknownPolicySetError: it is not in the archive, is damaged, or no longer compiles.
        """
        with self._lock:
            kept = self._kept.get(digest)
        if kept is not None:
            return kept
        try:
            found = self._archive.load(digest)
        except ArchiveError as problem:
            raise UnknownPolicySetError("the policy set is not kept") from problem
        program = self._compile(found.sources, found.packs).program
        if program is None or program.digest != digest:
            raise UnknownPolicySetError("the policy set no longer compiles")
        pace, retired = Pace(), list[object]()
        with set_aside():
            linked = self._link(program, pace.step)
        with self._lock:
            while len(self._kept) >= MAX_KEPT:
                retired += linked_parts_of(self._kept.pop(next(iter(self._kept))))
            self._kept[digest] = linked
        pace.let_go(retired)
        return linked
