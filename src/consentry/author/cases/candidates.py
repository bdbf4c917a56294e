"""The values to try for every fact that the rules of a case read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias

from consentry.author.cases import reads as dim
from consentry.author.cases.endless import EndlessError
from consentry.author.cases.questions import SOMEBODY, Key
from consentry.author.cases.reads import Reads, reads_of
from consentry.author.cases.sides import Part, Side
from consentry.author.cases.texts import OTHERS
from consentry.author.cases.values import (
    ABSENT,
    Candidate,
    candidates_of,
    fixed,
    principals,
    recipients,
    subsets,
    texts,
    times,
)
from consentry.author.scenario import DATA_SUBJECT_ID
from consentry.compiler.conditions_ir import Atom
from consentry.model.program import AttributeSpec, Party

_PURPOSES: Final = "list of purpose"
_PARTIES: Final = (dim.PRINCIPAL, dim.RECIPIENT)
_PARTS: Final = ("id", "kind", "roles", "controller", "country")
Asked: TypeAlias = "tuple[Side, Part]"


def find_candidates(
    sides: Sequence[Side], asked: Sequence[Asked], key: Key
) -> tuple[dict[str, list[Candidate]], dict[str, str]]:
    """Candidates by dimension, but for `now` and the history; those that say least come first.

    Beside them, for each dimension of which more is told apart than can be tried, why.
    """
    found: dict[str, list[Candidate]] = {}
    endless: dict[str, str] = {}
    for names, parts in _joined(asked):
        reads = Reads()
        for _, part in parts:
            reads.join(part.reads)
        for name in names:
            try:
                found[name] = _candidates(name, reads, sides, parts, key)
            except EndlessError as problem:
                owners = sorted({part.owner for _, part in parts if name in part.reads.dims})
                endless[name] = f"`{name}`: {problem} ({owners[0]})"
    ordered = sorted(found.items(), key=lambda entry: (entry[0] != dim.PRINCIPAL, entry[0]))
    return dict(ordered), endless


def refuse_endless(asked: Iterable[Asked], endless: Mapping[str, str]) -> None:
    """Stops where something is read that may say anything, or more than can be tried.

    Raises:
        EndlessError: it is.
    """
    for _, part in asked:
        for name in sorted(part.reads.dims & endless.keys()):
            raise EndlessError(endless[name])
        for obstacle in sorted(part.reads.obstacles):
            raise EndlessError(f"{obstacle} ({part.owner})")


def _joined(asked: Sequence[Asked]) -> Iterable[tuple[list[str], list[Asked]]]:
    """Dimensions that are compared with one another, directly or by others, and their parts."""
    groups: list[tuple[set[str], list[Asked]]] = []
    for one in asked:
        dims = one[1].reads.dims - {dim.NOW, dim.HISTORY}
        if not dims:
            continue
        touching = [group for group in groups if group[0] & dims]
        groups = [group for group in groups if not group[0] & dims]
        names = dims.union(*(group[0] for group in touching))
        groups.append((names, [part for group in touching for part in group[1]] + [one]))
    return [(sorted(names), parts) for names, parts in groups]


def _candidates(
    name: str, reads: Reads, sides: Sequence[Side], parts: Sequence[Asked], key: Key
) -> list[Candidate]:
    parties = [party for _, part in parts if name in part.reads.dims for party in part.parties]
    conditions = [part.reads for _, part in parts if not part.parties]
    linked = _linked(parts, {f"{name}_{part}" for part in _PARTS} if name in _PARTIES else {name})
    peers = max(len(linked), 1)
    match name:
        case dim.PRINCIPAL:
            return principals(parties, [*conditions, *_shared_texts(reads, linked, parties)], peers)
        case dim.RECIPIENT:
            return recipients(parties, [*conditions, *_shared_texts(reads, linked, parties)], peers)
        case dim.CHANNEL:
            channels = dict.fromkeys(c for side in sides for c in side.program.channels)
            return [ABSENT, *fixed(channels)]
        case dim.SUBJECT_ID:
            return fixed([DATA_SUBJECT_ID, SOMEBODY, *texts(reads, peers)])
        case dim.RESOURCE_ID:
            return [ABSENT, *fixed(texts(reads, peers))]
        case dim.COLLECTED_AT:
            return [ABSENT, *times(reads, peers)]
        case dim.COLLECTED_FOR:
            return [ABSENT, *_purposes(name, parts, key)]
        case dim.COLLECTED_ON:
            bases = sorted({str(c) for c in reads.constants if isinstance(c, str)})
            return [ABSENT, *fixed([OTHERS[0], *bases])]
        case _:
            if any(spec.type == _PURPOSES for spec in _specs(name, sides)):
                return [ABSENT, *_purposes(name, parts, key)]
            return _of_attribute(name, reads, sides, peers, _count_lists(linked, sides))


def _linked(parts: Iterable[Asked], wanted: set[str]) -> set[str]:
    """The facts that are held against one of the `wanted` ones, each other's too; none if none is.

    Those of the principal and of the recipient count one by one.
    """
    found: set[str] = set()
    pairs = [_facts_of(atom, side) for side, part in parts for atom in part.atoms]
    pairs = [facts for facts in pairs if len(facts) > 1]
    reached = set(wanted)
    while near := [facts for facts in pairs if facts & reached and not facts <= found]:
        found |= set().union(*near)
        reached |= found
    return found


def _count_lists(linked: Iterable[str], sides: Sequence[Side]) -> int:
    """How many of the facts are lists; one that is held against nothing is one."""
    lists = [
        path
        for path in linked
        if path.endswith("_roles") or any(s.type.startswith("list") for s in _specs(path, sides))
    ]
    return max(len(lists), 1)


def _facts_of(atom: Atom, side: Side) -> set[str]:
    reads = reads_of([atom], side.declared)
    told = {fact for fact in reads.facts if fact.partition("_")[0] in _PARTIES}
    return (reads.dims - {*_PARTIES, dim.NOW, dim.HISTORY}) | told


def _shared_texts(reads: Reads, linked: set[str], parties: Iterable[Party]) -> list[Reads]:
    """What the principal or the recipient is compared with through other facts."""
    facts = linked & reads.facts
    if not facts:
        return []
    extra = Reads(facts=facts, patterns=reads.patterns)
    extra.constants = [*OTHERS, *(c for c in reads.constants if isinstance(c, str))]
    extra.constants += [party.name for party in parties if party.name]
    return [extra]


def _purposes(name: str, parts: Sequence[Asked], key: Key) -> list[Candidate]:
    """Lists of purposes: every mixture of those compared with, or else of those about this one."""
    names: dict[str, None] = {}
    for side, part in parts:
        if name not in part.reads.dims:
            continue
        purposes = side.program.purposes
        indices = {c for c in part.reads.constants if isinstance(c, int)}
        purpose = side.purpose(key)
        if not indices and purpose is not None:
            # Compared with the purpose itself, or with what may be reused for it.
            indices = {*purpose.lineage, *purpose.reuses}
        names.update(dict.fromkeys(purposes[index].path for index in sorted(indices)))
    chosen = subsets([*names, OTHERS[0]], "purposes")
    return fixed([one for one in chosen if one])


def _specs(path: str, sides: Sequence[Side]) -> list[AttributeSpec]:
    return [spec for side in sides for spec in side.program.attributes if spec.path == path]


def _of_attribute(
    path: str, reads: Reads, sides: Sequence[Side], peers: int, lists: int
) -> list[Candidate]:
    specs = {
        (spec.type, spec.is_optional or spec.default is not None) for spec in _specs(path, sides)
    }
    found: dict[Candidate, None] = {}
    if any(is_optional for _, is_optional in specs):
        found[ABSENT] = None
    for type_name in sorted({type_name for type_name, _ in specs}):
        found.update(dict.fromkeys(candidates_of(type_name, reads, peers, lists)))
    return list(found)
