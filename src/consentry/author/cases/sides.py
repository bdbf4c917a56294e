"""One policy set as the cases see it: its rules by the parts that can come out differently."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from consentry.author.cases import reads as dim
from consentry.author.cases.questions import Key
from consentry.author.cases.reads import Reads, reads_of
from consentry.compiler.compile import CompileResult
from consentry.compiler.conditions_ir import Atom
from consentry.compiler.probes import Probe, find_probes
from consentry.engine.bind import check_shape
from consentry.engine.groups import Group
from consentry.engine.house import is_retention_over
from consentry.engine.link import LinkedProgram, link, link_functions
from consentry.engine.linked_rule import LinkedRule
from consentry.engine.matching import match_to, match_via, match_who
from consentry.engine.run import Run, in_force
from consentry.lang.tree import ClauseWord
from consentry.model.consent import ConsentView
from consentry.model.program import Party, Program, Regime, Rule
from consentry.model.request import Request
from consentry.model.trees import DataNode, PurposeNode
from consentry.model.values import Duration

_CONDITIONS: Final = (ClauseWord.WHEN, ClauseWord.UNLESS)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a rule or regime: what it reads, how it comes out, and whose it is."""

    reads: Reads
    ask: Callable[[Run], object]
    owner: str
    regime: str = ""
    parties: tuple[Party, ...] = ()
    atoms: tuple[Atom, ...] = ()
    is_clause: bool = False
    """Whether it is a whole clause of its own: `who`, `via` or `to`."""


class Side:
    """A compiled set; `promise` is the place of one of its promises, its last rule then, a forbid.

    Raises:
        ValueError: the set did not compile.
    """

    def __init__(self, result: CompileResult, promise: int | None = None) -> None:
        if result.program is None or result.book is None:
            raise ValueError("a policy set with errors decides nothing")
        self._book = result.book
        probes = find_probes(result)
        program = result.program
        self._of_rules: Sequence[tuple[Probe, ...]] = probes.rules
        if promise is not None:
            rule = replace(program.promises[promise], index=len(program.rules))
            program = replace(program, rules=(*program.rules, rule))
            self._of_rules = (*probes.rules, probes.promises[promise])
        self._of_exceptions = probes.exceptions
        self._of_regimes = probes.regimes
        self._functions = link_functions(probes.code, probes.constants)
        self.program: Program = program
        self.linked: LinkedProgram = link(program)
        self.declared = frozenset(spec.path for spec in program.attributes)
        self._parts: dict[tuple[bool, int], tuple[Part, ...]] = {}
        self._keeping: dict[tuple[int, Duration], Part] = {}
        self._regime_parts: dict[int, tuple[Part, ...]] = {}

    def purpose(self, key: Key) -> PurposeNode | None:
        """The purpose that a key names, if this set declares it."""
        index = self.program.purpose_names.get(key.purpose)
        return None if index is None else self.program.purposes[index]

    def leaf(self, key: Key) -> DataNode | None:
        """The field that a key names, if this set declares it as one."""
        index = self.program.data_names.get(key.leaf)
        node = None if index is None else self.program.data[index]
        return node if node is not None and node.is_leaf else None

    def group(self, key: Key) -> Group | None:
        """The candidates for a key; None where this set does not know all of its names."""
        purpose, leaf = self.purpose(key), self.leaf(key)
        if purpose is None or leaf is None or key.action not in self.program.actions:
            return None
        return self.linked.group(key.action, purpose.index, leaf.index)

    def run(self, key: Key, request: Request, view: ConsentView, now_us: int) -> Run:
        """An evaluation that parts can be asked in."""
        run = Run(self.linked, request, check_shape(self.linked, request), view, now_us)
        leaf = self.leaf(key)
        assert leaf is not None
        run.turn_to(leaf)
        return run

    def parts(self, rule: LinkedRule, *, is_exception: bool = False) -> tuple[Part, ...]:
        """The parts of a rule, but for what its group is found by."""
        place = (is_exception, rule.index)
        found = self._parts.get(place)
        if found is None:
            found = self._parts[place] = tuple(self._find_parts(rule, is_exception))
        return found

    def parts_of_last(self) -> tuple[Part, ...]:
        """The parts of the last rule, which is the promise where there is one."""
        rule = self.program.rules[-1]
        linked = LinkedRule(rule, self.program, self.linked.functions, self.linked.order)
        return self.parts(linked)

    def keeping_part(self, linked: LinkedRule, purpose: PurposeNode) -> Part | None:
        """Whether data for a purpose is too old for a permit of the house; None: it never is."""
        keep = linked.rule.keep or purpose.keep
        if keep is None:
            return None
        found = self._keeping.get((linked.index, keep))
        if found is None:
            reads = Reads(dims={dim.COLLECTED_AT, dim.NOW}, lengths={keep})
            owner = f"permit {linked.rule.name} at {linked.rule.file}:{linked.rule.line}"
            found = Part(reads, lambda run: is_retention_over(linked, run), owner)
            self._keeping[linked.index, keep] = found
        return found

    def regime_parts(self, regime: Regime) -> tuple[Part, ...]:
        """The parts of what decides whether a regime governs."""
        found = self._regime_parts.get(regime.index)
        if found is None:
            owner = f"regime {regime.name}"
            parts = list(self._dated(regime.from_us, regime.until_us, owner))
            parts += [self._probed(p, regime, owner) for p in self._of_regimes[regime.index]]
            found = self._regime_parts[regime.index] = tuple(parts)
        return found

    def conditions_of(self, rule: Rule, *, is_exception: bool) -> tuple[object, ...]:
        """The conditions of a rule as its author wrote them; equal ones are built alike."""
        book = self._book.exceptions if is_exception else self._book.rules
        clauses = book[rule.index].clauses
        return tuple(
            (clause.word, clause.value) for word in _CONDITIONS for clause in clauses.get(word, ())
        )

    def conditions_of_regime(self, regime: Regime) -> tuple[object, ...]:
        """What `governs` says, as its author wrote it."""
        declared = self._book.declared_regimes[regime.index]
        clauses = () if declared is None else declared.clauses
        return tuple(clause.value for clause in clauses if clause.word is ClauseWord.GOVERNS)

    def _find_parts(self, linked: LinkedRule, is_exception: bool) -> Iterator[Part]:  # noqa: FBT001
        rule = linked.rule
        owner = f"{_word(rule, is_exception)} {rule.name} at {rule.file}:{rule.line}"
        regime = self.program.regimes[rule.regime]
        if linked.who is not None:
            yield _part({dim.PRINCIPAL}, lambda run: match_who(linked, run), owner, rule.who)
        if linked.channels is not None:
            channels = list(linked.channels)
            reads = Reads(dims={dim.CHANNEL}, constants=[*channels])
            yield Part(reads, lambda run: match_via(linked, run), owner, is_clause=True)
        if linked.recipients is not None:
            ask: Callable[[Run], object] = lambda run: match_to(linked, run)  # noqa: E731
            yield _part({dim.RECIPIENT}, ask, owner, rule.recipients)
        yield from self._dated(rule.from_us, rule.until_us, owner)
        for probe in (self._of_exceptions if is_exception else self._of_rules)[rule.index]:
            yield self._probed(probe, regime, owner)

    def _dated(self, from_us: int | None, until_us: int | None, owner: str) -> Iterator[Part]:
        instants = {edge for edge in (from_us, until_us) if edge is not None}
        if instants:
            reads = Reads(dims={dim.NOW}, instants=instants)
            yield Part(reads, lambda run: in_force(run.facts, from_us, until_us), owner)

    def _probed(self, probe: Probe, regime: Regime, owner: str) -> Part:
        test = self._functions[f"c{probe.code}"]

        def ask(run: Run) -> object:
            run.facts.basis = run.facts.purpose.basis_for(regime.name)
            return test(run.facts)

        return Part(
            reads_of(probe.atoms, self.declared), ask, owner, regime.name, atoms=probe.atoms
        )


def _part(
    dims: set[str], ask: Callable[[Run], object], owner: str, parties: tuple[Party, ...] | None
) -> Part:
    return Part(Reads(dims=dims), ask, owner, parties=parties or (), is_clause=True)


def _word(rule: Rule, is_exception: bool) -> str:  # noqa: FBT001
    return "exception" if is_exception else rule.kind.value
