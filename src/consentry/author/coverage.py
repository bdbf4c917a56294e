"""What policy tests reached: rules with a say, conditions seen both ways, regimes that governed.

- A **rule** is covered by a check in which it did what it is for: a permit held and the field was
  granted, a forbid fired, a mask or a duty came with the answer, an exception lifted.
- A **condition** is the smallest part of a `when`, `unless` or `governs` (what stands between
  `and`, `or` and `not`). It is covered when it came out both true and false; unknown is counted
  beside them. It counts only where the rest of the rule speaks of the question.
- A **regime** is covered when it governed.

A set's own tests are measured against its own rules; those of a pack against the pack's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TypeVar

from consentry.author.observe import Observation, observe
from consentry.compiler.compile import CompileResult
from consentry.compiler.probes import Probe, Probes, find_probes
from consentry.diagnostics.span import Span
from consentry.engine.link import LinkedProgram, link_functions
from consentry.engine.linked_rule import Test
from consentry.model.consent import ConsentView
from consentry.model.decision import Decision, Effect
from consentry.model.facts import Facts
from consentry.model.program import HOUSE, Regime, Rule, RuleKind
from consentry.model.request import Request
from consentry.model.tri import FALSE, TRUE, UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class CoveredRule:
    """One rule: its words, its place, how often it had a say."""

    kind: str
    name: str
    file: str
    line: int
    count: int

    @property
    def is_covered(self) -> bool:
        """Whether some check reached it."""
        return self.count > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CoveredCondition:
    """One part of a condition: whose it is, where it stands, how often it came out how."""

    owner: str
    span: Span
    true_count: int
    false_count: int
    unknown_count: int

    @property
    def missing(self) -> tuple[str, ...]:
        """Which of `true` and `false` was never seen."""
        counts = (("true", self.true_count), ("false", self.false_count))
        return tuple(word for word, count in counts if not count)


@dataclass(frozen=True, slots=True, kw_only=True)
class CoveredRegime:
    """One regime: where it is declared, how often it governed."""

    name: str
    file: str
    line: int
    count: int

    @property
    def is_covered(self) -> bool:
        """Whether it governed some check."""
        return self.count > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """So many of so many."""

    covered: int
    total: int

    @property
    def percent(self) -> float:
        """In hundredths; nothing of nothing is all of it."""
        return 100.0 * self.covered / self.total if self.total else 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What was reached, in the order of the program. Conditions count once for each way."""

    rules: tuple[CoveredRule, ...]
    conditions: tuple[CoveredCondition, ...]
    regimes: tuple[CoveredRegime, ...]

    @property
    def rule_share(self) -> Share:
        """Rules that had a say."""
        return Share(covered=sum(r.is_covered for r in self.rules), total=len(self.rules))

    @property
    def condition_share(self) -> Share:
        """Ways in which conditions came out, two for each."""
        missing = sum(len(condition.missing) for condition in self.conditions)
        total = 2 * len(self.conditions)
        return Share(covered=total - missing, total=total)

    @property
    def regime_share(self) -> Share:
        """Regimes that governed."""
        return Share(covered=sum(r.is_covered for r in self.regimes), total=len(self.regimes))

    @property
    def shares(self) -> tuple[tuple[str, Share], ...]:
        """All three, by name."""
        return (
            ("rules", self.rule_share),
            ("conditions", self.condition_share),
            ("regimes", self.regime_share),
        )

    def merged(self, other: Coverage) -> Coverage:
        """What two sets of tests reached together; what is at one place is one thing."""
        return Coverage(
            rules=_merged(self.rules, other.rules, lambda one: (one.kind, one.file, one.line)),
            conditions=_merged(
                self.conditions, other.conditions, lambda one: (one.span.file, one.span.start)
            ),
            regimes=_merged(self.regimes, other.regimes, lambda one: (one.file, one.line)),
        )

    def is_at_least(self, percent: float) -> bool:
        """Whether each of the three shares reaches `percent`."""
        return all(share.percent >= percent for _, share in self.shares)


_Counted = TypeVar("_Counted", CoveredRule, CoveredCondition, CoveredRegime)


def _merged(
    left: Sequence[_Counted], right: Sequence[_Counted], place: Callable[[_Counted], object]
) -> tuple[_Counted, ...]:
    found = {place(one): one for one in left}
    for one in right:
        known = found.get(place(one))
        found[place(one)] = one if known is None else _sum(known, one)
    return tuple(found.values())


def _sum(left: _Counted, right: _Counted) -> _Counted:
    counts = {
        entry.name: getattr(left, entry.name) + getattr(right, entry.name)
        for entry in fields(left)
        if entry.name.endswith("count")
    }
    return replace(left, **counts)


@dataclass(slots=True)
class _Ways:
    """How often one probe came out false, unknown and true."""

    counts: list[int] = field(default_factory=lambda: [0, 0, 0])


class CoverageRecorder:
    """Collects what checks reach; `pack` measures a law pack's file instead of the author's.

    Raises:
        ValueError: the set did not compile, or uses no pack of that name.
    """

    def __init__(self, result: CompileResult, pack: str | None = None) -> None:
        if result.program is None or result.book is None:
            raise ValueError("a policy set with errors has no coverage")
        self._program = result.program
        self._book = result.book
        self._probes: Probes = find_probes(result)
        self._functions = link_functions(self._probes.code, self._probes.constants)
        house = {module.file for module in result.modules}
        self._files = house if pack is None else _files_of(pack, self._program.file_names, house)
        self._rules = [0] * len(self._program.rules)
        self._exceptions = [0] * len(self._program.exceptions)
        self._regimes = [0] * len(self._program.regimes)
        self._ways: dict[int, _Ways] = {}

    def record(
        self,
        linked: LinkedProgram,
        request: Request,
        view: ConsentView,
        now_us: int,
        decision: Decision,
    ) -> None:
        """Takes one answered question into account."""
        told = _Told(decision)

        def visit_rule(seen: Observation) -> None:
            index = seen.rule.index
            if seen.is_exception:
                self._exceptions[index] += seen.how == TRUE
                probes = self._probes.exceptions[index]
            else:
                self._rules[index] += told.has_a_say(seen)
                probes = self._probes.rules[index]
            if seen.is_addressed:
                self._ask(probes, seen.facts)

        def visit_regime(regime: Regime, facts: Facts, is_governing: bool) -> None:  # noqa: FBT001
            self._regimes[regime.index] += is_governing
            self._ask(self._probes.regimes[regime.index], facts)

        observe(linked, request, view, now_us, visit_rule=visit_rule, visit_regime=visit_regime)

    def coverage(self) -> Coverage:
        """What was reached so far."""
        program, regimes = self._program, self._program.regimes
        rules = []
        conditions: list[CoveredCondition] = []
        places = (
            (program.rules, self._rules, self._probes.rules, ""),
            (program.exceptions, self._exceptions, self._probes.exceptions, "exception"),
        )
        for found, counts, probes, word in places:
            for rule in found:
                if rule.file not in self._files:
                    continue
                covered = _covered_rule(rule, regimes[rule.regime], counts[rule.index], word)
                rules.append(covered)
                owner = f"{covered.kind} {covered.name}"
                conditions += self._conditions(owner, probes[rule.index])
        return Coverage(
            rules=tuple(rules),
            conditions=(*conditions, *self._governing()),
            regimes=tuple(self._covered_regimes()),
        )

    def _covered_regimes(self) -> Iterator[CoveredRegime]:
        for regime, span in self._declared():
            count = self._regimes[regime.index]
            yield CoveredRegime(name=regime.name, file=span.file, line=span.line, count=count)

    def _governing(self) -> Iterator[CoveredCondition]:
        for regime, _ in self._declared():
            yield from self._conditions(f"regime {regime.name}", self._probes.regimes[regime.index])

    def _declared(self) -> Iterator[tuple[Regime, Span]]:
        for regime, declared in zip(self._book.regimes, self._book.declared_regimes, strict=True):
            name = declared.head.name if declared is not None else None
            if name is not None and name.span.file in self._files and regime.index != HOUSE:
                yield regime, name.span

    def _ask(self, probes: Sequence[Probe], facts: Facts) -> None:
        for probe in probes:
            test: Test = self._functions[f"c{probe.code}"]
            self._ways.setdefault(id(probe), _Ways()).counts[test(facts)] += 1

    def _conditions(self, owner: str, probes: Sequence[Probe]) -> Iterator[CoveredCondition]:
        for probe in probes:
            counts = self._ways.get(id(probe), _Ways()).counts
            yield CoveredCondition(
                owner=owner,
                span=probe.span,
                true_count=counts[TRUE],
                false_count=counts[FALSE],
                unknown_count=counts[UNKNOWN],
            )


class _Told:
    """What a decision says, by leaf and rule."""

    def __init__(self, decision: Decision) -> None:
        self._is_permitted = {leaf.data: leaf.effect is Effect.PERMIT for leaf in decision.leaves}
        self._duties = {obligation.name for obligation in decision.obligations}

    def has_a_say(self, seen: Observation) -> bool:
        """Whether the rule did what it is for."""
        rule = seen.rule
        is_permitted = self._is_permitted.get(seen.facts.leaf.path, False)
        match rule.rule.kind:
            case RuleKind.PERMIT:
                return seen.how == TRUE and is_permitted
            case RuleKind.FORBID:
                return seen.how != FALSE and not is_permitted
            case RuleKind.MASK:
                return seen.how != FALSE and is_permitted
            case RuleKind.OBLIGE if rule.on is None:
                return seen.how != FALSE and is_permitted
            case RuleKind.OBLIGE:
                return seen.how != FALSE and rule.obligation.name in self._duties


def _covered_rule(rule: Rule, regime: Regime, count: int, word: str) -> CoveredRule:
    return CoveredRule(
        kind=word or rule.kind.value,
        name=f"{regime.name}.{rule.name}" if regime.name else rule.name,
        file=rule.file,
        line=rule.line,
        count=count,
    )


def _files_of(pack: str, files: Sequence[str], house: set[str]) -> set[str]:
    found = {name for name in files if name not in house and _pack_name(name) == pack}
    if not found:
        known = sorted({_pack_name(name) for name in files if name not in house})
        raise ValueError(f"this set uses no pack `{pack}`; it uses {', '.join(known)}")
    return found


def _pack_name(file: str) -> str:
    return file.rpartition("/")[2].removesuffix(".policy")
