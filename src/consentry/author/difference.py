"""Which decisions change between two policy sets: all of them, by asking both every case.

Questions whose candidate rules are the same in both sets are not asked, nor those that neither set
permits whatever is said; of the others every mixture of facts that a rule of either set can tell
apart (`cases`), from one instant on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from consentry.author.cases.endless import EndlessError
from consentry.author.cases.keys import all_keys
from consentry.author.cases.members import Member, members_of
from consentry.author.cases.questions import Key, required_facts
from consentry.author.cases.reads import Reads
from consentry.author.cases.sameness import Shared, compare, have_one_order, world_print
from consentry.author.cases.sides import Side
from consentry.author.cases.spaces import Asking, Case, Space, build_space, describe, smallest
from consentry.author.prove import Progress
from consentry.compiler.compile import CompileResult
from consentry.engine.evaluate import evaluate
from consentry.engine.link import LinkedProgram
from consentry.model.decision import Effect, Mask
from consentry.model.program import RuleKind
from consentry.model.request import RequestError

REFUSED: Final = "invalid request"
"""Stands for the reason where a set takes no such question."""


class ChangeKind(StrEnum):
    """What became of a decision, from old to new; the first that fits."""

    WIDENED = "widened"
    NARROWED = "narrowed"
    WEAKENED = "weakened"
    STRENGTHENED = "strengthened"
    REASON = "reason"


GRANTS_MORE: Final = frozenset({ChangeKind.WIDENED, ChangeKind.WEAKENED})
"""Changes by which somebody may do more than before."""

CHANGE_TEXTS: Final = {
    ChangeKind.WIDENED: "denied before, permitted now",
    ChangeKind.NARROWED: "permitted before, denied now",
    ChangeKind.WEAKENED: "still permitted, with a weaker mask or a duty less",
    ChangeKind.STRENGTHENED: "still permitted, with a stronger mask or a duty more",
    ChangeKind.REASON: "same answer, for another reason",
}


class Answer(NamedTuple):
    """What can be compared of a decision about one field."""

    effect: Effect
    reason: str
    mask: Mask | None = None
    obligations: frozenset[str] = frozenset()


@dataclass(slots=True)
class Change:
    """All changes of one kind: how many, of which questions, and the first one."""

    kind: ChangeKind
    example: Case
    before: Answer
    after: Answer
    count: int = 0
    keys: dict[Key, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unasked:
    """A question that was not looked at, and why."""

    key: Key
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Every change, by kind; `same_count` questions needed no asking."""

    changes: tuple[Change, ...]
    unasked: tuple[Unasked, ...]
    case_count: int
    question_count: int
    same_count: int

    @property
    def is_granting_more(self) -> bool:
        """Whether anybody may do more than before."""
        return any(change.kind in GRANTS_MORE for change in self.changes)


def find_difference(
    before: CompileResult,
    after: CompileResult,
    *,
    since_us: int,
    limit: int,
    progress: Progress = lambda _done, _total: None,
) -> Difference:
    """Every decision that changes from `since_us` on.

    At most `limit` cases are asked, those of small questions first; questions that do not fit are
    named, and nothing is ever sampled.

    Raises:
        ValueError: one of the sets did not compile.
    """
    sides = (Side(before), Side(after))
    keys, same_count = _changed_keys(sides)
    spaces, unasked = _spaces(sides, keys, since_us, limit)
    search = _Search(sides, sum(space.size for space in spaces), progress)
    for space in spaces:
        search.ask(space)
    order = list(ChangeKind)
    return Difference(
        changes=tuple(sorted(search.changes.values(), key=lambda one: order.index(one.kind))),
        unasked=tuple(unasked),
        case_count=search.done,
        question_count=len(spaces),
        same_count=same_count,
    )


def _changed_keys(sides: Sequence[Side]) -> tuple[list[tuple[Key, Shared]], int]:
    one, other = sides
    is_same_world = have_one_order(one, other) and world_print(one) == world_print(other)
    changed = []
    same = 0
    for weighted in all_keys(sides):
        shared = compare(sides, weighted.key, is_same_world=is_same_world)
        if shared.is_same:
            same += 1
        else:
            changed.append((weighted.key, shared))
    return changed, same


def _spaces(
    sides: Sequence[Side], keys: Sequence[tuple[Key, Shared]], since_us: int, limit: int
) -> tuple[list[Space], list[Unasked]]:
    base = required_facts(*(side.program for side in sides))
    found: list[Space] = []
    unasked: list[Unasked] = []
    for key, shared in keys:
        try:
            _check_comparable(sides, key)
            quiet = _quiet_in(sides, shared)
            told = _told_of_ledger(sides, key, shared)
            found.append(build_space(sides, key, base, since_us, is_quiet=quiet, told=told))
        except EndlessError as problem:
            unasked.append(Unasked(key=key, why=f"not finite: {problem}"))
    found.sort(key=lambda space: space.size)
    room = limit
    for place, space in enumerate(found):
        room -= space.size
        if room < 0:
            why = f"too large: more than {limit:,} cases together"
            unasked += [Unasked(key=s.key, why=f"{why}; {describe(s)}") for s in found[place:]]
            return found[:place], unasked
    return found, unasked


def _quiet_in(sides: Sequence[Side], shared: Shared) -> Callable[[Member], bool]:
    """Rules that both sets share and that permit nothing."""

    def is_quiet(member: Member) -> bool:
        place = 0 if member.side is sides[0] else 1
        return member.kind is not RuleKind.PERMIT and not shared.is_changed(place, member)

    return is_quiet


def _told_of_ledger(sides: Sequence[Side], key: Key, shared: Shared) -> Reads | None:
    """Nothing, where the ledger that permits most shows every change; None: nobody can tell.

    So it is where what changed reads nothing of the ledger and is a forbid or a burden, which work
    on whatever is permitted, or a permit of the house, none of which reads the ledger.
    """
    if not shared.is_same_frame:
        return None
    members = [(n, member) for n, side in enumerate(sides) for member in members_of(side, key)]
    changed = [member for place, member in members if shared.is_changed(place, member)]
    permits = [member for _, member in members if member.is_permit_of_house]
    if any(member.reads_ledger for member in changed):
        return None
    granting = [member for member in changed if member.kind is RuleKind.PERMIT]
    if any(not member.is_permit_of_house for member in granting):
        return None
    if granting and any(member.reads_ledger for member in permits):
        return None
    return Reads()


def _check_comparable(sides: Sequence[Side], key: Key) -> None:
    for side in sides:
        if key.leaf in side.program.data_names and side.leaf(key) is None:
            raise EndlessError(f"`{key.leaf}` is a field in one set and holds fields in the other")


class _Search:
    """Asks both sets and sorts what differs."""

    def __init__(self, sides: Sequence[Side], total: int, progress: Progress) -> None:
        self._before, self._after = (side.linked for side in sides)
        self._total = total
        self._progress = progress
        self.changes: dict[ChangeKind, Change] = {}
        self.done = 0

    def ask(self, space: Space) -> None:
        """Every case of one question."""
        for case, asking in space.cases():
            self.done += 1
            if self.done % 1000 == 0:
                self._progress(self.done, self._total)
            before, after = self._both(asking, case.now_us)
            kind = kind_of_change(before, after)
            if kind is not None:
                self._note(kind, case)

    def _both(self, asking: Asking, now_us: int) -> tuple[Answer, Answer]:
        return answer(self._before, asking, now_us), answer(self._after, asking, now_us)

    def _note(self, kind: ChangeKind, case: Case) -> None:
        change = self.changes.get(kind)
        if change is None:
            example = smallest(case, self._is_change(kind))
            told = self._both(example.ask(), example.now_us)
            change = self.changes[kind] = Change(kind, example, *told)
        change.count += 1
        change.keys[case.key] = change.keys.get(case.key, 0) + 1

    def _is_change(self, kind: ChangeKind) -> Callable[[Case], bool]:
        def is_change(case: Case) -> bool:
            before, after = self._both(case.ask(), case.now_us)
            is_question = REFUSED not in (before.reason, after.reason)
            return is_question and kind_of_change(before, after) is kind

        return is_change


def answer(linked: LinkedProgram, asking: Asking, now_us: int) -> Answer:
    """What a set says to one question about one field."""
    try:
        decision = evaluate(linked, asking.request, asking.view, now_us)
    except RequestError:
        return Answer(Effect.DENY, REFUSED)
    if decision.effect is Effect.DENY:
        return Answer(decision.effect, decision.reason)
    mask = decision.leaves[0].mask
    names = frozenset(obligation.name for obligation in decision.obligations)
    return Answer(decision.effect, decision.reason, mask, names)


def kind_of_change(before: Answer, after: Answer) -> ChangeKind | None:
    """What became of one decision; None where it is the same."""
    if before == after:
        return None
    if before.effect is not after.effect:
        is_granted = after.effect is Effect.PERMIT
        return ChangeKind.WIDENED if is_granted else ChangeKind.NARROWED
    if after.effect is Effect.PERMIT:
        if is_weaker(before.mask, after.mask) or not before.obligations <= after.obligations:
            return ChangeKind.WEAKENED
        if before.mask != after.mask or before.obligations != after.obligations:
            return ChangeKind.STRENGTHENED
    return ChangeKind.REASON


_TOTAL: Final = frozenset({"redact", "null"})


def is_weaker(before: Mask | None, after: Mask | None) -> bool:
    """Whether the new mask may let through something that the old one hid.

    Masks of two kinds hide different things, so that the new one hides less in some respect.
    """
    if before is None or before == after:
        return False
    if after is None:
        return True
    if after.function in _TOTAL:
        return False
    if before.function != after.function:
        return True
    old, new = before.argument or 0, after.argument or 0
    return new % old != 0 if after.function == "round" and old else new > old
