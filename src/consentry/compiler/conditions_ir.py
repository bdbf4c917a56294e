"""What a checked condition becomes before it is code: plain frozen values.

`Px` is a Python expression as data, made only of the shapes below, so that nothing else can ever be
generated; `conditions_python` turns it into a tree of the `ast` module. `Logic` is a formula over
three values whose negations stand at its leaves. Both hash by structure, so equal conditions share
one function.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, TypeAlias

from consentry.diagnostics.span import Span
from consentry.model.tri import FALSE, TRUE, UNKNOWN, Tri
from consentry.model.values import Value


@dataclass(frozen=True, slots=True)
class Fact:
    """`f.<name>`, and `.<part>` of it."""

    name: str
    part: str = ""


@dataclass(frozen=True, slots=True)
class Attribute:
    """`f.<owner>.get("<name>")`."""

    owner: str
    name: str


@dataclass(frozen=True, slots=True)
class Constant:
    """A constant. `kind` keeps `1`, `True` and `Decimal(1)` apart, which are equal to Python.

    Where the value itself cannot be hashed it stands in `table`, and `key` says the same.
    """

    kind: str
    key: object
    table: object = field(default=None, compare=False)

    @property
    def value(self) -> object:
        """What the code sees."""
        return self.key if self.table is None else self.table


@dataclass(frozen=True, slots=True)
class Operator:
    """`<name>(…)` of `model.operators`."""

    name: str
    arguments: tuple[Px, ...]


@dataclass(frozen=True, slots=True)
class Binary:
    """`left OP right`, with OP one of Python's comparisons."""

    op: str
    left: Px
    right: Px


@dataclass(frozen=True, slots=True)
class Loaded:
    """The value of the atom's load number `index`."""

    index: int


Px: TypeAlias = Fact | Attribute | Constant | Operator | Binary | Loaded
FACTS: Final = Fact("")


class Touch(StrEnum):
    """What an atom reads of the ledger."""

    NOTHING = ""
    CONSENT = "consent"  # about the consent that is asked about
    SAID_NO = "said_no"
    JOINT = "jointly"
    CONSENTED = "consented"
    RIGHT = "right"


class Sense(StrEnum):
    """What an atom's being true may do, as the consent polarity allows."""

    FREE = "free"
    NARROWS = "narrows"
    WIDENS = "widens"
    NEITHER = "neither"  # neither order: it may stand nowhere but in an `oblige`


OPPOSITE: Final = {
    Sense.FREE: Sense.FREE,
    Sense.NARROWS: Sense.WIDENS,
    Sense.WIDENS: Sense.NARROWS,
    Sense.NEITHER: Sense.NEITHER,
}


@dataclass(frozen=True, slots=True)
class Atom:
    """The smallest formula.

    Unknown where a load is None; else `test`, which is a Python truth, or one of 0, 1, 2 where
    `is_tri`. Loads are made in order and may use earlier ones. Source places take no part in
    equality: see `Placed`.
    """

    loads: tuple[Px, ...]
    test: Px
    is_tri: bool = False
    is_negated: bool = False
    touch: Touch = Touch.NOTHING
    sense: Sense = Sense.FREE
    flawless: Tri | None = None


class Reading(StrEnum):
    """Parts of the ledger that an atom reads."""

    CONSENT = "consent"
    RIGHTS = "rights"


def find_readings(atom: Atom) -> tuple[frozenset[Reading], frozenset[str]]:
    """Which parts of the ledger an atom reads, and which tracks of rights."""
    readings: set[Reading] = set()
    tracks: set[str] = set()
    stack: list[Px] = [*atom.loads, atom.test]
    while stack:
        px = stack.pop()
        match px:
            case Fact("standing" | "state"):
                readings.add(Reading.CONSENT)
            case Operator("consented"):
                readings.add(Reading.CONSENT)
            case Operator("right_at" | "right_active", (_, Constant(_, track))):
                readings.add(Reading.RIGHTS)
                tracks.add(str(track))
            case Operator(_, arguments):
                stack.extend(arguments)
            case Binary(_, left, right):
                stack.extend((left, right))
            case _:
                pass
    return frozenset(readings), frozenset(tracks)


@dataclass(frozen=True, slots=True)
class Known:
    """A constant truth."""

    value: Tri


@dataclass(frozen=True, slots=True)
class Chain:
    """`and` (all) or `or` (any) over two or more items, evaluated in order."""

    is_all: bool
    items: tuple[Logic, ...]


Logic: TypeAlias = Atom | Known | Chain

ALWAYS: Final = Known(TRUE)
NEVER: Final = Known(FALSE)
UNSURE: Final = Known(UNKNOWN)


def negate(logic: Logic) -> Logic:
    """`not logic`, with the negation carried down to the atoms."""
    if isinstance(logic, Known):
        return Known((TRUE, UNKNOWN, FALSE)[logic.value])
    if isinstance(logic, Chain):
        return Chain(not logic.is_all, tuple(negate(item) for item in logic.items))
    return replace(
        logic,
        is_negated=not logic.is_negated,
        sense=OPPOSITE[logic.sense],
        flawless=None if logic.flawless is None else (TRUE, UNKNOWN, FALSE)[logic.flawless],
    )


def chain(items: tuple[Logic, ...], *, is_all: bool) -> Logic:
    """A chain without constants that do not matter; flat, and shorter where it is decided."""
    absorbing = FALSE if is_all else TRUE
    neutral = TRUE if is_all else FALSE
    kept: list[Logic] = []
    for item in items:
        parts = item.items if isinstance(item, Chain) and item.is_all is is_all else (item,)
        for part in parts:
            if isinstance(part, Known) and part.value == neutral:
                continue
            kept.append(part)
            if isinstance(part, Known) and part.value == absorbing:
                # What stood before could only have been overruled.
                return part
    if not kept:
        return Known(neutral)
    return kept[0] if len(kept) == 1 else Chain(is_all, tuple(kept))


@dataclass(frozen=True, slots=True, kw_only=True)
class Operand:
    """A typed value in a condition.

    `px` gives it at run time, None where absent (only if `can_be_absent`). `constant` is set where
    it is known now. `reads_now` marks expressions of `now`, described by `clock`. A right's time
    has `touch` RIGHT and the `sense` of growing later.
    """

    type: str
    px: Px
    span: Span
    can_be_absent: bool = False
    constant: Value | None = None
    clock: Clock | None = None
    touch: Touch = Touch.NOTHING
    sense: Sense = Sense.FREE


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """How an operand reads `now`.

    Either `now + sign * length` (a time; no length: now itself), or, where `since` is set,
    `sign * (now - since)`, an exact length.
    """

    length: Operand | None = None
    sign: int = 1
    since: Operand | None = None
