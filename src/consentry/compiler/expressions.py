"""Walks expressions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from consentry.lang.tree import (
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
    Name,
    Not,
    Or,
    Ref,
)


def names_in(expression: Expr) -> Iterator[Name]:
    """All names that an expression mentions as values, in no particular order."""
    waiting: list[Expr] = [expression]
    while waiting:
        match waiting.pop():
            case Ref(name=name) | Has(name=name):
                yield name
            case Is(left=left, name=name):
                yield name
                waiting.append(left)
            case Like(left=left):
                waiting.append(left)
            case And(operands=operands) | Or(operands=operands):
                waiting.extend(operands)
            case Not(operand=operand):
                waiting.append(operand)
            case Compare(left=left, right=right) | Arithmetic(left=left, right=right):
                waiting.extend((left, right))
            case Between(value=value, low=low, high=high):
                waiting.extend((value, low, high))
            case Call(arguments=arguments):
                waiting.extend(arguments)
            case ListLiteral(items=items):
                waiting.extend(item.value for item in items)
            case Literal():
                pass
            case never:
                assert_never(never)
