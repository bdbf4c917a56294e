"""A warning about conditions of one rule that cannot hold together, so that it never applies.

Looks at what must hold all at once: every `when`, no `unless`, and the parts of `and` in them. It
understands comparisons of a name with constants; whatever else stands there is not judged.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Final

from consentry.compiler.report import Report
from consentry.compiler.rules import LoweredRule, expressions_of
from consentry.diagnostics.span import Span
from consentry.lang.tree import (
    And,
    Compare,
    CompareOp,
    Expr,
    ListLiteral,
    Literal,
    LiteralKind,
    Not,
    Or,
    Ref,
)
from consentry.lang.tree import ClauseWord as W

_Constant = tuple[LiteralKind, object]

_NEGATED: Final = {
    CompareOp.EQ: CompareOp.NE,
    CompareOp.NE: CompareOp.EQ,
    CompareOp.LT: CompareOp.GE,
    CompareOp.LE: CompareOp.GT,
    CompareOp.GT: CompareOp.LE,
    CompareOp.GE: CompareOp.LT,
}
_MIRRORED: Final = {
    CompareOp.EQ: CompareOp.EQ,
    CompareOp.NE: CompareOp.NE,
    CompareOp.LT: CompareOp.GT,
    CompareOp.LE: CompareOp.GE,
    CompareOp.GT: CompareOp.LT,
    CompareOp.GE: CompareOp.LE,
}


def warn_about_conflicts(lowered: LoweredRule, report: Report) -> None:
    """Report the first part of a condition that the parts before it rule out."""
    facts: dict[str, _Allowed] = {}
    truths: dict[Expr, tuple[bool, Span]] = {}
    for expr, is_true in _demands(lowered):
        earlier = truths.setdefault(expr, (is_true, expr.span))
        if earlier[0] is not is_true:
            _warn(lowered, expr.span, earlier[1], report)
            return
        if (found := _reading(expr, is_true=is_true)) is None:
            continue
        name, op, constant = found
        allowed = facts.setdefault(name, _Allowed())
        before = allowed.narrow(op, constant, expr.span)
        if before is not None:
            _warn(lowered, expr.span, before, report)
            return


def _warn(lowered: LoweredRule, span: Span, earlier: Span, report: Report) -> None:
    report.warning(
        "W852",
        f"`{lowered.rule.name}` can never apply",
        span,
        label="this cannot hold together with what stands before",
        related=((earlier, "this rules it out"),),
    )


def _demands(lowered: LoweredRule) -> Iterator[tuple[Expr, bool]]:
    """What must be true, or false, for the rule to apply; chains taken apart."""
    waiting = [(e, True) for e in expressions_of(lowered.clauses.get(W.WHEN, ()))]
    waiting += [(e, False) for e in expressions_of(lowered.clauses.get(W.UNLESS, ()))]
    waiting.reverse()
    while waiting:
        expr, is_true = waiting.pop()
        match expr:
            case And(operands=operands) if is_true:
                waiting += [(one, True) for one in reversed(operands)]
            case Or(operands=operands) if not is_true:
                waiting += [(one, False) for one in reversed(operands)]
            case Not(operand=operand):
                waiting.append((operand, not is_true))
            case _:
                yield expr, is_true


def _reading(expr: Expr, *, is_true: bool) -> tuple[str, CompareOp, tuple[_Constant, ...]] | None:
    """Name, operator and constants of a comparison that can be judged."""
    if not isinstance(expr, Compare):
        return None
    if expr.op is CompareOp.IN:
        if not is_true or not isinstance(expr.left, Ref) or not isinstance(expr.right, ListLiteral):
            return None
        constants = [_constant(item.value) for item in expr.right.items]
        dated = any(item.from_ or item.until for item in expr.right.items)
        listed = tuple(one for one in constants if one is not None)
        if dated or len(listed) < len(constants):
            return None
        return expr.left.name.text, CompareOp.IN, listed
    op: CompareOp = expr.op
    left, right = expr.left, expr.right
    if not isinstance(left, Ref):
        left, op, right = right, _MIRRORED.get(op, op), left
    constant = _constant(right)
    if not isinstance(left, Ref) or constant is None or op not in _NEGATED:
        return None
    return left.name.text, op if is_true else _NEGATED[op], (constant,)


def _constant(expr: Expr) -> _Constant | None:
    """A literal, or a word of the vocabulary: what a name without a dot stands for is fixed."""
    match expr:
        case Literal(kind=LiteralKind.DURATION | LiteralKind.CLOCK):
            return None
        case Literal():
            return expr.kind, expr.value
        case _:
            return None


@dataclass(slots=True)
class _Allowed:
    """What one name may still be, and which part of the condition said so last."""

    values: set[_Constant] | None = None
    excluded: dict[_Constant, Span] = field(default_factory=dict)
    low: tuple[object, bool] | None = None
    high: tuple[object, bool] | None = None
    said: Span | None = None

    def narrow(self, op: CompareOp, constants: tuple[_Constant, ...], span: Span) -> Span | None:
        """Takes one more comparison in; where nothing is left, the place that it contradicts."""
        before = self.said or span
        self.said = span
        if op is CompareOp.NE:
            self.excluded[constants[0]] = span
        elif op in (CompareOp.EQ, CompareOp.IN):
            wanted = set(constants)
            self.values = wanted if self.values is None else self.values & wanted
        else:
            self._bound(op, constants[0][1])
        return before if self._is_empty() and before is not span else None

    def _bound(self, op: CompareOp, value: object) -> None:
        is_strict = op in (CompareOp.LT, CompareOp.GT)
        if op in (CompareOp.GT, CompareOp.GE):
            if self.low is None or _is_less(self.low[0], value):
                self.low = (value, is_strict)
            elif self.low[0] == value:
                self.low = (value, is_strict or self.low[1])
        elif self.high is None or _is_less(value, self.high[0]):
            self.high = (value, is_strict)
        elif self.high[0] == value:
            self.high = (value, is_strict or self.high[1])

    def _is_empty(self) -> bool:
        if self.values is not None:
            return not any(
                one not in self.excluded and self._is_between(one[1]) for one in self.values
            )
        if self.low is None or self.high is None:
            return False
        (low, is_over), (high, is_under) = self.low, self.high
        return _is_less(high, low) or (low == high and (is_over or is_under))

    def _is_between(self, value: object) -> bool:
        low, high = self.low, self.high
        over = low is None or _is_less(low[0], value) or (low[0] == value and not low[1])
        under = high is None or _is_less(value, high[0]) or (high[0] == value and not high[1])
        return over and under


def _is_less(one: object, other: object) -> bool:
    """Whether `one` comes first; false also where the two have no order."""
    if isinstance(one, int | Decimal) and isinstance(other, int | Decimal):
        return one < other
    return isinstance(one, date) and isinstance(other, date) and one < other
