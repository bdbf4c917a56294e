"""Compiles policy texts with the packs that are shipped, and tells what came of it."""

from __future__ import annotations

from collections.abc import Mapping

from consentry.compiler.compile import CompileResult, compile_policies
from consentry.diagnostics.code_samples import EXAMPLES_AT_US
from consentry.diagnostics.diagnostic import Diagnostic
from consentry.diagnostics.span import Source
from consentry.model.program import Program, Rule
from consentry.pdp.sources import read_packs


def compile_text(text: str, packs: Mapping[str, str] | None = None) -> CompileResult:
    """One file, `a.policy`, with the shipped packs and `packs` beside them."""
    return compile_files({"a.policy": text}, packs)


def compile_files(
    files: Mapping[str, str], packs: Mapping[str, str] | None = None
) -> CompileResult:
    """Several files, with the shipped packs and `packs` beside them, as of 2026-06-01."""
    at_hand = dict(read_packs())
    for name, text in (packs or {}).items():
        at_hand[name] = Source(f"packs/{name}.policy", text)
    sources = [Source(name, text) for name, text in files.items()]
    return compile_policies(sources, at_hand, now_us=EXAMPLES_AT_US)


def program_of(result: CompileResult) -> Program:
    """The program; a set that does not compile fails the test with what was wrong."""
    assert result.program is not None, [d.title for d in result.diagnostics]
    return result.program


def rule_named(program: Program, name: str, regime: str = "") -> Rule:
    """The rule of this name, of the house or of a regime."""
    names = [r.name for r in program.regimes]
    return next(r for r in program.rules if r.name == name and names[r.regime] == regime)


def found(result: CompileResult, text: str) -> list[tuple[str, str]]:
    """Code and underlined text of every message about `a.policy`; nothing underlined: empty."""
    return [(d.code, _underlined(d, text)) for d in result.diagnostics]


def _underlined(diagnostic: Diagnostic, text: str) -> str:
    span = diagnostic.span
    return "" if span is None else text[span.start : span.end]
