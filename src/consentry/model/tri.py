"""Three truth values, as small integers so that generated code stays fast.

Kleene's strong logic: `and` is the smaller, `or` the larger, `not x` is `2 - x`
(language reference, "Three values").
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

Tri: TypeAlias = Literal[0, 1, 2]

FALSE: Final[Tri] = 0
UNKNOWN: Final[Tri] = 1
TRUE: Final[Tri] = 2

_NOT: Final[tuple[Tri, Tri, Tri]] = (TRUE, UNKNOWN, FALSE)


def tri_not(value: Tri) -> Tri:
    """Negation; unknown stays unknown."""
    return _NOT[value]


def tri_and(left: Tri, right: Tri) -> Tri:
    """Conjunction: the smaller of the two."""
    return min(left, right)


def tri_or(left: Tri, right: Tri) -> Tri:
    """Disjunction: the larger of the two."""
    return max(left, right)
