"""Conditions: checked, typed, and turned into functions of three values.

One `ConditionCompiler` serves one policy set. Equal conditions share their functions, so that a set
of many rules with few distinct conditions stays small.
"""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Sequence
from dataclasses import replace

from consentry.compiler.conditions_check import Checker
from consentry.compiler.conditions_ir import (
    Atom,
    Chain,
    Known,
    Logic,
    Reading,
    Sense,
    chain,
    find_readings,
)
from consentry.compiler.conditions_limits import find_excess
from consentry.compiler.conditions_names import LIST_OF_PURPOSE, ConditionRole, Names
from consentry.compiler.conditions_polarity import ROLE_SENSE
from consentry.compiler.conditions_problems import Problems
from consentry.compiler.conditions_python import FunctionWriter
from consentry.compiler.conditions_values import Values
from consentry.compiler.symbols import Symbols
from consentry.diagnostics.diagnostic import Diagnostic
from consentry.lang.print_values import BREAK, expression
from consentry.lang.tree import Expr, ListLiteral
from consentry.model.program import Condition
from consentry.model.tri import FALSE, TRUE, Tri
from consentry.model.values import Scalar, Value

__all__ = ["ConditionCompiler", "ConditionRole"]

_Key = tuple[tuple[Expr, ...], tuple[Expr, ...], str, ConditionRole]


class ConditionCompiler:
    """Compiles the conditions of one policy set; collects diagnostics."""

    def __init__(self, symbols: Symbols) -> None:
        self._symbols = symbols
        self._problems = Problems()
        self._writer = FunctionWriter()
        self._compiled: dict[_Key, Condition] = {}
        self._formulas: dict[int, Logic] = {}

    @property
    def diagnostics(self) -> list[Diagnostic]:
        """Everything found so far, in the order of the calls."""
        return self._problems.diagnostics

    def compile_condition(
        self,
        *,
        whens: Sequence[Expr],
        unlesses: Sequence[Expr],
        regime: str,
        role: ConditionRole,
    ) -> Condition | None:
        """Every `when` and no `unless` as one condition; None if there are none or one is wrong.

        `regime` is the regime in whose text they stand, empty for the house.
        """
        if not whens and not unlesses:
            return None
        # Hashing recurses, and a tree that is too deep is refused below.
        is_small = all(find_excess(expr) is None for expr in (*whens, *unlesses))
        key = (tuple(whens), tuple(unlesses), regime, role)
        if is_small and (known := self._compiled.get(key)) is not None:
            return known
        before = len(self.diagnostics)
        checker = Checker(self._symbols, self._problems, regime, role)
        logic = checker.whole(whens, unlesses)
        if logic is None:
            return None
        # A promise about what is not said is the stronger one, and decides nothing.
        if not regime and role not in (ConditionRole.GOVERNS, ConditionRole.NEVER):
            checker.warn_optional()
        condition = self._condition(logic, role, checker.names, _text(whens, unlesses))
        if len(self.diagnostics) == before:
            # One that was warned about is checked again, so that each place gets its warning.
            self._compiled[key] = condition
        return condition

    def _condition(self, logic: Logic, role: ConditionRole, names: Names, text: str) -> Condition:
        readings = _readings(logic)
        code = self._writer.number(logic)
        self._formulas[code] = logic
        condition = Condition(
            code=code,
            if_consented=code,
            at_best=code,
            at_worst=code,
            reads=tuple(names.reads),
            text=text,
        )
        if not readings:
            return condition
        widens = ROLE_SENSE[role] is Sense.WIDENS
        best, worst = (TRUE, FALSE) if widens else (FALSE, TRUE)
        return replace(
            condition,
            if_consented=self._writer.number(_flawless(logic, best)),
            at_best=self._writer.number(_settled(logic, best)),
            at_worst=self._writer.number(_settled(logic, worst)),
            reads_consent=Reading.CONSENT in readings,
            reads_rights=Reading.RIGHTS in readings,
        )

    def build(self) -> tuple[bytes, tuple[object, ...]]:
        """All functions as marshalled code, and the constants they read."""
        return self._writer.build()

    def pack_formulas(self) -> bytes:
        """The conditions by the numbers of their functions, for `plan.formulas`."""
        # PERF: kept for as long as the program is, and seldom read.
        return zlib.compress(pickle.dumps(self._formulas, pickle.HIGHEST_PROTOCOL))

    def constant(self, expr: Expr, type_name: str) -> Value | None:
        """The value of a constant expression of a type of the language.

        For defaults of attributes, items of sets and facts of tests. None with a diagnostic where
        it is not one. A date serves as a time (its midnight UTC).
        """
        names = Names(self._symbols, self._problems, "", ConditionRole.OBLIGE)
        values = Values(names, self._problems)
        if not type_name.startswith("list of "):
            return values.scalar(expr, type_name)
        if not isinstance(expr, ListLiteral):
            self._problems.error("T317", f"expected a {type_name}", expr.span, "", "write `[…]`")
            return None
        item_type = type_name.removeprefix("list of ")
        if type_name == LIST_OF_PURPOSE:  # as a request names them
            item_type = "text"
        items: list[Scalar] = []
        for item in expr.items:
            value = values.scalar(item.value, item_type)
            if value is not None:
                items.append(value)
        return tuple(items) if len(items) == len(expr.items) else None


def _text(whens: Sequence[Expr], unlesses: Sequence[Expr]) -> str:
    """The clauses as one line of the language."""
    words = [f"when {expression(when)}" for when in whens]
    words += [f"unless {expression(unless)}" for unless in unlesses]
    return " ".join(words).replace(BREAK, " ")


def _readings(logic: Logic) -> frozenset[Reading]:
    if isinstance(logic, Chain):
        return frozenset[Reading]().union(*(_readings(item) for item in logic.items))
    return find_readings(logic)[0] if isinstance(logic, Atom) else frozenset()


def _settled(logic: Logic, value: Tri) -> Logic:
    """Atoms of consent and rights taken as `value`; negations stand inside atoms, so that no
    position turns it round.
    """
    if isinstance(logic, Chain):
        items = tuple(_settled(item, value) for item in logic.items)
        return chain(items, is_all=logic.is_all)
    if isinstance(logic, Atom) and _readings(logic):
        return Known(value)
    return logic


def _flawless(logic: Logic, best: Tri) -> Logic:
    """Atoms of consent as with a consent that nothing is wrong with; where that does not say, as
    permits most.
    """
    if isinstance(logic, Chain):
        items = tuple(_flawless(item, best) for item in logic.items)
        return chain(items, is_all=logic.is_all)
    if Reading.CONSENT in _readings(logic) and isinstance(logic, Atom):
        return Known(best if logic.flawless is None else logic.flawless)
    return logic
