"""One question about everybody, answered as a filter over people.

Everything but the person is known, so each condition comes down to tests of the person's
attributes; what the ledger says of a person is read through the same view as a check reads. Where
it says the same of two people they share a filter.

A filter is the condition of *permitted*: a permit of the house is certainly true, and each regime
that possibly governs says yes, which is when its forbids are certainly false or lifted and a ground
is certainly true, in some asking.

Source: decision semantics, "Order".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from consentry.compiler.conditions_ir import Atom, Chain, Known, Logic, find_readings, negate
from consentry.consent.resolver import SubjectView
from consentry.engine.bind import check_shape, find_unknowns, leaves_of
from consentry.engine.groups import Group, RegimeGroup
from consentry.engine.house import is_retention_over
from consentry.engine.link import LinkedProgram
from consentry.engine.linked_rule import LinkedRule
from consentry.engine.masks import stricter
from consentry.engine.matching import match_parties
from consentry.engine.run import HOUSE_NAME, Run, in_force
from consentry.model.consent import ConsentView
from consentry.model.decision import Mask, Obligation
from consentry.model.facts import Facts
from consentry.model.program import HOUSE, Condition, Owner, Regime, RuleKind
from consentry.model.request import Request
from consentry.model.trees import DataNode
from consentry.model.tri import FALSE, TRUE
from consentry.model.vocabulary import SUBJECT_UNRESOLVED
from consentry.plan.atoms import Atoms, Bounds, InexpressibleError, next_day_us
from consentry.plan.errors import Obstacle, PlanRefusedError
from consentry.plan.filters import (
    ALWAYS,
    NEVER,
    Filter,
    Holds,
    Op,
    attributes_in,
    every,
    some,
)
from consentry.plan.formulas import Formulas, atoms_in

NOBODY: Final[ConsentView] = SubjectView((), revision=0, position=0, read_at_us=0)
"""What the ledger shows of a person of whom it holds nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """Where a condition is true, true or unknown, and false."""

    certain: Filter
    possible: Filter
    never: Filter


EVERYWHERE: Final = Extent(certain=ALWAYS, possible=ALWAYS, never=NEVER)
NOWHERE: Final = Extent(certain=NEVER, possible=NEVER, never=ALWAYS)
HIDDEN: Final = "?"
"""Starts the name of what stands in for a test that cannot be expressed."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a condition stands."""

    rule: str
    file: str
    line: int


class Duties:
    """All that any of those selected may ask of whoever uses their data.

    Of two masks of one leaf the stricter counts, as if both applied.
    """

    def __init__(self) -> None:
        self.masks: dict[str, Mask] = {}
        self.obligations: dict[Obligation, None] = {}

    def add(self, leaf: str, burdens: Iterable[LinkedRule]) -> None:
        """Adds what the rules bring for a leaf."""
        for rule in burdens:
            if rule.rule.kind is not RuleKind.MASK:
                self.obligations[rule.obligation] = None
            elif (mask := stricter(self.masks.get(leaf), rule.mask)) is not None:
                self.masks[leaf] = mask


class Planner:
    """Plans one question. Not shared between threads.

    Raises:
        RequestError: the question's shape is wrong.
    """

    def __init__(
        self, linked: LinkedProgram, formulas: Formulas, request: Request, now_us: int
    ) -> None:
        self.linked = linked
        self.now_us = now_us
        self._formulas = formulas
        self._request = request
        self._facts = check_shape(linked, request)
        self.unknowns = tuple(
            code for code in find_unknowns(linked.program, request) if code != SUBJECT_UNRESOLVED
        )
        """Reasons for which everybody is denied, as for a check of the same question."""
        specs = {
            spec.name: spec for spec in linked.program.attributes if spec.owner is Owner.SUBJECT
        }
        self._atoms = Atoms(specs)
        required = [s for s in specs.values() if not s.is_optional and s.default is None]
        self._required = every(Holds(s.name, s.type, Op.PRESENT) for s in required)
        self._obstacles: dict[str, Obstacle] = {}
        self._extents: dict[int, Extent] = {}
        self._answers: dict[tuple[object, ...], Filter] = {}
        self._readers: dict[RegimeGroup, tuple[Atom, ...]] = {}
        self._duties = Duties()

    def filter_for(self, view: ConsentView) -> Filter:
        """The filter for people of whom the ledger shows what `view` does.

        Raises:
            PlanRefusedError: a condition that matters cannot be expressed.
        """
        if self.unknowns:
            return NEVER
        run = Run(self.linked, self._request, self._facts, view, self.now_us)
        leaves = leaves_of(self.linked.program, self._request.data)
        self._facts.leaf = leaves[0]
        found = every([self._required, *(self._leaf(run, leaf) for leaf in leaves)])
        hidden = [one for one in sorted(attributes_in(found)) if one in self._obstacles]
        if hidden:
            raise PlanRefusedError(*dict.fromkeys(self._obstacles[one] for one in hidden))
        return found

    @property
    def valid_until_us(self) -> int | None:
        """The first instant at which some filter could be another, for what was planned so far."""
        horizon = self._facts.horizon_us
        if self._atoms.reads_clock:
            return self.now_us
        if self._atoms.reads_day:
            day = next_day_us(self.now_us)
            return day if horizon is None else min(horizon, day)
        return horizon

    @property
    def duties(self) -> Duties:
        """What whoever uses the data of those selected so far has to do."""
        return self._duties

    def _leaf(self, run: Run, leaf: DataNode) -> Filter:
        run.turn_to(leaf)
        facts = run.facts
        group = self.linked.group(facts.action, facts.purpose.index, leaf.index)
        permit = self._permit(run, group)
        if permit == NEVER:
            return NEVER
        return every([permit, self._yes(run, group.house), self._laws(run, group)])

    def _permit(self, run: Run, group: Group) -> Filter:
        """Where some permit of the house certainly holds."""
        facts = run.facts
        facts.basis = group.house.basis
        found = []
        for rule in group.permits:
            if facts.collected_at_us is not None and is_retention_over(rule, run):
                continue
            if not rule.reads_ledger:
                found.append(self._certain(rule, run))
                continue
            for standing in run.ask_ledger(HOUSE_NAME, reads_consent=rule.reads_consent):
                facts.standing = standing
                found.append(self._certain(rule, run))
        return some(found)

    def _laws(self, run: Run, group: Group) -> Filter:
        """Where every regime that governs says yes, and one does govern."""
        parts: list[Filter] = []
        governing: list[Filter] = []
        fallbacks: list[Regime] = []
        for regime, _ in self.linked.governs:
            if regime.index == HOUSE or not in_force(run.facts, regime.from_us, regime.until_us):
                continue
            if regime.is_fallback:
                fallbacks.append(regime)
                continue
            bounds = self._governs(regime, run)
            if bounds.possible == NEVER:
                continue
            governing.append(bounds.possible)
            parts.append(some([bounds.never, self._yes(run, group.regimes[regime.index])]))
        if ALWAYS not in governing and fallbacks:
            governing.append(every(self._yes(run, group.regimes[one.index]) for one in fallbacks))
        return every([*parts, some(governing)])

    def _governs(self, regime: Regime, run: Run) -> Extent:
        found = self._extents.get(regime.index)
        if found is None:
            place = Place(f"regime {regime.name}", "", 0)
            found = self._extents[regime.index] = self._extent(regime.governs, run, place)
        return found

    def _yes(self, run: Run, group: RegimeGroup) -> Filter:
        """Where the regime says yes in some asking."""
        if group.is_silent:
            return ALWAYS
        facts = run.facts
        facts.basis = group.basis
        if not group.reads_ledger:
            return self._ask(run, group)
        found = []
        for standing in run.ask_ledger(group.name, reads_consent=group.reads_consent):
            facts.standing = standing
            found.append(self._ask(run, group))
        return some(found)

    def _ask(self, run: Run, group: RegimeGroup) -> Filter:
        """One asking. PERF: people of whom the ledger says the same share the answer."""
        key = (group, run.facts.leaf.index, self._ledger_says(run, group))
        found = self._answers.get(key)
        if found is None:
            found = self._answers[key] = self._answer(run, group)
        return found

    def _answer(self, run: Run, group: RegimeGroup) -> Filter:
        parts: list[Filter] = []
        for ban in group.forbids:
            lifted = [self._certain(exception, run) for exception in ban.exceptions]
            parts.append(some([self._never(ban.rule, run), *lifted]))
        if group.needs_ground:
            parts.append(some(self._certain(rule, run) for rule in group.permits))
        found = every(parts)
        if found != NEVER:
            self._duties.add(run.facts.leaf.path, self._burdens(run, group))
        return found

    def _burdens(self, run: Run, group: RegimeGroup) -> list[LinkedRule]:
        return [
            rule
            for rule in group.burdens
            if match_parties(rule, run) != FALSE and self._rule_extent(rule, run).possible != NEVER
        ]

    def _ledger_says(self, run: Run, group: RegimeGroup) -> tuple[object, ...]:
        """The truth of all that the regime's rules ask of the ledger."""
        if not group.reads_ledger:
            return ()
        atoms = self._readers.get(group)
        if atoms is None:
            atoms = self._readers[group] = self._find_readers(group)
        return tuple(self._bounds(atom, run.facts) for atom in atoms)

    def _find_readers(self, group: RegimeGroup) -> tuple[Atom, ...]:
        asked = [*group.permits, *group.burdens]
        for ban in group.forbids:
            asked += [ban.rule, *ban.exceptions]
        found = {
            atom: None
            for rule in asked
            if rule.rule.condition is not None
            for atom in atoms_in(self._formulas[rule.rule.condition.code])
            if find_readings(atom)[0]
        }
        return tuple(found)

    def _certain(self, rule: LinkedRule, run: Run) -> Filter:
        """Where the rule is true."""
        if match_parties(rule, run) != TRUE:
            return NEVER
        return self._rule_extent(rule, run).certain

    def _never(self, rule: LinkedRule, run: Run) -> Filter:
        """Where the rule is false."""
        if match_parties(rule, run) == FALSE:
            return ALWAYS
        return self._rule_extent(rule, run).never

    def _rule_extent(self, rule: LinkedRule, run: Run) -> Extent:
        if not in_force(run.facts, rule.from_us, rule.until_us):
            return NOWHERE
        told = rule.rule
        return self._extent(told.condition, run, Place(told.name, told.file, told.line))

    def _extent(self, condition: Condition | None, run: Run, place: Place) -> Extent:
        if condition is None:
            return EVERYWHERE
        logic = self._formulas[condition.code]
        return Extent(
            certain=self._where(logic, run.facts, place, condition, is_certain=True),
            possible=self._where(logic, run.facts, place, condition, is_certain=False),
            never=self._where(negate(logic), run.facts, place, condition, is_certain=True),
        )

    def _where(
        self, logic: Logic, facts: Facts, place: Place, condition: Condition, *, is_certain: bool
    ) -> Filter:
        """Where a formula is true, or at least not false; both go into `and` and `or` alike."""
        if isinstance(logic, Chain):
            parts = (
                self._where(item, facts, place, condition, is_certain=is_certain)
                for item in logic.items
            )
            return every(parts) if logic.is_all else some(parts)
        if isinstance(logic, Known):
            return ALWAYS if logic.value == TRUE or (logic.value and not is_certain) else NEVER
        bounds = self._bounds(logic, facts)
        if isinstance(bounds, str):
            # It may yet be that nothing hangs on it.
            stand_in = Holds(f"{HIDDEN}{len(self._obstacles)}", "", Op.PRESENT)
            self._obstacles[stand_in.attribute] = Obstacle(
                place.rule, place.file, place.line, condition.text, bounds
            )
            return stand_in
        return bounds.certain if is_certain else bounds.possible

    def _bounds(self, atom: Atom, facts: Facts) -> Bounds | str:
        try:
            return self._atoms.bounds(atom, facts)
        except InexpressibleError as problem:
            return str(problem)
