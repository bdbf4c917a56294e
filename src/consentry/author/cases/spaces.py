"""The cases of one question: every mixture of facts that some rule can tell from the others.

`Space` is made for one key (action, field, purpose) and one or two policy sets. Values of a fact
that every part of every candidate rule answers alike, whatever the other facts are, count as one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from typing import Final, NamedTuple

from consentry.author.cases import reads as dim
from consentry.author.cases.candidates import Asked, find_candidates, refuse_endless
from consentry.author.cases.histories import (
    NOTHING,
    History,
    Other,
    Question,
    every_consent,
    histories_of,
    telling_histories,
)
from consentry.author.cases.instants import instants_of
from consentry.author.cases.members import (
    MAX_COMPARED,
    Member,
    Silence,
    all_parts,
    members_of,
)
from consentry.author.cases.questions import FactValue, Key, Said, build_request
from consentry.author.cases.reads import Reads
from consentry.author.cases.sides import Part, Side
from consentry.author.cases.values import Candidate
from consentry.consent.resolver import SubjectView
from consentry.model.request import Request, RequestError
from consentry.model.tri import TRUE

_NO_EVENTS: Final = SubjectView((), revision=0, position=0, read_at_us=0)


@dataclass(frozen=True, slots=True)
class Case:
    """One question at one instant, with what the ledger holds."""

    key: Key
    said: Said
    now_us: int
    history: History

    def ask(self) -> Asking:
        """The question as a sidecar would be asked it."""
        return Asking(build_request(self.key, self.said), self.history.view(self.now_us))


class Asking(NamedTuple):
    """A case made ready for the engine."""

    request: Request
    view: SubjectView


@dataclass(frozen=True, slots=True)
class Space:
    """All cases of a key. `sizes` are the numbers of values, by dimension."""

    key: Key
    base: Said
    dims: Mapping[str, Sequence[Candidate]]
    instants: Sequence[int]
    histories: Sequence[History]

    @property
    def size(self) -> int:
        """How many cases there are."""
        return prod(self.sizes.values())

    @property
    def sizes(self) -> dict[str, int]:
        """How many values each dimension has."""
        found = {name: len(candidates) for name, candidates in self.dims.items()}
        return {dim.NOW: len(self.instants), dim.HISTORY: len(self.histories), **found}

    def cases(self) -> Iterator[tuple[Case, Asking]]:
        """Every case; the facts that are first tried are those that say least."""
        names = list(self.dims)
        for now_us in self.instants:
            values = [
                list(dict.fromkeys(candidate.at(now_us) for candidate in self.dims[name]))
                for name in names
            ]
            # PERF: one request serves all histories, and one view all requests.
            views = [(history, history.view(now_us)) for history in self.histories]
            for chosen in product(*values):
                said = {**self.base, **dict(zip(names, chosen, strict=True))}
                request = build_request(self.key, said)
                for history, view in views:
                    yield Case(self.key, said, now_us, history), Asking(request, view)


def build_space(
    sides: Sequence[Side],
    key: Key,
    base: Said,
    since_us: int,
    *,
    is_quiet: Callable[[Member], bool],
    told: Reads | None = None,
) -> Space:
    """The space of a key; cases in which quiet rules apply are left out where others do as well.

    With `told` the ledger holds what is enough to look for a yes to which rules that read no more
    of it than is told might say no.

    Raises:
        EndlessError: more is told apart than can be tried.
    """
    members = [member for side in sides for member in members_of(side, key)]
    governing = [
        (side, part)
        for side in sides
        for regime, _ in side.linked.governs
        for part in side.regime_parts(regime)
    ]
    asked = [*governing, *all_parts(members)]
    instants = instants_of([p.reads for _, p in asked if dim.NOW in p.reads.dims], since_us)
    dims, endless = find_candidates(sides, asked, key)
    quiet = [member for member in members if is_quiet(member)]
    loud = [*governing, *all_parts(m for m in members if m not in quiet)]
    silence = Silence(
        key,
        base,
        dims=dims,
        instants=instants,
        loud=[part for _, part in loud],
        quiet=quiet,
        consents=every_consent(_question(sides, key, asked)),
    )
    asked = [*loud, *all_parts(m for m in quiet if m not in silence.dropped)]
    refuse_endless(asked, endless)
    names = {name for _, part in asked for name in part.reads.dims}
    dims = {name: found for name, found in dims.items() if name in names}
    dims |= {name: [candidate] for name, candidate in silence.fixed.items()}
    merging = _Merging(key, base, asked, dims, instants)
    permits = [member for member in members if member.is_permit_of_house]
    for name in dims:
        merging.merge(name)
        dims[name] = merging.grantable(name, permits)
    return Space(
        key=key,
        base=base,
        dims=dims,
        instants=merging.merged_instants(),
        histories=_histories(_question(sides, key, asked), told),
    )


def _question(sides: Sequence[Side], key: Key, asked: Iterable[Asked]) -> Question:
    """What the parts can tell apart about the ledger."""
    reads = Reads()
    others: set[Other] = set()
    consulting: set[str] = set()
    for side, part in asked:
        if dim.HISTORY not in part.reads.dims:
            continue
        reads.join(part.reads)
        if part.reads.reads_consent:
            consulting.add(part.regime)
        for index, qualities in part.reads.consented:
            purpose = side.program.purposes[index]
            others.add(Other(purpose.path, tuple(sorted(qualities)), purpose.notice or ""))
    return Question(
        reads=reads,
        purposes=tuple(p for side in sides if (p := side.purpose(key)) is not None),
        others=tuple(sorted(others)),
        consulting=frozenset(consulting),
        leaves=tuple(leaf for side in sides if (leaf := side.leaf(key)) is not None),
    )


def _histories(question: Question, told: Reads | None) -> list[History]:
    if dim.HISTORY not in question.reads.dims:
        return [NOTHING]
    return histories_of(question) if told is None else telling_histories(question, told)


def describe(space: Space) -> str:
    """Where the most cases come from: the question and its widest facts."""
    key = space.key
    widest = sorted(space.sizes.items(), key=lambda size: -size[1])[:4]
    told = ", ".join(f"{count:,} of {name}" for name, count in widest if count > 1)
    return f"{key.action} {key.leaf} for {key.purpose} alone has {space.size:,}: {told}"


def smallest(case: Case, is_one: Callable[[Case], bool]) -> Case:
    """A case that still `is_one` and says less: facts and events are left out one by one."""
    for happening in case.history.happenings:
        rest = tuple(h for h in case.history.happenings if h is not happening)
        less = replace(case, history=History(rest))
        case = less if is_one(less) else case
    for name in list(case.said):
        said: Said = {k: v for k, v in case.said.items() if k != name}
        less = replace(case, said=said)
        case = less if is_one(less) else case
    return case


class _Merging:
    """Drops values that no part tells apart, and those with which nothing is ever granted."""

    def __init__(
        self,
        key: Key,
        base: Said,
        asked: Sequence[Asked],
        dims: Mapping[str, Sequence[Candidate]],
        instants: Sequence[int],
    ) -> None:
        self._key = key
        self._base = base
        self._asked = asked
        self._dims = {name: list(candidates) for name, candidates in dims.items()}
        self._instants = list(instants)

    def merge(self, name: str) -> None:
        """Keeps one candidate for each way in which the parts answer; the first of its like."""
        candidates = self._dims[name]
        parts = [(side, part) for side, part in self._asked if name in part.reads.dims]
        kept: dict[tuple[object, ...], Candidate] = {}
        for place, candidate in enumerate(candidates):
            signature: list[object] = []
            for side, part in parts:
                others = self._others(part, name)
                if others is None:
                    signature.append(place)
                    continue
                for now_us in self._moments(part):
                    said = {name: candidate.at(now_us)}
                    signature += self._answers(side, part, said, others, now_us)
            kept.setdefault(tuple(signature), candidate)
        self._dims[name] = list(kept.values())

    def grantable(self, name: str, permits: Iterable[Member]) -> list[Candidate]:
        """The candidates with which some permit of the house may still hold.

        With the others every set says no, whatever else is said.
        """
        clauses = [
            (permit.side, [p for p in permit.side.parts(permit.rule) if self._is_about(p, name)])
            for permit in permits
        ]
        return [
            candidate
            for candidate in self._dims[name]
            if any(
                all(
                    answer == TRUE
                    for part in parts
                    for answer in self._answers(
                        side, part, {name: candidate.value}, (), self._instants[0]
                    )
                )
                for side, parts in clauses
            )
        ]

    def _is_about(self, part: Part, name: str) -> bool:
        return part.is_clause and part.reads.dims == {name}

    def merged_instants(self) -> list[int]:
        """One instant for each way in which the parts answer; the first of its like."""
        parts = [(side, part) for side, part in self._asked if len(self._moments(part)) > 1]
        kept: dict[tuple[object, ...], int] = {}
        for place, now_us in enumerate(self._instants):
            signature: list[object] = []
            for side, part in parts:
                others = self._others(part, dim.NOW)
                if others is None:
                    signature.append(place)
                else:
                    signature += self._answers(side, part, {}, others, now_us)
            kept.setdefault(tuple(signature), now_us)
        self._instants = list(kept.values())
        return self._instants

    def _moments(self, part: Part) -> list[int]:
        """All instants where it matters to the part which one it is, else any."""
        is_moving = dim.NOW in part.reads.dims or any(
            candidate.moved is not None
            for name in part.reads.dims
            for candidate in self._dims.get(name, ())
        )
        return self._instants if is_moving else self._instants[:1]

    def _others(self, part: Part, name: str) -> list[str] | None:
        """The other facts that the part reads; None where there are too many mixtures of them."""
        if dim.HISTORY in part.reads.dims:
            return None
        others = [one for one in part.reads.dims if one in self._dims and one != name]
        count = prod(len(self._dims[one]) for one in others) * len(self._moments(part))
        return others if count <= MAX_COMPARED else None

    def _answers(
        self, side: Side, part: Part, said: Said, others: Sequence[str], now_us: int
    ) -> Iterator[object]:
        for chosen in product(*(self._dims[one] for one in others)):
            values: dict[str, FactValue] = {**self._base, **said}
            for one, candidate in zip(others, chosen, strict=True):
                values[one] = candidate.at(now_us)
            try:
                request = build_request(self._key, values)
                yield part.ask(side.run(self._key, request, _NO_EVENTS, now_us))
            except RequestError:
                yield "refused"
