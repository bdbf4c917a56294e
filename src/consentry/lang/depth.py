"""A bound on how deep an expression's tree may be, so that every reader of trees may recurse."""

from __future__ import annotations

from typing import Final, assert_never

from consentry.lang.problems import Problems
from consentry.lang.tree_expressions import (
    And,
    Arithmetic,
    Between,
    Call,
    Compare,
    Expr,
    Has,
    Is,
    Like,
    ListLiteral,
    Literal,
    Not,
    Or,
    Ref,
)

MAX_DEPTH: Final = 64
# A level takes at least two characters (`+a`, `((`), so a shorter text cannot be too deep.
_SHORTEST_DEEP_TEXT: Final = 2 * MAX_DEPTH


def parts(expression: Expr) -> tuple[Expr, ...]:
    """The expressions that stand directly inside one."""
    match expression:
        case Literal() | Ref() | Has():
            return ()
        case And() | Or():
            return expression.operands
        case Not():
            return (expression.operand,)
        case Compare() | Arithmetic():
            return (expression.left, expression.right)
        case Is() | Like():
            return (expression.left,)
        case Between():
            return (expression.value, expression.low, expression.high)
        case Call():
            return expression.arguments
        case ListLiteral():
            return tuple(item.value for item in expression.items)
        case _:
            assert_never(expression)


def check_depth(expression: Expr, problems: Problems) -> None:
    """Reports the first expression below the limit, without recursion."""
    if expression.span.end - expression.span.start < _SHORTEST_DEEP_TEXT:
        return
    level = [expression]
    for _ in range(MAX_DEPTH):
        level = [part for one in level for part in parts(one)]
        if not level:
            return
    problems.error(
        "P112",
        f"the condition is nested deeper than {MAX_DEPTH} levels",
        level[0].span,
        label="this stands too deep",
        try_this="give a part of it a rule of its own, or use a set",
    )
