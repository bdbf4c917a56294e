"""What a part of a condition reads: dimensions of a case, and constants at which it changes.

A dimension is one thing that a question may say: an attribute by its path, `principal` and
`recipient` as wholes, `channel`, `now`, or `history` (what the ledger holds about the person). What
the action, the field and the purpose are is fixed for a case, and no dimension.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Final
from zoneinfo import ZoneInfo

from consentry.compiler.conditions_ir import (
    FACTS,
    Atom,
    Attribute,
    Binary,
    Constant,
    Fact,
    Operator,
    Px,
)
from consentry.model.values import Duration

PRINCIPAL: Final = "principal"
RECIPIENT: Final = "recipient"
CHANNEL: Final = "channel"
NOW: Final = "now"
HISTORY: Final = "history"
SUBJECT_ID: Final = "subject.id"
RESOURCE_ID: Final = "resource.id"
COLLECTED_AT: Final = "resource.collected_at"
COLLECTED_FOR: Final = "resource.collected_for"
COLLECTED_ON: Final = "resource.collected_on"

_FACTS: Final = {
    "principal_id": PRINCIPAL,
    "principal_kind": PRINCIPAL,
    "principal_roles": PRINCIPAL,
    "principal_controller": PRINCIPAL,
    "recipient_id": RECIPIENT,
    "recipient_roles": RECIPIENT,
    "recipient_country": RECIPIENT,
    "channel": CHANNEL,
    "now_us": NOW,
    "subject_id": SUBJECT_ID,
    "resource_id": RESOURCE_ID,
    "collected_at_us": COLLECTED_AT,
    "collected_for": COLLECTED_FOR,
    "collected_on": COLLECTED_ON,
    "standing": HISTORY,
    "state": HISTORY,
}
# Operators that are given the facts read `now`, but for these.
_TIMELESS: Final = frozenset({"consented", "right_active", "right_at"})
_WITH_AN_OPERATOR: Final = frozenset({"age_compare", "right_compare", "shifted_now"})
_LENGTHS: Final = frozenset({"shift", "shift_date", "sum_durations", "elapsed", "shifted_now"})
# Parts of a consent that a case varies; what else one may say has no end.
_ENDLESS: Final = {
    "data_of": "`consent.data`",
    "recipients_of": "`consent.recipient`",
}


@dataclass(slots=True)
class Reads:
    """What some atoms read, together.

    `facts` are the parts of principal and recipient. `instants` are absolute, in microseconds;
    `lengths` and `ages` (in months) are held against `now`. `obstacles` say what of it has no
    finite number of values.
    """

    dims: set[str] = field(default_factory=set)
    facts: set[str] = field(default_factory=set)
    constants: list[object] = field(default_factory=list)
    patterns: list[tuple[str, ...]] = field(default_factory=list)
    instants: set[int] = field(default_factory=set)
    clocks: set[tuple[str, int, int]] = field(default_factory=set)
    lengths: set[Duration] = field(default_factory=set)
    ages: set[int] = field(default_factory=set)
    tracks: set[str] = field(default_factory=set)
    qualities: set[str] = field(default_factory=set)
    consented: set[tuple[int, frozenset[str]]] = field(default_factory=set)
    data_names: set[str] = field(default_factory=set)
    consent_parts: set[str] = field(default_factory=set)
    obstacles: set[str] = field(default_factory=set)

    @property
    def has_times_of_rights(self) -> bool:
        """Whether it matters when a consent or a right began."""
        return not self.consent_parts.isdisjoint({"right_at", "given_at", "expires_at"})

    @property
    def reads_consent(self) -> bool:
        """Whether the consent to the purpose itself is looked at."""
        return bool(self.qualities or self.consent_parts - {"right_active", "right_at"})

    def join(self, other: Reads) -> None:
        """Adds what `other` reads."""
        self.dims |= other.dims
        self.facts |= other.facts
        self.constants += other.constants
        self.patterns += other.patterns
        self.instants |= other.instants
        self.clocks |= other.clocks
        self.lengths |= other.lengths
        self.ages |= other.ages
        self.tracks |= other.tracks
        self.qualities |= other.qualities
        self.consented |= other.consented
        self.data_names |= other.data_names
        self.consent_parts |= other.consent_parts
        self.obstacles |= other.obstacles


def reads_of(atoms: Iterable[Atom], declared: frozenset[str]) -> Reads:
    """What the atoms read; `declared` are the paths of all declared attributes.

    What nobody declared cannot be sent, so that it is absent in every case.
    """
    reads = Reads()
    for atom in atoms:
        own = Reads()
        for px in (*atom.loads, atom.test):
            _read(px, own, declared)
        if HISTORY in own.dims and (others := own.dims - {HISTORY, NOW}):
            own.obstacles.add(f"`{min(others)}` is held against what a person did")
        if HISTORY in own.dims and (
            own.instants or any(isinstance(c, date) for c in own.constants)
        ):
            # Events are counted back from the instant looked at, so that none lies at a fixed one.
            own.obstacles.add("when a person did something is held against a fixed date")
        reads.join(own)
    return reads


def _read(px: Px, reads: Reads, declared: frozenset[str]) -> None:
    match px:
        case Fact(name, part):
            if (dim := _FACTS.get(name)) is not None:
                reads.dims.add(dim)
                reads.facts.add(name)
            if name == "state":
                reads.consent_parts.add(part)
        case Attribute(owner, name):
            path = f"{owner}.{name}"
            if path in declared and owner != "controller":
                reads.dims.add(path)
        case Constant():
            _read_constant(px, reads)
        case Binary(_, left, right):
            _read(left, reads, declared)
            _read(right, reads, declared)
        case Operator():
            _read_operator(px, reads, declared)
        case _:
            pass


def _read_operator(px: Operator, reads: Reads, declared: frozenset[str]) -> None:
    name, arguments = px.name, px.arguments
    if FACTS in arguments and name not in _TIMELESS:
        reads.dims.add(NOW)
    match name:
        case "right_active" | "right_at":
            reads.dims.add(HISTORY)
            reads.tracks.add(str(_constant(arguments[1])))
            reads.consent_parts.add(name)
            return
        case "consented":
            reads.dims.add(HISTORY)
            qualities = _constant(arguments[2])
            assert isinstance(qualities, frozenset)
            purposes = _constant(arguments[1])
            assert isinstance(purposes, frozenset)
            reads.consented |= {(purpose, qualities) for purpose in purposes}
            return
        case "has_quality":
            reads.dims.add(HISTORY)
            reads.qualities.add(str(_constant(arguments[1])))
            return
        case "names_data":
            reads.dims.add(HISTORY)
            reads.consent_parts.add(name)
            names = _constant(arguments[2])
            assert isinstance(names, frozenset)
            reads.data_names |= names
            return
        case "clock_between":
            zone, low, high = (_constant(argument) for argument in arguments[1:4])
            assert isinstance(zone, ZoneInfo)
            assert isinstance(low, int)
            assert isinstance(high, int)
            reads.clocks.add((zone.key, low, high))
            return
        case "age_compare":
            months = _constant(arguments[-1])
            assert isinstance(months, int)
            reads.ages.add(months)
        case "is_given" | "is_joint" | "given_at" | "expires_at" | "notice_of" | "given_by":
            reads.consent_parts.add(name)
        case _ if name in _ENDLESS:
            reads.obstacles.add(f"{_ENDLESS[name]} may name anything")
        case _ if name in _LENGTHS:
            if not any(isinstance(_constant(one), Duration) for one in arguments):
                reads.obstacles.add("it moves a time by a length that is not fixed")
    rest = arguments[2:] if name in _WITH_AN_OPERATOR else arguments
    if name == "right_compare":
        rest = arguments[1:]
    for argument in rest:
        if argument != FACTS:
            _read(argument, reads, declared)


def _constant(px: Px) -> object:
    return px.value if isinstance(px, Constant) else None


def _read_constant(px: Constant, reads: Reads) -> None:
    value = px.value
    if px.kind == "pattern":
        assert isinstance(value, tuple)
        reads.patterns.append(value)
    elif isinstance(value, Duration):
        reads.lengths.add(value)
    elif isinstance(value, dict) and px.kind.startswith("dated set"):
        reads.constants += value
        for windows in value.values():
            reads.instants |= {edge for window in windows for edge in window if edge is not None}
    elif px.kind == "net":
        assert isinstance(value, tuple)
        for version, first, last, windows in value:
            reads.constants.append((version, first, last))
            reads.instants |= {edge for window in windows for edge in window if edge is not None}
    elif isinstance(value, frozenset):
        reads.constants += value
    elif px.kind not in ("zone", "purpose names", "data names", "lineages"):
        reads.constants.append(value)
        if isinstance(value, int) and not isinstance(value, bool) and px.kind == "time":
            reads.instants.add(value)
