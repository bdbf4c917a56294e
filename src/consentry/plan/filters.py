"""A filter over people: tests of their attributes, joined by *every* and *some*.

Two-valued and without a *not*: what is negated is negated within a test, and an attribute that is
absent fails every test but `absent`. So each test means the same in Python and in SQL, where a NULL
that no `NOT` can turn round is as good as false.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from consentry.model.operators import like_match
from consentry.model.values import Scalar, Value


class Op(StrEnum):
    """What a test compares, written as in the policy language where that has a word."""

    EQ = "=="
    NE = "!="
    LT = "<"
    LE = "<="
    GT = ">"
    GE = ">="
    IN = "in"
    NOT_IN = "not in"
    LIKE = "like"
    NOT_LIKE = "not like"
    PRESENT = "present"
    ABSENT = "absent"


ORDERS: Final = frozenset({Op.LT, Op.LE, Op.GT, Op.GE})
COMPARISONS: Final = ORDERS | {Op.EQ, Op.NE}
OPPOSITE: Final[Mapping[Op, Op]] = {
    Op.EQ: Op.NE,
    Op.NE: Op.EQ,
    Op.LT: Op.GE,
    Op.LE: Op.GT,
    Op.GT: Op.LE,
    Op.GE: Op.LT,
    Op.IN: Op.NOT_IN,
    Op.NOT_IN: Op.IN,
    Op.LIKE: Op.NOT_LIKE,
    Op.NOT_LIKE: Op.LIKE,
    Op.PRESENT: Op.ABSENT,
    Op.ABSENT: Op.PRESENT,
}


@dataclass(frozen=True, slots=True)
class Holds:
    """One test of the data subject's `attribute` (`country`; `id` is who it is).

    `type` is a type of the language, one that tells how `value` stands: a scalar; a tuple of them
    for `in`; a pattern cut at its `*` for `like`; None for `present` and `absent`. Where `other` is
    set, the attribute of that name stands in `value`'s place.
    """

    attribute: str
    type: str
    op: Op
    value: Value | None = None
    other: str = ""


@dataclass(frozen=True, slots=True)
class Every:
    """All of them; of none: always."""

    items: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """One of them at least; of none: never."""

    items: tuple[Filter, ...]


Filter: TypeAlias = Holds | Every | Some

ALWAYS: Final = Every(())
NEVER: Final = Some(())


def every(items: Iterable[Filter]) -> Filter:
    """All of `items`, flat, each once."""
    return _join(items, Every, Some)


def some(items: Iterable[Filter]) -> Filter:
    """Some of `items`, flat, each once."""
    return _join(items, Some, Every)


def _join(items: Iterable[Filter], kind: type[Every | Some], dual: type[Every | Some]) -> Filter:
    """`items` as one `kind`; an empty one of the `dual` kind decides by itself."""
    kept: dict[Filter, None] = {}
    for item in items:
        if item == dual(()):
            return item
        kept |= dict.fromkeys(item.items if isinstance(item, kind) else (item,))
    # What the other items say already is left out.
    parts = [
        part
        for part in kept
        if not (isinstance(part, dual) and any(one in kept for one in part.items))
    ]
    return parts[0] if len(parts) == 1 else kind(tuple(parts))


def attributes_in(filter_: Filter) -> frozenset[str]:
    """Names of the attributes that the filter looks at."""
    found = set()
    for test in tests_in(filter_):
        found |= {test.attribute, test.other} - {""}
    return frozenset(found)


def tests_in(filter_: Filter) -> Iterator[Holds]:
    """Every test, in order."""
    if isinstance(filter_, Holds):
        yield filter_
        return
    for item in filter_.items:
        yield from tests_in(item)


def selects(filter_: Filter, person: Mapping[str, Value | None]) -> bool:
    """Whether the filter selects a person with these attributes, None or missing where absent."""
    match filter_:
        case Every(items):
            return all(selects(item, person) for item in items)
        case Some(items):
            return any(selects(item, person) for item in items)
    held = person.get(filter_.attribute)
    if filter_.op is Op.ABSENT or held is None:
        return filter_.op is Op.ABSENT and held is None
    if filter_.op is Op.PRESENT:
        return True
    value = person.get(filter_.other) if filter_.other else filter_.value
    return value is not None and _relate(held, filter_.op, value)


def _relate(held: Value, op: Op, value: Value) -> bool:
    match op:
        case Op.EQ:
            return held == value
        case Op.NE:
            return held != value
        case Op.IN | Op.NOT_IN:
            assert isinstance(value, tuple)
            return (held in value) is (op is Op.IN)
        case Op.LIKE | Op.NOT_LIKE:
            return like_match(str(held), _pattern(value)) is (op is Op.LIKE)
    # Values of one attribute have one type, and only types with an order are compared so.
    order = (held > value) - (held < value)  # type: ignore[operator]
    return {Op.LT: order < 0, Op.LE: order <= 0, Op.GT: order > 0, Op.GE: order >= 0}[op]


def _pattern(value: Value | None) -> tuple[str, ...]:
    assert isinstance(value, tuple)
    return tuple(str(part) for part in value)


def scalars(value: Value | None) -> tuple[Scalar, ...]:
    """The values that a test names, one or many."""
    if value is None:
        return ()
    return value if isinstance(value, tuple) else (value,)
