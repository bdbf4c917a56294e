"""Reads conditions as the compiler left them: what is known of them now, and what is a person's.

A condition is a formula of `compiler.conditions_ir`. A part that looks at an attribute of the data
subject is *open*; the rest has its value here and now, by the operators that the engine's functions
call.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from consentry.compiler.conditions_ir import (
    Atom,
    Attribute,
    Binary,
    Constant,
    Fact,
    Loaded,
    Operator,
    Px,
)
from consentry.model.facts import Facts
from consentry.model.operators import NAMESPACE
from consentry.model.program import Owner
from consentry.model.tri import FALSE, TRUE, UNKNOWN, Tri, tri_not

SUBJECT: Final = Owner.SUBJECT.value
_ID: Final = "subject_id"
_RELATIONS: Final[Mapping[str, Callable[[Any, Any], object]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": lambda item, items: operator.contains(items, item),
    "is not": operator.is_not,
}


def is_open(px: Px) -> bool:
    """Whether the value hangs on an attribute of the data subject."""
    return bool(subjects_in(px))


def subjects_in(px: Px) -> tuple[str, ...]:
    """Names of the data subject's attributes in `px`, once for each place; `id` is who it is."""
    match px:
        case Attribute(owner, name):
            return (name,) if owner == SUBJECT else ()
        case Fact(name):
            return ("id",) if name == _ID else ()
        case Operator(_, arguments):
            return tuple(name for argument in arguments for name in subjects_in(argument))
        case Binary(_, left, right):
            return subjects_in(left) + subjects_in(right)
    return ()


def value(px: Px, f: Facts, loads: Sequence[object] = ()) -> object:
    """The value of an expression for these facts; `loads` are those of its atom."""
    match px:
        case Fact(name, part):
            found: object = f
            for step in (name, part):
                found = getattr(found, step) if step else found
            return found
        case Attribute(owner, name):
            return getattr(f, owner).get(name)
        case Constant():
            return constant_of(px)
        case Operator(name, arguments):
            return NAMESPACE[name](*(value(argument, f, loads) for argument in arguments))
        case Binary(op, left, right):
            return _RELATIONS[op](value(left, f, loads), value(right, f, loads))
        case Loaded(index):
            return loads[index]


def truth(atom: Atom, f: Facts) -> Tri:
    """The atom's truth for these facts: unknown where a load is absent."""
    loads: list[object] = []
    for load in atom.loads:
        loads.append(value(load, f, loads))
        if loads[-1] is None:
            return UNKNOWN
    result = value(atom.test, f, loads)
    tri: Tri = result if atom.is_tri else TRUE if result else FALSE  # type: ignore[assignment]
    return tri_not(tri) if atom.is_negated else tri


def inlined(atom: Atom) -> tuple[tuple[Px, ...], Px]:
    """The atom's loads and its test without `Loaded`: each stands where it is used."""
    loads: list[Px] = []
    for load in atom.loads:
        loads.append(_put_in(load, loads))
    return tuple(loads), _put_in(atom.test, loads)


def _put_in(px: Px, loads: Sequence[Px]) -> Px:
    match px:
        case Loaded(index):
            return loads[index]
        case Operator(name, arguments):
            return Operator(name, tuple(_put_in(argument, loads) for argument in arguments))
        case Binary(op, left, right):
            return Binary(op, _put_in(left, loads), _put_in(right, loads))
    return px


def folded(px: Px, f: Facts) -> Px:
    """`px` with every part that is not open as a constant; the facts as a whole stay."""
    if isinstance(px, Constant) or px == Fact(""):
        return px
    if not is_open(px):
        return Constant("value", None, _Held(value(px, f)))
    match px:
        case Operator(name, arguments):
            return Operator(name, tuple(folded(argument, f) for argument in arguments))
        case Binary(op, left, right):
            return Binary(op, folded(left, f), folded(right, f))
    return px


class _Held:
    """A value in a constant's table, so that an absent one is told from none."""

    __slots__ = ("content",)

    def __init__(self, content: object) -> None:
        self.content = content


def constant_of(px: Px) -> object:
    """The value of a constant, folded or written."""
    assert isinstance(px, Constant)
    return px.table.content if isinstance(px.table, _Held) else px.value
