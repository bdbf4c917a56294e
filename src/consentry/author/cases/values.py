"""Which values of a fact are worth trying: one for each stretch between two boundaries.

For everything that is compared: the value itself, one just below, one just above, and absence. What
is held against `now` moves with it: a birthday 16 years ago, and the days around. More values than
needed do no harm here: `spaces` drops those that no rule tells apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from ipaddress import IPv4Address, IPv6Address
from itertools import chain, combinations, pairwise
from typing import Final

from consentry.author.cases.questions import SOMEBODY, FactValue, Who, Whom
from consentry.author.cases.reads import Reads
from consentry.model.program import Party
from consentry.model.values import (
    MAX_TIME_US,
    MICROS_PER_DAY,
    MIN_TIME_US,
    Duration,
    datetime_of,
    midnight_us,
    shift_us,
)
from consentry.model.vocabulary import PRINCIPAL_KINDS

MAX_LISTED: Final = 6
"""Most different items of a list of which every subset is tried."""
OTHERS: Final = ("other", "another")


class EndlessError(Exception):
    """A fact has more values that matter than can be tried; the message says why."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A value to try; one with `moved` depends on the instant that is tried."""

    value: FactValue = None
    moved: Callable[[int], FactValue] | None = None

    def at(self, now_us: int) -> FactValue:
        """The value at an instant; None: not said."""
        return self.value if self.moved is None else self.moved(now_us)


ABSENT: Final = Candidate()


def fixed(values: Iterable[FactValue]) -> list[Candidate]:
    """Candidates that are the same at any time."""
    return [Candidate(value) for value in values]


def candidates_of(type_name: str, reads: Reads) -> list[Candidate]:
    """Values to try for an attribute of a type, in the light of what is read together with it.

    Raises:
        EndlessError: too many of them matter.
    """
    if type_name.startswith("list of "):
        return _lists(candidates_of(type_name.removeprefix("list of "), reads), type_name)
    match type_name:
        case "text":
            return fixed(texts(reads))
        case "flag":
            return fixed([False, True])
        case "number":
            return fixed(_numbers(reads.constants))
        case "date":
            return _dates(reads)
        case "time":
            return times(reads)
        case "duration":
            lengths = [c for c in reads.constants if isinstance(c, Duration)] + [*reads.lengths]
            return fixed(_durations(lengths))
        case "ip":
            return fixed(_addresses(reads.constants))
    raise EndlessError(f"nobody knows which values of the type {type_name} matter")


def texts(reads: Reads) -> list[str]:
    """Every text compared with, one for each pattern and each two patterns, and two others."""
    patterns = list(dict.fromkeys(reads.patterns))
    if len(patterns) > 2:
        raise EndlessError("more than two patterns are held against it")
    matching = ["".join(pattern).replace("?", "x") for pattern in patterns]
    if len(patterns) == 2:
        for one, other in (patterns, patterns[::-1]):
            parts = [*one[:-1], *other[1:]] if len(one) > 1 and len(other) > 1 else one
            matching.append("".join(parts).replace("?", "x"))
    constants = [c for c in reads.constants if isinstance(c, str)]
    return list(dict.fromkeys([*OTHERS, *sorted(constants), *matching]))


def _numbers(constants: Iterable[object]) -> list[int | Decimal]:
    """The numbers compared with, one between each two, one below, one above."""
    found = sorted(
        {c for c in constants if isinstance(c, int | Decimal) and not isinstance(c, bool)}
    )
    if not found:
        return [1, 2]
    values = [found[0] - 1]
    for low, high in pairwise(found):
        values += [low, low + 1 if low + 1 < high else (Decimal(low) + Decimal(high)) / 2]
    return [*values, found[-1], found[-1] + 1, found[-1] + 2]


def _durations(lengths: Iterable[Duration]) -> list[Duration]:
    # A request carries exact lengths only.
    micros = _numbers([length.micros for length in lengths if not length.months])
    return [Duration(micros=int(value)) for value in micros]


def _dates(reads: Reads) -> list[Candidate]:
    days = {c for c in reads.constants if isinstance(c, date)}
    days |= {datetime_of(us).date() for us in reads.instants}
    near = {day + timedelta(days=n) for day in days for n in (-1, 0, 1)}
    found = fixed(sorted(near) or [date(1990, 1, 1)])
    for months in sorted(reads.ages):
        found += [_day(Duration(months=months), sign=-1, days=days) for days in (-1, 0, 1)]
    for length in sorted(reads.lengths, key=lambda one: (one.months, one.micros)):
        for sign in (-1, 1):
            found += [_day(length, sign=sign, days=days) for days in range(-4, 5)]
    if reads.lengths or reads.ages or reads.constants:
        found += [_day(Duration(), sign=1, days=days) for days in (-1, 0, 1)]
    return found


def _day(length: Duration, *, sign: int, days: int) -> Candidate:
    def moved(now_us: int) -> FactValue:
        try:
            return datetime_of(shift_us(now_us, length, sign)).date() + timedelta(days=days)
        except (ValueError, OverflowError):
            return date(1990, 1, 1)

    return Candidate(moved=moved)


def times(reads: Reads) -> list[Candidate]:
    """Every instant compared with and those next to it; those at a fixed distance from `now`."""
    instants = set(reads.instants)
    instants |= {midnight_us(c) for c in reads.constants if isinstance(c, date)}
    near = {us + n for us in instants for n in (-1, 0, 1) if MIN_TIME_US <= us + n <= MAX_TIME_US}
    found = fixed(sorted(near))
    lengths = sorted({Duration(), *reads.lengths}, key=lambda one: (one.months, one.micros))
    for length in lengths:
        for sign in (-1, 1):
            steps = [-1, 0, 1]
            if length.months:
                steps += [days * MICROS_PER_DAY for days in (-3, -2, -1, 1, 2, 3)]
            found += [_instant(length, sign=sign, micros=micros) for micros in steps]
    return found


def _instant(length: Duration, *, sign: int, micros: int) -> Candidate:
    def moved(now_us: int) -> FactValue:
        try:
            at_us = shift_us(now_us, length, sign) + micros
        except (ValueError, OverflowError):
            return MIN_TIME_US
        return min(max(at_us, MIN_TIME_US), MAX_TIME_US)

    return Candidate(moved=moved)


def _addresses(constants: Iterable[object]) -> list[IPv4Address | IPv6Address]:
    """First and last address of every network, their neighbours, and one of no network."""
    found: set[IPv4Address | IPv6Address] = {IPv4Address("192.0.2.1")}
    for constant in constants:
        if isinstance(constant, IPv4Address | IPv6Address):
            found.add(constant)
        elif isinstance(constant, tuple) and len(constant) == 3:
            version, first, last = constant
            kind = IPv4Address if version == 4 else IPv6Address
            top = (1 << (32 if version == 4 else 128)) - 1
            found |= {kind(n) for n in (first - 1, first, last, last + 1) if 0 <= n <= top}
    return sorted(found, key=lambda address: (address.version, int(address)))


def subsets(items: Sequence[str], what: str) -> list[tuple[str, ...]]:
    """Every subset, the small ones first.

    Raises:
        EndlessError: there are more than `MAX_LISTED` items.
    """
    if len(items) > MAX_LISTED:
        raise EndlessError(f"{len(items)} {what} are told apart, whose every mixture counts")
    sizes = range(len(items) + 1)
    return list(chain.from_iterable(combinations(items, size) for size in sizes))


def _lists(items: list[Candidate], type_name: str) -> list[Candidate]:
    values = [item.value for item in items if item.moved is None and item.value is not None]
    if type_name == "list of text":
        # One other text will do: a list is only asked which known ones it holds.
        values = [value for value in values if value != OTHERS[1]]
    if len(values) > MAX_LISTED + 1 or len(values) < len(items) - 1:
        raise EndlessError(f"{len(values)} items of a list are told apart")
    sizes = range(len(values) + 1)
    mixtures = chain.from_iterable(combinations(values, size) for size in sizes)
    # Items are scalars, by the name of the type.
    return [Candidate(chosen) for chosen in mixtures]  # type: ignore[arg-type]


# --- those who ask and receive --------------------------------------------------------------------


def principals(parties: Iterable[Party], conditions: Iterable[Reads]) -> list[Candidate]:
    """Everybody whom the parties and the conditions about the principal tell apart."""
    found = list(parties)
    read = list(conditions)
    known = {p.kind for p in found if p.kind in PRINCIPAL_KINDS}
    known |= PRINCIPAL_KINDS & set(_named(read, "principal_kind"))
    ids = _unique(p.name for p in found if p.kind in PRINCIPAL_KINDS and p.name)
    ids = [SOMEBODY, *_unique([*ids, *_named(read, "principal_id")])]
    names = [p.name for p in found if p.kind == "role"]
    roles = _unique([*names, *_named(read, "principal_roles")])
    said_roles = [frozenset(chosen) for chosen in subsets(roles, "roles")]
    # No roles is `not said`; roles that nobody speaks of are.
    said_roles[1:1] = [frozenset({"other"})]
    bodies: list[str | None] = [None]
    names = [p.name for p in found if p.kind == "controller"]
    controllers = _unique([*names, *_named(read, "principal_controller")])
    bodies += ["other", *controllers] if controllers else []
    ranked = sorted(PRINCIPAL_KINDS, key=lambda kind: (kind not in known, kind != "service", kind))
    return [
        Candidate(Who(kind, name, chosen, controller))
        for controller in bodies
        for chosen in said_roles
        for kind in ranked[: len(known) + 1]
        for name in ids
    ]


def recipients(parties: Iterable[Party], conditions: Iterable[Reads]) -> list[Candidate]:
    """Everybody whom the parties and the conditions about the recipient tell apart, and nobody."""
    found = list(parties)
    read = list(conditions)
    names = [p.name for p in found if p.kind not in ("role", "country") and p.name]
    ids = _unique([*names, *_named(read, "recipient_id")])
    names = [p.name for p in found if p.kind == "country"]
    countries = _unique([*names, *_named(read, "recipient_country")])
    names = [p.name for p in found if p.kind == "role"]
    roles = _unique([*names, *_named(read, "recipient_roles")])
    said_roles = [frozenset(chosen) for chosen in subsets(roles, "roles")]
    if roles:
        said_roles[1:1] = [frozenset({"other"})]
    return [
        ABSENT,
        *(
            Candidate(Whom(name, chosen, country))
            for country in (None, "other", *countries)
            for name in (None, "other", *ids)
            for chosen in said_roles
            if name or chosen or country
        ),
    ]


def _named(conditions: Iterable[Reads], fact: str) -> list[str]:
    """Texts that stand in a comparison with one part of the principal or the recipient."""
    return [c for r in conditions if fact in r.facts for c in r.constants if isinstance(c, str)]


def _unique(names: Iterable[str]) -> list[str]:
    return sorted(set(names))
