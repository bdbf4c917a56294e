"""Uses made ready: all that a permission needs of a question but the person, record and moment.

Who asks, to do what, with which data, what for, over which channel and to whom: of such uses there
are few, and they come again and again. For one that came before, what it settles is settled once:
rules that cannot apply to it are left out, and of the others only conditions and dates are left to
be asked, by the very functions that the thorough way asks, in the same order.

The quick way only ever finds that everything says yes, and which rules the yes rests on. What that
comes to is made by the thorough way, once for each such set of rules. Where anything says no, is
missing or is out of the ordinary, it finds nothing, and the thorough way starts anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

from consentry.engine.bind import bind_rest
from consentry.engine.groups import Group, RegimeGroup
from consentry.engine.house import retention_end_us
from consentry.engine.link import LinkedProgram, UseKey
from consentry.engine.linked_rule import AS_IT_IS, LinkedRule, Test
from consentry.engine.matching import match_parties
from consentry.engine.outcome import MAX_KEPT, Outcome
from consentry.engine.run import Run, in_force
from consentry.engine.settled import WITHOUT_RIGHTS, is_settled
from consentry.model.consent import ConsentQuery, ConsentView, Standing
from consentry.model.facts import Facts
from consentry.model.program import HOUSE, Regime
from consentry.model.request import Request
from consentry.model.trees import DataNode
from consentry.model.tri import FALSE, TRUE, UNKNOWN, Tri

_ASKED_ONCE: Final[tuple[Standing | None, ...]] = (None,)
_NO: Final = -1
_RIGHTS: Final = frozenset({"right_active"})
MAX_USES: Final = 4_096
"""Most uses kept for one program; when there are more, all are forgotten and made again."""

Rest: TypeAlias = Test | None
"""What is left of a rule to be asked; None where nothing is: it applies."""
Bans: TypeAlias = tuple[tuple[Rest, tuple[Rest, ...]], ...]
"""What is left of each forbid, and of the exceptions that lift it."""
Left: TypeAlias = tuple[tuple[LinkedRule, Rest], ...]
YesKey: TypeAlias = tuple[object, ...]
"""What a leaf's permission rests on: the house's permit, the regimes, and of each its rules."""


class Stage:
    """One regime's candidates for one use of one leaf: those that the use does not rule out."""

    __slots__ = (
        "bans", "bans_without_rights", "basis", "burdens", "grounds", "is_asked", "key", "name",
        "needs_ground", "reads_consent", "reads_ledger",
    )  # fmt: skip

    def __init__(self, group: RegimeGroup, run: Run) -> None:
        self.name = group.name
        self.basis = run.facts.basis = group.basis
        self.needs_ground = group.needs_ground
        self.reads_consent = group.reads_consent
        self.reads_ledger = group.reads_ledger
        bans = [
            (rule, rest, tuple(lifting for _, lifting in _left(ban.exceptions, run)))
            for ban in group.forbids
            for rule, rest in _left((ban.rule,), run)
        ]
        self.bans: Bans = tuple((rest, exceptions) for _, rest, exceptions in bans)
        self.bans_without_rights: Bans = tuple(
            (rest, exceptions)
            for rule, rest, exceptions in bans
            if not _is_no_without_rights(rule, rest, run)
        )
        """Those left to be asked of a person who never used a right."""
        self.grounds = tuple(rest for _, rest in _left(group.permits, run))
        # Burdens that come with every yes tell no two apart.
        asked = [rest for _, rest in _left(group.burdens, run) if rest is not None]
        self.burdens = tuple((1 << place, rest) for place, rest in enumerate(asked))
        # A ledger that is asked also tells until when the answer is sure.
        has_more = self.bans or self.needs_ground or self.burdens or self.reads_ledger
        self.is_asked = bool(has_more)
        self.key = object()
        """Stands for what is asked of the ledger here; see `ConsentQuery.key`."""

    def ask(self, facts: Facts) -> int:
        """One asking: a number for the ground and the burdens of the yes; negative for a no."""
        for rest, exceptions in self.bans if facts.view.has_rights else self.bans_without_rights:
            if (rest is None or rest(facts) != FALSE) and not _is_lifted(exceptions, facts):
                return _NO
        found = 0
        if self.needs_ground:
            for rest in self.grounds:
                if rest is None or rest(facts) == TRUE:
                    break
                found += 1
            else:
                return _NO
        if self.burdens:
            found <<= len(self.burdens)
            for bit, rest in self.burdens:
                if rest(facts) != FALSE:
                    found |= bit
        return found


Stages: TypeAlias = tuple[Stage, ...]


class Part:
    """One leaf of a use, and what is left to be asked about it."""

    __slots__ = ("_asked", "basis", "group", "leaf", "outcomes", "permits", "stages")

    def __init__(self, leaf: DataNode, group: Group, run: Run) -> None:
        self.leaf = run.facts.leaf = leaf
        self.group = group
        self.basis = run.facts.basis = group.house.basis
        self.permits = _left(group.permits, run)
        self.stages = tuple(Stage(regime, run) for regime in group.regimes)
        self._asked: tuple[Sequence[Regime], Stages, Stages] = ((), (), ())
        self.outcomes: dict[YesKey, Outcome] = {}
        """Permissions by what they rest on, as the thorough way made them."""

    def stages_of(self, regimes: Sequence[Regime]) -> tuple[Stages, Stages]:
        """Those of the regimes that govern, the house's first, and which of them are asked."""
        of_regimes, governing, asked = self._asked
        if of_regimes is not regimes:
            governing = (self.stages[HOUSE], *[self.stages[regime.index] for regime in regimes])
            asked = tuple(stage for stage in governing if stage.is_asked)
            self._asked = (regimes, governing, asked)
        return governing, asked

    def keep(self, key: YesKey, outcome: Outcome) -> None:
        """Have `outcome` ready for the next time that a permission rests on `key`."""
        if len(self.outcomes) >= MAX_KEPT:
            self.outcomes = {}
        self.outcomes[key] = outcome


class Use:
    """Everything of a question that comes again; made from the run of one that was permitted.

    Shared by all threads; nothing but the outcomes kept in its parts ever changes.
    """

    __slots__ = (
        "_action_tags", "_channel", "_controller", "_declared", "_facts", "_is_contact",
        "_is_disclosure", "_lineage", "_purpose", "_recipient_country", "_recipient_id",
        "_recipient_roles", "_shows_query", "is_single", "leaves", "linked", "parts", "principal",
        "recipient",
    )  # fmt: skip

    def __init__(self, run: Run, request: Request, leaves: Sequence[DataNode]) -> None:
        facts = run.facts
        self.linked = run.linked
        # They are kept, so that their ids, by which a use is found, stay theirs.
        self.principal = request.principal
        self.recipient = request.recipient
        self._facts = facts.for_use()
        self._purpose = facts.purpose
        self._lineage = run.linked.lineages[facts.purpose.index]
        self._controller, self._channel = facts.principal_controller, facts.channel
        self._recipient_id, self._recipient_roles = facts.recipient_id, run.recipient_roles
        self._recipient_country = facts.recipient_country
        self._is_contact, self._is_disclosure = run.is_contact, run.is_disclosure
        self._action_tags = run.action_tags
        self._declared = run.linked.program.purpose_names
        self._shows_query = run.linked.asks_consented
        self.leaves = leaves
        self.is_single = len(leaves) == 1
        groups: dict[Group, Part] = {}
        parts = []
        for leaf in leaves:
            group = run.linked.group(facts.action, facts.purpose.index, leaf.index)
            part = groups.get(group) if group.is_leaf_free else None
            if part is None:
                part = groups[group] = Part(leaf, group, run)
            parts.append(part)
        self.parts = tuple(parts)
        """One for each leaf; the same one for leaves that nothing tells apart."""

    def facts_for(self, request: Request, view: ConsentView, now_us: int) -> Facts | None:
        """The facts of a question of this use; None where something is wrong or missing."""
        facts = self._facts.for_use()
        facts.now_us = now_us
        facts.view = view
        if not bind_rest(self.linked, request, facts):
            return None
        if self.linked.asks_consented:
            Run(self.linked, request, facts, view, now_us)
        return facts

    def find_yes(self, part: Part, facts: Facts, regimes: Sequence[Regime]) -> YesKey | None:
        """What the permission of a leaf rests on; None where the thorough way must look."""
        facts.leaf = part.leaf
        permit = self._find_permit(part, facts)
        if permit is None:
            return None
        governing, asked = part.stages_of(regimes)
        found: list[object] = [permit, governing]
        for stage in asked:
            facts.basis = stage.basis
            answer = _NO
            if not stage.reads_ledger:
                answer = stage.ask(facts)
            else:
                for standing in self._askings(
                    part, stage, facts, reads_consent=stage.reads_consent
                ):
                    facts.standing = standing
                    answer = stage.ask(facts)
                    if answer >= 0:
                        break
            if answer < 0:
                return None
            found.append(answer)
        return tuple(found)

    def _find_permit(self, part: Part, facts: Facts) -> LinkedRule | None:
        facts.basis = part.basis
        for rule, rest in part.permits:
            if rest is None:
                holds = True
            elif rule.reads_ledger:
                holds = self._holds_in_some_asking(part, rule, rest, facts)
            else:
                holds = rest(facts) == TRUE
            if holds:
                if facts.collected_at_us is None:
                    return rule
                end_us = retention_end_us(rule, facts)
                if end_us is None:
                    return rule
                if end_us > facts.now_us:
                    facts.changes_at(end_us)
                    return rule
                return None  # a hold may keep it from being over
        return None

    def _holds_in_some_asking(self, part: Part, rule: LinkedRule, rest: Test, facts: Facts) -> bool:
        house, reads_consent = part.stages[HOUSE], rule.reads_consent
        for standing in self._askings(part, house, facts, reads_consent=reads_consent):
            facts.standing = standing
            if rest(facts) == TRUE:
                return True
        return False

    def _askings(
        self, part: Part, stage: Stage, facts: Facts, *, reads_consent: bool
    ) -> tuple[Standing | None, ...]:
        """As `Run.ask_ledger`, of a ledger that is there."""
        facts.standing = None
        view = facts.view
        state = view.find_consent(stage.key, facts.now_us) if reads_consent else None
        # PERF: where all is known already and no right was ever used, nobody looks at the query.
        if self._shows_query or view.has_rights or (reads_consent and state is None):
            facts.query = self._query(part, stage, facts.now_us)
            if reads_consent and state is None:
                state = view.consent(facts.query)
        if state is None:
            return _ASKED_ONCE
        if state.changes_at_us is not None:
            facts.changes_at(state.changes_at_us)
        facts.state = state
        return (*state.standings, None)

    def _query(self, part: Part, stage: Stage, now_us: int) -> ConsentQuery:
        # PERF: positional, in the order of the members; by name this costs three times as much.
        return ConsentQuery(
            self._purpose,
            self._lineage,
            part.leaf,
            stage.name,
            self._controller,
            self._channel,
            self._recipient_id,
            self._recipient_roles,
            self._recipient_country,
            self._is_contact,
            self._is_disclosure,
            now_us,
            self._action_tags,
            self._declared,
            stage.key,
        )


def _left(rules: Iterable[LinkedRule], run: Run) -> Left:
    """Those of the rules that the use does not rule out, each with what is left to be asked."""
    left: list[tuple[LinkedRule, Rest]] = []
    for rule in rules:
        at_most = match_parties(rule, run)
        if at_most == FALSE:
            continue
        when: Rest = None if rule.tests is None else rule.tests[AS_IT_IS]
        if when is not None and is_settled(when, run.linked.functions):
            holds = when(run.facts)
            if holds == TRUE:
                when = None
            elif holds == FALSE and rule.from_us is None and rule.until_us is None:
                continue
        if rule.from_us is not None or rule.until_us is not None:
            when = _dated(rule.from_us, rule.until_us, when)
        if at_most == UNKNOWN:
            when = _unsure(when)
        left.append((rule, when))
    return tuple(left)


def _is_no_without_rights(rule: LinkedRule, rest: Rest, run: Run) -> bool:
    """Whether what is left of the rule is false for whoever never used a right."""
    if rest is None or rule.tests is None or rest is not rule.tests[AS_IT_IS]:
        return False
    if not is_settled(rest, run.linked.functions, by_rights=_RIGHTS):
        return False
    facts = run.facts
    view, facts.view = facts.view, WITHOUT_RIGHTS
    holds = rest(facts)
    facts.view = view
    return holds == FALSE


def _dated(from_us: int | None, until_us: int | None, when: Rest) -> Test:
    def test(facts: Facts) -> Tri:
        if not in_force(facts, from_us, until_us):
            return FALSE
        return TRUE if when is None else when(facts)

    return test


def _unsure(when: Rest) -> Test:
    """A rule of which something is missing that the use does not say."""

    def test(facts: Facts) -> Tri:
        return UNKNOWN if when is None else min(UNKNOWN, when(facts))

    return test


def _is_lifted(exceptions: Sequence[Rest], facts: Facts) -> bool:
    return any(rest is None or rest(facts) == TRUE for rest in exceptions)


def find_use(linked: LinkedProgram, request: Request) -> Use | None:
    """The use of `request`, if it is ready."""
    # PERF: who asks and who receives are told by identity, for whoever decodes questions gives the
    # same object for the same bytes; to compare their members would cost more than it saves.
    use = linked.uses.get(_key(request))
    if use is None or use.principal is not request.principal:
        return None
    return use if use.recipient is request.recipient else None


def note_use(run: Run, request: Request, leaves: Sequence[DataNode]) -> None:
    """That `request` was permitted: its use is made ready when it comes a second time."""
    uses, key = run.linked.uses, _key(request)
    if key in uses:
        uses[key] = Use(run, request, leaves)
        return
    if len(uses) >= MAX_USES:
        uses = run.linked.uses = {}
    uses[key] = None


def _key(request: Request) -> UseKey:
    return (
        id(request.principal),
        request.action,
        request.data,
        request.purpose,
        request.channel,
        id(request.recipient),
    )
