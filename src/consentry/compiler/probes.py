"""The smallest parts of conditions that are true, false or unknown, each as a function of its own.

For tools that look into conditions: coverage asks how each part came out, proofs and differences
find out which values of a fact a part can tell apart. The engine has no use for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from consentry.compiler.clauses import ClauseTable
from consentry.compiler.compile import CompileResult
from consentry.compiler.conditions_check import Checker
from consentry.compiler.conditions_ir import Atom, Chain, Logic
from consentry.compiler.conditions_names import ConditionRole
from consentry.compiler.conditions_problems import Problems
from consentry.compiler.conditions_python import FunctionWriter
from consentry.compiler.rule_book import RuleBook
from consentry.compiler.rules import LoweredRule, expressions_of
from consentry.compiler.symbols import Symbols
from consentry.diagnostics.span import Span
from consentry.lang.tree import And, Expr, Not, Or
from consentry.lang.tree import ClauseWord as W


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One part of a condition: where it stands, its atoms, and the number of its function.

    A part that comes out the same whatever is asked (`purpose is x`, where nothing is x) has none.
    """

    span: Span
    atoms: tuple[Atom, ...]
    code: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Probes:
    """The probes of a policy set, by the index of rule, exception, promise and regime.

    `code` and `constants` are to be linked like those of a program.
    """

    rules: tuple[tuple[Probe, ...], ...]
    exceptions: tuple[tuple[Probe, ...], ...]
    promises: tuple[tuple[Probe, ...], ...]
    regimes: tuple[tuple[Probe, ...], ...]
    code: bytes
    constants: tuple[object, ...]


def find_probes(result: CompileResult) -> Probes:
    """The probes of a set that compiled.

    Raises:
        ValueError: the set did not compile.
    """
    if result.symbols is None or result.book is None:
        raise ValueError("a policy set with errors has no conditions to look into")
    return _Finder(result.symbols, result.book).find()


class _Finder:
    def __init__(self, symbols: Symbols, book: RuleBook) -> None:
        self._symbols = symbols
        self._book = book
        self._writer = FunctionWriter()

    def find(self) -> Probes:
        book = self._book
        rules = self._of_rules(book.rules)
        exceptions = self._of_rules(book.exceptions)
        promises = self._of_rules(book.promises)
        regimes = tuple(
            ()
            if declared is None
            else self._probes(
                expressions_of([c for c in declared.clauses if c.word is W.GOVERNS]), regime.name
            )
            for regime, declared in zip(book.regimes, book.declared_regimes, strict=True)
        )
        code, constants = self._writer.build()
        return Probes(
            rules=rules,
            exceptions=exceptions,
            promises=promises,
            regimes=regimes,
            code=code,
            constants=constants,
        )

    def _of_rules(self, found: Iterable[LoweredRule]) -> tuple[tuple[Probe, ...], ...]:
        regimes = self._book.regimes
        return tuple(
            self._probes(_conditions(lowered.clauses), regimes[lowered.rule.regime].name)
            for lowered in found
        )

    def _probes(self, expressions: Iterable[Expr], regime: str) -> tuple[Probe, ...]:
        # An `oblige` may hold any part of any condition, whatever its polarity.
        checker = Checker(self._symbols, Problems(), regime, ConditionRole.OBLIGE)
        probes = []
        for expression in expressions:
            for part in _parts(expression):
                logic = checker.truth(part)
                if logic is not None:
                    atoms, code = tuple(_atoms(logic)), self._writer.number(logic)
                    probes.append(Probe(span=part.span, atoms=atoms, code=code))
        return tuple(probes)


def _conditions(clauses: ClauseTable) -> tuple[Expr, ...]:
    return expressions_of([*clauses.get(W.WHEN, ()), *clauses.get(W.UNLESS, ())])


def _parts(expression: Expr) -> Iterator[Expr]:
    """What stands between `and`, `or` and `not`, in order."""
    match expression:
        case And() | Or():
            for operand in expression.operands:
                yield from _parts(operand)
        case Not():
            yield from _parts(expression.operand)
        case _:
            yield expression


def _atoms(logic: Logic) -> Iterator[Atom]:
    if isinstance(logic, Atom):
        yield logic
    elif isinstance(logic, Chain):
        for item in logic.items:
            yield from _atoms(item)
