"""The parts of conditions of one policy set, with their texts, for explanations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from consentry.compiler.compile import CompileResult
from consentry.compiler.probes import Probe, find_probes
from consentry.diagnostics.span import Source
from consentry.engine.link import link_functions
from consentry.engine.linked_rule import Test
from consentry.engine.trace import PartsOf
from consentry.model.program import Rule


def condition_parts(result: CompileResult, sources: Mapping[str, Source]) -> PartsOf:
    """What gives the parts of a rule of this very result; `sources` are by name, packs included.

    Raises:
        ValueError: the set did not compile.
    """
    program = result.program
    if program is None:
        raise ValueError("a policy set with errors has no conditions to look into")
    probes = find_probes(result)
    functions = link_functions(probes.code, probes.constants)
    # Rules are told apart by identity: a rule and an exception may have the same place.
    found: dict[int, Sequence[Probe]] = {}
    for rules, parts in (
        (program.rules, probes.rules),
        (program.exceptions, probes.exceptions),
    ):
        found.update((id(rule), parts[rule.index]) for rule in rules)

    def parts_of(rule: Rule) -> Sequence[tuple[str, Test]]:
        return [
            (_text(probe, sources), functions[f"c{probe.code}"])
            for probe in found.get(id(rule), ())
        ]

    return parts_of


def _text(probe: Probe, sources: Mapping[str, Source]) -> str:
    span = probe.span
    source = sources.get(span.file)
    return "" if source is None else " ".join(source.text[span.start : span.end].split())
