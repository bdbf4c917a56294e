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
from itertools import chain, combinations, combinations_with_replacement, pairwise
from typing import Final, TypeAlias

from consentry.author.cases.endless import EndlessError
from consentry.author.cases.questions import SOMEBODY, FactValue, Who, Whom
from consentry.author.cases.reads import Reads
from consentry.author.cases.texts import OTHERS, all_texts, other_texts
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
_MAX_DISTANCES: Final = 200


_Way: TypeAlias = tuple[tuple[Duration, int], ...]
"""Lengths of time to go, each forth (1) or back (-1)."""


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


def candidates_of(type_name: str, reads: Reads, peers: int = 1, lists: int = 1) -> list[Candidate]:
    """Values to try for an attribute of a type, in the light of what is read together with it.

    `peers` is how many facts are held against one another, this one counted: that many different
    values are tried between two boundaries, so that every order of the facts is among the cases.
    `lists` of them are lists.

    Raises:
        EndlessError: too many of them matter.
    """
    if type_name.startswith("list of "):
        return _lists(type_name.removeprefix("list of "), reads, peers, lists)
    match type_name:
        case "text":
            return fixed(texts(reads, peers))
        case "flag":
            return fixed([False, True])
        case "number":
            return fixed(_numbers(reads.constants, peers))
        case "date":
            return _dates(reads, peers)
        case "time":
            return times(reads, peers)
        case "duration":
            lengths = [c for c in reads.constants if isinstance(c, Duration)] + [*reads.lengths]
            return fixed(_durations(lengths, peers))
        case "ip":
            return fixed(_addresses(reads.constants, peers))
    raise EndlessError(f"nobody knows which values of the type {type_name} matter")


def texts(reads: Reads, peers: int = 1) -> list[str]:
    """Every text compared with, others, and some of each kind that patterns tell apart.

    Raises:
        EndlessError: the patterns have too many mixtures.
    """
    constants = [c for c in reads.constants if isinstance(c, str)]
    return all_texts(constants, reads.patterns, max(peers, 2))


def _numbers(constants: Iterable[object], peers: int = 1) -> list[int | Decimal]:
    """The numbers compared with, and `peers` between each two, below and above all."""
    found = sorted(
        {c for c in constants if isinstance(c, int | Decimal) and not isinstance(c, bool)}
    )
    if not found:
        return list(range(1, peers + 2))
    values = [found[0] - n for n in range(peers, 0, -1)]
    for low, high in pairwise(found):
        values += [low, *_between(low, high, peers)]
    return [*values, found[-1], *(found[-1] + n for n in range(1, peers + 2))]


def _between(low: int | Decimal, high: int | Decimal, wanted: int) -> list[int | Decimal]:
    if low + wanted < high:
        return [low + n for n in range(1, wanted + 1)]
    step = (Decimal(high) - Decimal(low)) / (wanted + 1)
    return [low + n * step for n in range(1, wanted + 1)]


def _durations(lengths: Iterable[Duration], peers: int) -> list[Duration]:
    # A request carries exact lengths only. Two may be added up and held against a third.
    micros = [0, *(length.micros for length in lengths if not length.months)]
    return [Duration(micros=int(value)) for value in _numbers(micros, peers + 1)]


def _dates(reads: Reads, peers: int) -> list[Candidate]:
    steps = range(-peers, peers + 1)
    days = {c for c in reads.constants if isinstance(c, date)}
    days |= {datetime_of(us).date() for us in reads.instants}
    distances = _distances(reads.lengths, peers)
    near = {
        day + timedelta(days=n)
        for at in days
        for way in distances
        if (day := _moved_day(at, way)) is not None
        for n in (
            steps if not any(length.months for length, _ in way) else range(-3 - peers, 4 + peers)
        )
    }
    found = fixed(sorted(near) or [date(1990, 1, 1)])
    for months in sorted(reads.ages):
        found += [_day(((Duration(months=months), -1),), days=n) for n in steps]
    for way in distances:
        if way:
            found += [_day(way, days=n) for n in range(-3 - peers, 4 + peers)]
    if reads.lengths or reads.ages or reads.constants or peers > 1:
        found += [_day((), days=n) for n in steps]
    return found


def _distances(lengths: Iterable[Duration], peers: int) -> list[_Way]:
    """Every sum of at most `peers` of the lengths, forth or back; none first.

    Facts that are each held against the next at a distance are that far from one another.

    Raises:
        EndlessError: there are too many.
    """
    steps = [(length, sign) for length in sorted(set(lengths), key=_size) for sign in (-1, 1)]
    ways: list[_Way] = [()]
    for size in range(1, peers + 1):
        ways += combinations_with_replacement(steps, size)
        if len(ways) > _MAX_DISTANCES:
            raise EndlessError("facts are held against one another at too many distances")
    return ways


def _size(length: Duration) -> tuple[int, int]:
    return (length.months, length.micros)


def _moved(at_us: int, way: _Way) -> int | None:
    try:
        for length, sign in way:
            at_us = shift_us(at_us, length, sign)
    except (ValueError, OverflowError):
        return None
    return at_us


def _moved_day(day: date, way: _Way) -> date | None:
    at_us = _moved(midnight_us(day), way)
    return None if at_us is None else datetime_of(at_us).date()


def _day(way: _Way, *, days: int) -> Candidate:
    def moved(now_us: int) -> FactValue:
        at_us = _moved(now_us, way)
        if at_us is None:
            return date(1990, 1, 1)
        return datetime_of(at_us).date() + timedelta(days=days)

    return Candidate(moved=moved)


def times(reads: Reads, peers: int = 1) -> list[Candidate]:
    """Every instant compared with and those next to it; those at a fixed distance from `now`."""
    instants = set(reads.instants)
    instants |= {midnight_us(c) for c in reads.constants if isinstance(c, date)}
    near: set[int] = set()
    found: list[Candidate] = []
    for way in _distances(reads.lengths, peers):
        steps = [*range(-peers, peers + 1)]
        if any(length.months for length, _ in way):
            steps += [days * MICROS_PER_DAY for days in (-3, -2, -1, 1, 2, 3)]
        moved = [at_us for us in instants if (at_us := _moved(us, way)) is not None]
        near |= {at_us + n for at_us in moved for n in steps}
        found += [_instant(way, micros=micros) for micros in steps]
    return [*fixed(sorted(us for us in near if MIN_TIME_US <= us <= MAX_TIME_US)), *found]


def _instant(way: _Way, *, micros: int) -> Candidate:
    def moved(now_us: int) -> FactValue:
        at_us = _moved(now_us, way)
        if at_us is None:
            return MIN_TIME_US
        return min(max(at_us + micros, MIN_TIME_US), MAX_TIME_US)

    return Candidate(moved=moved)


def _addresses(constants: Iterable[object], peers: int) -> list[IPv4Address | IPv6Address]:
    """First and last address of every network, so many next to them, and some of no network."""
    first_free = int(IPv4Address("192.0.2.1"))
    edges = {(4, first_free)}
    for constant in constants:
        if isinstance(constant, IPv4Address | IPv6Address):
            edges.add((constant.version, int(constant)))
        elif isinstance(constant, tuple) and len(constant) == 3:
            version, first, last = constant
            edges |= {(version, first), (version, last)}
    found: set[IPv4Address | IPv6Address] = set()
    for version, edge in edges:
        kind = IPv4Address if version == 4 else IPv6Address
        top = (1 << (32 if version == 4 else 128)) - 1
        found |= {kind(n) for n in range(edge - peers, edge + peers + 1) if 0 <= n <= top}
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


def _lists(item_type: str, reads: Reads, peers: int, lists: int) -> list[Candidate]:
    if item_type == "text":
        items = fixed(list_texts(reads, peers, lists))
    else:
        items = candidates_of(item_type, reads, peers)
    values = [item.value for item in items if item.moved is None and item.value is not None]
    if len(values) > MAX_LISTED + 1 or len(values) < len(items) - 1:
        raise EndlessError(f"{len(values)} items of a list are told apart")
    sizes = range(len(values) + 1)
    mixtures = chain.from_iterable(combinations(values, size) for size in sizes)
    # Items are scalars, by the name of the type.
    return [Candidate(chosen) for chosen in mixtures]  # type: ignore[arg-type]


def list_texts(reads: Reads, peers: int, lists: int) -> list[str]:
    """Items of lists: the known ones, and one other. More where lists are held against texts, which
    may all be others, or against lists: of each two it counts whether they share an item, and
    whether either has one alone.
    """
    wanted = 1 + (peers - lists) + 3 * lists * (lists - 1) // 2
    return all_texts([c for c in reads.constants if isinstance(c, str)], reads.patterns, wanted)


# --- those who ask and receive --------------------------------------------------------------------


def principals(
    parties: Iterable[Party], conditions: Iterable[Reads], peers: int = 1
) -> list[Candidate]:
    """Everybody whom the parties and the conditions about the principal tell apart.

    Raises:
        EndlessError: too much is told apart.
    """
    found = list(parties)
    read = list(conditions)
    known = {p.kind for p in found if p.kind in PRINCIPAL_KINDS}
    known |= PRINCIPAL_KINDS & set(_named(read, "principal_kind"))
    names = [p.name for p in found if p.kind in PRINCIPAL_KINDS and p.name]
    ids = _texts_of("principal_id", names, read, peers, (SOMEBODY, *OTHERS))
    names = [p.name for p in found if p.kind == "role"]
    said_roles = _said_roles("principal_roles", names, read)
    bodies: list[str | None] = [None]
    names = [p.name for p in found if p.kind == "controller"]
    if names or _is_read("principal_controller", read):
        bodies += _texts_of("principal_controller", names, read, peers)
    ranked = sorted(PRINCIPAL_KINDS, key=lambda kind: (kind not in known, kind != "service", kind))
    return [
        Candidate(Who(kind, name, chosen, controller))
        for controller in bodies
        for chosen in said_roles
        for kind in ranked[: len(known) + 1]
        for name in ids
    ]


def recipients(
    parties: Iterable[Party], conditions: Iterable[Reads], peers: int = 1
) -> list[Candidate]:
    """Everybody whom the parties and the conditions about the recipient tell apart, and nobody.

    Raises:
        EndlessError: too much is told apart.
    """
    found = list(parties)
    read = list(conditions)
    names = [p.name for p in found if p.kind not in ("role", "country") and p.name]
    ids = _texts_of("recipient_id", names, read, peers)
    names = [p.name for p in found if p.kind == "country"]
    countries = _texts_of("recipient_country", names, read, peers)
    names = [p.name for p in found if p.kind == "role"]
    said_roles = _said_roles("recipient_roles", names, read)
    return [
        ABSENT,
        *(
            Candidate(Whom(name, chosen, country))
            for country in (None, *countries)
            for name in (None, *ids)
            for chosen in said_roles
            if name or chosen or country
        ),
    ]


def _texts_of(
    fact: str,
    names: Iterable[str],
    conditions: Sequence[Reads],
    peers: int,
    others: Sequence[str] = OTHERS,
) -> list[str]:
    """Values of one part of the principal or the recipient; those nobody speaks of come first."""
    patterns = [p for r in conditions if fact in r.facts for p in r.patterns]
    return all_texts([*names, *_named(conditions, fact)], patterns, peers, others)


def _said_roles(
    fact: str, names: Iterable[str], conditions: Sequence[Reads]
) -> list[frozenset[str]]:
    """Every mixture of the roles that are told apart and of one other; none: it is not said."""
    roles = _unique([*names, *_named(conditions, fact)])
    (other,) = other_texts(roles, 1)
    mixtures = [frozenset(chosen) for chosen in subsets(roles, "roles")]
    if not roles and not _is_read(fact, conditions):
        return [frozenset(), frozenset({other})] if fact == "principal_roles" else [frozenset()]
    alone, *more = (mixture | {other} for mixture in mixtures)
    return [mixtures[0], alone, *mixtures[1:], *more]


def _is_read(fact: str, conditions: Iterable[Reads]) -> bool:
    return any(fact in reads.facts for reads in conditions)


def _named(conditions: Iterable[Reads], fact: str) -> list[str]:
    """Texts that stand in a comparison with one part of the principal or the recipient."""
    return [c for r in conditions if fact in r.facts for c in r.constants if isinstance(c, str)]


def _unique(names: Iterable[str]) -> list[str]:
    return sorted(set(names))
