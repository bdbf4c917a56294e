"""How large a condition may be. Checked before anything that recurses looks at it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from consentry.diagnostics.span import Span
from consentry.lang.tree import (
    And,
    Arithmetic,
    Between,
    Call,
    Compare,
    Expr,
    Is,
    Like,
    ListLiteral,
    Not,
    Or,
)

MAX_DEPTH: Final = 40
MAX_NODES: Final = 100_000


def find_excess(expr: Expr) -> tuple[str, Span] | None:
    """What is too large about an expression, and where; None if nothing. Does not recurse."""
    stack: list[tuple[Expr, int]] = [(expr, 1)]
    count = 0
    while stack:
        node, depth = stack.pop()
        count += 1
        if depth > MAX_DEPTH:
            return f"a condition nests at most {MAX_DEPTH} deep", node.span
        if count > MAX_NODES:
            return f"a condition has at most {MAX_NODES} parts", node.span
        stack.extend((part, depth + 1) for part in _parts(node))
    return None


def _parts(node: Expr) -> Sequence[Expr]:
    match node:
        case And() | Or():
            return node.operands
        case Not():
            return (node.operand,)
        case Compare() | Arithmetic():
            return (node.left, node.right)
        case Between():
            return (node.value, node.low, node.high)
        case Call():
            return node.arguments
        case Is() | Like():
            return (node.left,)
        case ListLiteral():
            return [item.value for item in node.items]
        case _:
            return ()
