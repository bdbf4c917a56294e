"""One policy set, ready to decide: what a single assignment publishes."""

from __future__ import annotations

from dataclasses import dataclass

from consentry.diagnostics.diagnostic import Diagnostic
from consentry.diagnostics.span import Source
from consentry.engine.link import LinkedProgram
from consentry.model.program import Program


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Snapshot:
    """An active policy set; compared by identity, so that two loads are never taken for one.

    `sources` are the files as read, without packs; `diagnostics` are the warnings of its load.
    """

    program: Program
    linked: LinkedProgram
    digest: str
    loaded_at_us: int
    sources: tuple[Source, ...]
    diagnostics: tuple[Diagnostic, ...] = ()
