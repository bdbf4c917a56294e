"""From one atom of a condition to a test of a person's attributes.

A date or a time may stand below any operators that keep the order of times (`now - subject.joined >
30 days`, `age(subject.born) < 16 years`): the values for which the atom is true are then spans of
that attribute, whose ends are found by halving. All else has to be a test as it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from consentry.compiler.conditions_ir import Atom, Attribute, Binary, Constant, Fact, Operator, Px
from consentry.model.facts import Facts
from consentry.model.operators import in_dated
from consentry.model.program import AttributeSpec, Owner
from consentry.model.tri import FALSE, TRUE, UNKNOWN, Tri
from consentry.model.values import MAX_TIME_US, MICROS_PER_DAY, MIN_TIME_US, Scalar, Value
from consentry.plan.filters import (
    ALWAYS,
    COMPARISONS,
    NEVER,
    OPPOSITE,
    Filter,
    Holds,
    Op,
    every,
    some,
)
from consentry.plan.ground import constant_of, folded, inlined, subjects_in, truth, value

_ID: Final = AttributeSpec(owner=Owner.SUBJECT, name="id", type="text")
_SCALARS: Final = frozenset({"text", "number", "flag", "date", "time"})
_ORDERED: Final = frozenset({"number", "date", "time"})
_MIRRORED: Final = {Op.LT: Op.GT, Op.LE: Op.GE, Op.GT: Op.LT, Op.GE: Op.LE}
_KEEPS_ORDER: Final = frozenset({"midnight", "shift", "shift_date"})
_NOW: Final[Mapping[str, Op]] = {
    "now_lt": Op.LT,
    "now_le": Op.LE,
    "now_gt": Op.GT,
    "now_ge": Op.GE,
    "now_eq": Op.EQ,
    "now_ne": Op.NE,
}
_NOW_NAMES: Final = {op: name for name, op in _NOW.items()}
_PARTS: Final = {Op.EQ: (Op.LE, Op.GE), Op.NE: (Op.LT, Op.GT)}


class InexpressibleError(Exception):
    """The atom is no test of attributes; its text says why, for a person."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where an atom is true, and where it is true or unknown."""

    certain: Filter
    possible: Filter


_KNOWN: Final[Mapping[Tri, Bounds]] = {
    FALSE: Bounds(NEVER, NEVER),
    UNKNOWN: Bounds(NEVER, ALWAYS),
    TRUE: Bounds(ALWAYS, ALWAYS),
}


class Atoms:
    """Translates the atoms of one program's conditions, for one question."""

    def __init__(self, specs: Mapping[str, AttributeSpec]) -> None:
        self._specs = {**specs, "id": _ID}
        self.reads_clock = False
        """Whether some test's value moves with the time of day, and not only with the date."""
        self.reads_day = False
        """Whether some test's value moves from day to day."""

    def bounds(self, atom: Atom, f: Facts) -> Bounds:
        """What the atom says of a person.

        Raises:
            InexpressibleError: no filter says it.
        """
        loads, test = inlined(atom)
        names = dict.fromkeys(name for px in (*loads, test) for name in subjects_in(px))
        if not names:
            return _KNOWN[truth(atom, f)]
        if any(not subjects_in(load) and value(load, f) is None for load in loads):
            return _KNOWN[UNKNOWN]
        if isinstance(test, Binary) and test.op == "is not":
            (name,) = names
            told = Holds(name, self._spec(name).type, Op.PRESENT)
            return self._two_valued(replace(told, op=Op.ABSENT) if atom.is_negated else told)
        found = self._direct(folded(test, f), f, is_negated=atom.is_negated)
        if found is None:
            found = self._spans(atom, test, f, list(names))
        return self._with_absence(atom, found, f, list(names))

    def _spec(self, name: str) -> AttributeSpec:
        return self._specs[name]

    def _two_valued(self, test: Holds) -> Bounds:
        spec = self._spec(test.attribute)
        if not spec.is_optional or spec.default is not None:
            return _KNOWN[TRUE if test.op is Op.PRESENT else FALSE]
        return Bounds(test, test)

    def _with_absence(self, atom: Atom, found: Bounds, f: Facts, names: list[str]) -> Bounds:
        """Adds what the atom says where an attribute is absent: unknown, or its default."""
        specs = [self._spec(name) for name in names]
        absent = [Holds(s.name, s.type, Op.ABSENT) for s in specs if s.is_optional]
        defaulted = [s for s in specs if s.default is not None]
        if not defaulted:
            return Bounds(found.certain, some([found.possible, *absent]))
        if len(specs) > 1:
            raise InexpressibleError("it compares two attributes of which one has a default")
        (spec,) = specs
        missing = Holds(spec.name, spec.type, Op.ABSENT)
        said = truth(atom, facts_with(f, {spec.name: spec.default}))
        return Bounds(
            some([found.certain, *([missing] if said == TRUE else [])]),
            some([found.possible, *([missing] if said != FALSE else [])]),
        )

    def _direct(self, test: Px, f: Facts, *, is_negated: bool) -> Bounds | None:
        """Of a test that is one as it stands; None where it is none."""
        found: Holds | None = None
        match test:
            case Attribute() | Fact():
                name = self._scalar(test)
                found = None if name is None else Holds(name, "flag", Op.EQ, True)
            case Binary("in", left, Constant() as items):
                found = self._among(left, constant_of(items))
            case Operator("in_dated", (_, left, Constant() as items)):
                dated = constant_of(items)
                assert isinstance(dated, Mapping)
                found = self._among(left, [item for item in dated if in_dated(f, item, dated)])
            case Operator("like_match", (left, Constant() as pattern)):
                name = self._scalar(left)
                parts = constant_of(pattern)
                assert isinstance(parts, tuple)
                found = None if name is None else Holds(name, "text", Op.LIKE, parts)
            case Binary(word, left, right) if word in COMPARISONS:
                found = self._comparison(Op(word), left, right)
        if found is None:
            return None
        if is_negated:
            found = replace(found, op=OPPOSITE[found.op])
        return Bounds(found, found)

    def _scalar(self, px: Px) -> str | None:
        """The attribute that `px` is, if it is one that holds a single value."""
        if not isinstance(px, Attribute | Fact):
            return None
        (name,) = subjects_in(px)
        return name if self._spec(name).type in _SCALARS else None

    def _among(self, px: Px, items: object) -> Holds | None:
        name = self._scalar(px) if subjects_in(px) else None
        if name is None or not isinstance(items, frozenset | tuple | list | Mapping):
            return None
        values: tuple[Scalar, ...] = tuple(sorted(items, key=repr))
        return Holds(name, self._spec(name).type, Op.IN, values)

    def _comparison(self, op: Op, left: Px, right: Px) -> Holds | None:
        if isinstance(left, Constant):
            op, left, right = _MIRRORED.get(op, op), right, left
        name = self._scalar(left)
        if name is None:
            return None
        type_name = self._spec(name).type
        if isinstance(right, Constant):
            held: Value = constant_of(right)  # type: ignore[assignment]  # checked by the compiler
            return Holds(name, type_name, op, held)
        other = self._scalar(right)
        if other is None or self._spec(other).type != type_name:
            return None
        return Holds(name, type_name, op, other=other)

    def _spans(self, atom: Atom, test: Px, f: Facts, names: list[str]) -> Bounds:
        """Of a comparison of what keeps the order of one date or time."""
        spec = self._spec(names[0])
        if len(subjects_in(test)) > 1 or spec.type not in ("date", "time"):
            raise InexpressibleError(f"no filter says this of {spec.type} `{spec.path}`")
        op = _relation_of(test)
        if op is None or not _is_ordered(test):
            raise InexpressibleError(f"it does not keep the order of `{spec.path}`")
        if _reads_now(test):
            self.reads_day = True
            self.reads_clock = self.reads_clock or spec.type == "time"
        if atom.is_negated:
            # Unknown stays unknown, and the rest turns round.
            op = OPPOSITE[op]
        parts = [
            self._spans_of(replace(_related(atom, part), is_negated=False), f, spec)
            for part in _PARTS.get(op, (op,))
        ]
        join = some if op is Op.NE else every
        return Bounds(join(p.certain for p in parts), join(p.possible for p in parts))

    def _spans_of(self, atom: Atom, f: Facts, spec: AttributeSpec) -> Bounds:
        is_date = spec.type == "date"
        first, last = (1, date.max.toordinal()) if is_date else (MIN_TIME_US, MAX_TIME_US)

        def told(at: int) -> Tri:
            return truth(atom, facts_with(f, {spec.name: date.fromordinal(at) if is_date else at}))

        certain, possible = [], []
        for start, end, said in _runs(first, last, told):
            ends: list[Filter] = []
            if start > first:
                ends.append(Holds(spec.name, spec.type, Op.GE, _point(start, is_date=is_date)))
            if end < last:
                ends.append(Holds(spec.name, spec.type, Op.LE, _point(end, is_date=is_date)))
            # Without ends it still takes a value.
            span = every(ends) if ends else Holds(spec.name, spec.type, Op.PRESENT)
            certain += [span] if said == TRUE else []
            possible += [span] if said != FALSE else []
        return Bounds(some(certain), some(possible))


def facts_with(f: Facts, attributes: Mapping[str, Value | None]) -> Facts:
    """The same facts of a person with these attributes; notes of time go nowhere."""
    other = Facts()
    for name in Facts.__slots__:
        if hasattr(f, name):
            setattr(other, name, getattr(f, name))
    other.subject = {name: held for name, held in attributes.items() if held is not None}
    return other


def next_day_us(now_us: int) -> int:
    """The next midnight, UTC: when tests of dates mean something else."""
    return (now_us // MICROS_PER_DAY + 1) * MICROS_PER_DAY


def _point(at: int, *, is_date: bool) -> Scalar:
    return date.fromordinal(at) if is_date else at


def _runs(first: int, last: int, told: Callable[[int], Tri]) -> Iterator[tuple[int, int, Tri]]:
    """Runs of equal truth from `first` to `last`; each truth has one run at most."""
    start = first
    while start <= last:
        said = told(start)
        low, high = start, last
        while low < high:
            middle = (low + high + 1) // 2
            if told(middle) == said:
                low = middle
            else:
                high = middle - 1
        yield start, low, said
        start = low + 1


def _relation_of(test: Px) -> Op | None:
    match test:
        case Binary(op) if op in COMPARISONS:
            return Op(op)
        case Operator("age_compare" | "shifted_now", (_, Constant(_, op), *_)):
            return Op(str(op))
        case Operator(name) if name in _NOW:
            return _NOW[name]
    return None


def _related(atom: Atom, op: Op) -> Atom:
    """The atom with another relation in its test's place."""
    match atom.test:
        case Binary(_, left, right):
            return replace(atom, test=Binary(op.value, left, right))
        case Operator("age_compare" as name, (facts, _, *rest)):
            return replace(atom, test=Operator(name, (facts, Constant("text", op.value), *rest)))
        case Operator(_, arguments):
            return replace(atom, test=Operator(_NOW_NAMES[op], arguments))
    # `shifted_now` is a load, and the test what was loaded.
    loads = tuple(_shifted(load, op) for load in atom.loads)
    return replace(atom, loads=loads)


def _shifted(load: Px, op: Op) -> Px:
    match load:
        case Operator("shifted_now" as name, (facts, _, *rest)):
            return Operator(name, (facts, Constant("text", op.value), *rest))
    return load


def _is_ordered(test: Px) -> bool:
    """Whether what stands on each side of the relation moves one way with the attribute."""
    sides: tuple[Px, ...] = ()
    match test:
        case Binary(_, left, right):
            sides = (left, right)
        case Operator("age_compare", (_, _, born, _)):
            return isinstance(born, Attribute)
        case Operator("shifted_now", (_, _, length, _, at)):
            return not subjects_in(length) and _moves_one_way(at)
        case Operator(_, (_, at)):
            sides = (at,)
    return all(_moves_one_way(side) for side in sides)


def _moves_one_way(px: Px) -> bool:
    match px:
        case Operator(name, (at, *rest)) if subjects_in(px):
            return (
                name in _KEEPS_ORDER
                and _moves_one_way(at)
                and not any(subjects_in(one) for one in rest)
            )
    return True


def _reads_now(px: Px) -> bool:
    match px:
        case Fact(""):
            return True
        case Operator(_, arguments):
            return any(_reads_now(argument) for argument in arguments)
        case Binary(_, left, right):
            return _reads_now(left) or _reads_now(right)
    return False
