"""The active policy set, and how another takes its place: all of it or nothing.

A set is read, compiled in a child process, linked, archived, and only then published by one
assignment. Whatever fails on the way leaves the last good set in place. Checks read `current` once
and hold on to what they got. Long work is done in short pieces (`pace`), so that checks go on
meanwhile; the set that was replaced is freed in pieces, too.

Locks: `_load_lock` lets one load run at a time; checks never take it. `_queue_lock` guards
`_is_awaited` alone: one further load may wait, and whoever comes while it waits is turned away, for
that one will read what is there now. So a storm of reloads holds two threads and no more, and does
not crowd out those who share their pool.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from consentry.compiler.compile import CompileResult, compile_policies
from consentry.diagnostics.diagnostic import Diagnostic
from consentry.diagnostics.span import Source
from consentry.engine.link import LinkedProgram, Step
from consentry.engine.link import link as engine_link
from consentry.model.ports import Clock
from consentry.model.program import Program
from consentry.model.values import MICROS_PER_SECOND
from consentry.pdp.archive import PolicyArchive
from consentry.pdp.compile_process import compile_in_child
from consentry.pdp.folder import problem
from consentry.pdp.heap import Heap, set_aside
from consentry.pdp.pace import Pace, at_once
from consentry.pdp.retired import linked_parts_of
from consentry.pdp.snapshot import Snapshot
from consentry.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

ReadSources = Callable[[], tuple[tuple[Source, ...], tuple[Diagnostic, ...]]]
Compile = Callable[[Sequence[Source], Mapping[str, Source]], CompileResult]

MAX_VALIDATIONS: Final = 2

# Faults that may pass by themselves: the same files can load later.
PASSING_FAULTS: Final = frozenset(
    {"F503", "F513", "F520", "F521", "F524", "F530", "F546", "F550", "F555", "F556", "F557"}
)
# Warnings that say: this is not known to be what the source has now.
_UNCONFIRMED: Final = frozenset({"F558"})


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadResult:
    """What became of a load. `digest` is of the set that is active now, empty if none is.

    `diagnostics` are those of the files read, `sources` their texts, for rendering.
    """

    is_reloaded: bool
    digest: str
    diagnostics: tuple[Diagnostic, ...] = ()
    sources: tuple[Source, ...] = ()

    @property
    def is_refused(self) -> bool:
        """Whether the files read are not what is active now."""
        return any(found.is_error for found in self.diagnostics)


class PolicyStore:
    """Owns the current snapshot. `current` from any thread; loads one at a time.

    `admit` is asked with the digest of what was read last, just before that becomes or stays
    active; an error that it gives refuses the set. `compile_again` compiles what a reload finds,
    where that is another compiler than the one for what callers want validated.
    """

    def __init__(
        self,
        *,
        read_sources: ReadSources,
        packs: Mapping[str, Source],
        clock: Clock,
        metrics: Metrics | None = None,
        archive: PolicyArchive | None = None,
        max_age_s: float | None = None,
        admit: Callable[[str], tuple[Diagnostic, ...]] = lambda _: (),
        compile_here: Compile = compile_policies,
        compile_apart: Compile = compile_in_child,
        compile_again: Compile | None = None,
        link: Callable[[Program, Step], LinkedProgram] = engine_link,
        settle: Callable[[], None] | None = None,
        pace: Pace | None = None,
    ) -> None:
        self.packs: Final = packs
        self._read_sources = read_sources
        self._clock = clock
        self._metrics = metrics
        self._archive = archive
        self._max_age_us = None if max_age_s is None else int(max_age_s * MICROS_PER_SECOND)
        self._admit = admit
        self._compile_here = compile_here
        self._compile_apart = compile_apart
        self._compile_again = compile_apart if compile_again is None else compile_again
        self._link = link
        self._settle = Heap(clock.monotonic_s).settle if settle is None else settle
        self._pace: Final = Pace() if pace is None else pace
        self._load_lock = threading.Lock()
        self._queue_lock = threading.Lock()
        self._is_awaited = False
        self._validations = threading.BoundedSemaphore(MAX_VALIDATIONS)
        self._current: Snapshot | None = None
        self._is_confirmable = False
        self._confirmed_at_us = 0
        self._listeners: list[Callable[[Snapshot], None]] = []

    @property
    def current(self) -> Snapshot | None:
        """The set that decides now; None before the first load."""
        return self._current

    @property
    def is_load_awaited(self) -> bool:
        """Whether a load waits for its turn; one more would be turned away."""
        return self._is_awaited

    def on_change(self, listener: Callable[[Snapshot], None]) -> None:
        """Call `listener` after each change, in the thread that loaded."""
        self._listeners.append(listener)

    def load_first(self) -> LoadResult:
        """Load at start, when nobody waits for an answer yet."""
        return self._load(self._compile_here, at_once)

    def reload(self) -> LoadResult:
        """Read the source again and take its set if it is another and without errors.

        Answered with F524 while another load waits for its turn: that one reads the source as it is
        now, so nothing is lost.
        """
        with self._queue_lock:
            if self._is_awaited:
                fault = problem("F524", "the policy set is being loaded now")
                return self._refused((fault,), ())
            self._is_awaited = True
        return self._load(self._compile_again, self._pace.step)

    def reload_if_changed(self) -> bool:
        """`reload` for the watcher; False where it failed for a reason that may pass by itself."""
        result = self.reload()
        return not any(found.code in PASSING_FAULTS for found in result.diagnostics)

    def validate(self, sources: Sequence[Source]) -> CompileResult:
        """What compiling these files, instead of the active ones, would say; nothing is loaded.

        At most `MAX_VALIDATIONS` at once: compiling takes a process each, and a queue of them
        would hold up whoever shares its threads. One too many is answered with F524.
        """
        if not self._validations.acquire(blocking=False):
            fault = problem("F524", "other policy sets are being validated now")
            return CompileResult(program=None, diagnostics=(fault,), modules=(), symbols=None)
        try:
            return self._compile_apart(sources, self.packs)
        finally:
            self._validations.release()

    def confirm(self) -> None:
        """Take note that the source still is as last read: if that agreed, it still does."""
        if self._is_confirmable:
            self._confirmed_at_us = self._clock.now_us()

    def is_fresh(self) -> bool:
        """Whether the active set agreed with its source within the operator's maximum age.

        Always true without a maximum. Turns readiness, never answers.
        """
        if self._current is None:
            return False
        if self._max_age_us is None:
            return True
        return self._clock.now_us() - self._confirmed_at_us <= self._max_age_us

    def _load(self, compile_policy_set: Compile, step: Step) -> LoadResult:
        with self._load_lock:
            # INVARIANT: before the source is read, so that whoever was turned away is served by it.
            with self._queue_lock:
                self._is_awaited = False
            began_s = self._clock.monotonic_s()
            result = self._try(compile_policy_set, step)
            outcome = (
                "loaded" if result.is_reloaded else "failed" if result.is_refused else "unchanged"
            )
            is_doubted = any(found.code in _UNCONFIRMED for found in result.diagnostics)
            self._is_confirmable = not (result.is_refused or is_doubted)
            self.confirm()
            if self._metrics is not None:
                self._metrics.policy_load.cell(outcome).add()
            facts = {
                "digest": result.digest,
                "took_ms": round((self._clock.monotonic_s() - began_s) * 1000),
            }
            if outcome == "loaded":
                log.info("policy_loaded", extra=facts)
            elif outcome == "failed":
                first = next(found for found in result.diagnostics if found.is_error)
                where = "" if first.span is None else f"{first.span.file}:{first.span.line}"
                log.error(
                    "policy_refused",
                    extra={**facts, "code": first.code, "title": first.title, "where": where},
                )
            return result

    def _try(self, compile_policy_set: Compile, step: Step) -> LoadResult:
        sources, problems = self._read_sources()
        if any(found.is_error for found in problems):
            return self._refused(problems, sources)
        if (unchanged := self._find_unchanged(sources)) is not None:
            return unchanged
        result = compile_policy_set(sources, self.packs)
        diagnostics = (*problems, *result.diagnostics)
        program = result.program
        if program is None:
            return self._refused(diagnostics, sources)
        try:
            with set_aside():
                linked = self._link(program, step)
        except Exception:
            log.exception("policy_link_failed", extra={"digest": program.digest})
            fault = problem("F523", "the compiled policy set could not be put to use")
            return self._refused((*diagnostics, fault), sources)
        if self._archive is not None:
            try:
                self._archive.keep(program.digest, sources, self.packs, program.compiler_version)
            except OSError as error:
                why = (error.strerror or "unknown error").lower()
                fault = problem("F530", f"the policy set could not be archived: {why}")
                return self._refused((*diagnostics, fault), sources)
        if faults := self._admit(program.digest):
            return self._refused((*diagnostics, *faults), sources)
        self._publish(
            Snapshot(
                program=program,
                linked=linked,
                digest=program.digest,
                loaded_at_us=self._clock.now_us(),
                sources=sources,
                diagnostics=diagnostics,
            )
        )
        return LoadResult(
            is_reloaded=True, digest=program.digest, diagnostics=diagnostics, sources=sources
        )

    def _find_unchanged(self, sources: tuple[Source, ...]) -> LoadResult | None:
        """What a load says whose texts are those of the active set; None where they differ."""
        current = self._current
        if current is None or current.sources != sources:
            return None
        if faults := self._admit(current.digest):
            return self._refused(faults, sources)
        told = tuple(one for one in current.diagnostics if one.code not in _UNCONFIRMED)
        return LoadResult(
            is_reloaded=False, digest=current.digest, diagnostics=told, sources=sources
        )

    def _refused(
        self, diagnostics: tuple[Diagnostic, ...], sources: tuple[Source, ...]
    ) -> LoadResult:
        current = self._current
        return LoadResult(
            is_reloaded=False,
            digest=current.digest if current is not None else "",
            diagnostics=diagnostics,
            sources=sources,
        )

    def _publish(self, snapshot: Snapshot) -> None:
        before = self._current
        retired = [] if before is None else linked_parts_of(before.linked)
        del before
        # INVARIANT: one assignment; a check sees the old set or the new one, never parts of both.
        self._current = snapshot
        if self._metrics is not None:
            self._metrics.set_policy(snapshot.digest)
            loaded_at_s = snapshot.loaded_at_us / MICROS_PER_SECOND
            self._metrics.watch_gauge("policy_loaded_timestamp_seconds", lambda: loaded_at_s)
            self._metrics.watch_gauge(
                "policy_confirmed_timestamp_seconds",
                lambda: self._confirmed_at_us / MICROS_PER_SECOND,
            )
        for listener in self._listeners:
            try:
                listener(snapshot)
            except Exception:  # the set is active whatever its listeners think of it
                log.exception("policy_listener_failed", extra={"digest": snapshot.digest})
        self._settle()
        self._pace.let_go(retired)
