"""The rules that can matter to one question, and which of them may be kept quiet.

A forbid that two sets share can hide a change and never make one, and of a promise every other rule
that says no is no breach. So where a case can be told in which such a rule does not apply whatever
else is said, no case in which it does is needed, and what only it reads need not be varied.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Final

from consentry.author.cases import reads as dim
from consentry.author.cases.histories import History, mixtures_of_rights
from consentry.author.cases.questions import FactValue, Key, Said, build_request
from consentry.author.cases.sides import Part, Side
from consentry.author.cases.values import Candidate
from consentry.engine.linked_rule import LinkedRule
from consentry.engine.matching import applies
from consentry.model.consent import WIDENING_TRACKS
from consentry.model.program import HOUSE, RuleKind
from consentry.model.request import RequestError
from consentry.model.tri import FALSE

MAX_COMPARED: Final = 4_000
"""Most mixtures of other facts in which two values are compared; beyond, both are kept."""


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """A candidate rule of one set, with what lifts it where it is a forbid."""

    side: Side
    rule: LinkedRule
    exceptions: tuple[LinkedRule, ...] = ()
    keeping: Part | None = None
    """Of a permit of the house: whether the data is too old for it."""

    @property
    def kind(self) -> RuleKind:
        """What the rule does."""
        return self.rule.rule.kind

    @property
    def is_permit_of_house(self) -> bool:
        """Whether it is a permit of the author's own."""
        return self.kind is RuleKind.PERMIT and self.rule.rule.regime == HOUSE

    @property
    def reads_ledger(self) -> bool:
        """Whether consent or rights matter to it, or to what lifts it."""
        return any(dim.HISTORY in part.reads.dims for part in self.parts())

    def parts(self) -> tuple[Part, ...]:
        """All parts, those of what lifts it too."""
        lifting = (self.side.parts(one, is_exception=True) for one in self.exceptions)
        own = self.side.parts(self.rule)
        if self.keeping is not None:
            own = (*own, self.keeping)
        return (*own, *(part for parts in lifting for part in parts))


def members_of(side: Side, key: Key) -> list[Member]:
    """The rules that can make a yes, a no, a mask or a duty of the questions of a key.

    None where the set does not know all names of the key.
    """
    group, purpose = side.group(key), side.purpose(key)
    if group is None or purpose is None:
        return []
    found = [Member(side, rule, keeping=side.keeping_part(rule, purpose)) for rule in group.permits]
    for regime in group.regimes:
        found += [Member(side, rule) for rule in (*regime.permits, *regime.burdens)]
        found += [Member(side, ban.rule, ban.exceptions) for ban in regime.forbids]
    return found


def reads_leaf(member: Member) -> bool:
    """Whether conditions look at which field it is."""
    return any(rule.reads_leaf for rule in (member.rule, *member.exceptions))


class Silence:
    """Looks for facts under which quiet members do not apply; `fixed` and `dropped` tell."""

    def __init__(
        self,
        key: Key,
        base: Said,
        *,
        dims: Mapping[str, Sequence[Candidate]],
        instants: Sequence[int],
        loud: Iterable[Part],
        quiet: Sequence[Member],
        consents: History,
    ) -> None:
        self._consents = consents
        self._key = key
        self._base = base
        self._dims = dims
        self._instants = instants
        loud_parts = list(loud)
        self._loud = {name for part in loud_parts for name in part.reads.dims}
        self._loud_tracks = {track for part in loud_parts for track in part.reads.tracks}
        self._quiet = list(quiet)
        self.fixed: dict[str, Candidate] = {}
        self.dropped: list[Member] = []
        for member in quiet:
            if self._can_be_dropped(member):
                self.dropped.append(member)

    def _can_be_dropped(self, member: Member) -> bool:
        names = _dims_of(member)
        if self._is_silent(member):
            return True
        for name in sorted(names - self._loud - {dim.NOW, dim.HISTORY} - self.fixed.keys()):
            touched = [other for other in self._quiet if name in _dims_of(other)]
            for candidate in self._dims.get(name, ()):
                self.fixed[name] = candidate
                if all(self._is_silent(other) for other in touched):
                    return True
                del self.fixed[name]
        return False

    def _is_silent(self, member: Member) -> bool:
        """Whether the rule does not apply, whatever is said beside what is fixed."""
        histories = self._histories(member)
        wanted = _dims_of(member) - {dim.NOW, dim.HISTORY}
        if not wanted <= self._dims.keys() | self.fixed.keys():
            return False
        names = [name for name in sorted(wanted) if name in self._dims]
        values = [[self.fixed[n]] if n in self.fixed else list(self._dims[n]) for n in names]
        count = prod(len(one) for one in values) * len(histories) * len(self._instants)
        if not histories or count > MAX_COMPARED:
            return False
        return all(
            self._is_false(member, dict(zip(names, chosen, strict=True)), history, now_us)
            for now_us in self._instants
            for history in histories
            for chosen in product(*values)
        )

    def _histories(self, member: Member) -> list[History]:
        """What may be on record where the rule is to be silent; none: nobody can tell.

        Rights that widen and consents to other purposes only make a rule silent that is not, so
        that it is enough to look without them.
        """
        tracks: set[str] = set()
        reads_consent = False
        for part in member.side.parts(member.rule):
            if part.reads.obstacles:
                return []
            reads_consent |= part.reads.reads_consent
            tracks |= part.reads.tracks
        rights = mixtures_of_rights(
            (tracks - WIDENING_TRACKS) & self._loud_tracks, self._key.purpose
        )
        if not reads_consent:
            return rights
        consents = self._consents.happenings
        return [History((*consents, *one.happenings)) for one in rights]

    def _is_false(
        self, member: Member, chosen: Mapping[str, Candidate], history: History, now_us: int
    ) -> bool:
        values: dict[str, FactValue] = dict(self._base)
        values |= {name: candidate.at(now_us) for name, candidate in chosen.items()}
        side, rule = member.side, member.rule
        try:
            request = build_request(self._key, values)
            run = side.run(self._key, request, history.view(now_us), now_us)
        except RequestError:
            return False
        regime = side.program.regimes[rule.rule.regime].name
        run.facts.basis = run.facts.purpose.basis_for(regime)
        for standing in run.ask_ledger(regime, reads_consent=rule.reads_consent):
            run.facts.standing = standing
            if applies(rule, run) != FALSE:
                return False
        return True


def _dims_of(member: Member) -> set[str]:
    return {name for part in member.side.parts(member.rule) for name in part.reads.dims}


def all_parts(members: Iterable[Member]) -> Iterator[tuple[Side, Part]]:
    """The parts of many members, each with its set."""
    for member in members:
        for part in member.parts():
            yield member.side, part
