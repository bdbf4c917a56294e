"""Candidate groups: the rules that can matter to one action, purpose and leaf, by regime.

A group holds what does not depend on who asks. It is made once, on first demand, so that a
decision's cost does not grow with the number of rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from consentry.engine.linked_rule import LinkedRule, PartyKey
from consentry.engine.outcome import MAX_KEPT, Outcome, Yes
from consentry.engine.reasons import RankedFinding, ReasonOrder
from consentry.model.program import HOUSE, Regime, Rule, RuleKind
from consentry.model.trees import PurposeNode
from consentry.model.vocabulary import BASIS_NOT_AVAILABLE, NO_LAWFUL_BASIS

# From this many permits on, a group finds them by who is asking.
_PARTY_INDEX_FROM = 8


class Ban:
    """A forbid with those of its exceptions that can hold here."""

    __slots__ = ("exceptions", "rule")

    def __init__(self, rule: LinkedRule, exceptions: tuple[LinkedRule, ...]) -> None:
        self.rule = rule
        self.exceptions = exceptions


class RegimeGroup:
    """One regime's candidates. The house's own permits are not among them: they are asked apart.

    `no_ground` is what is to be said when none of its permits even takes the basis, None when
    there are takers or the regime only forbids.
    """

    __slots__ = (
        "_answers",
        "basis",
        "burdens",
        "duties",
        "forbids",
        "is_leaf_free",
        "is_silent",
        "name",
        "needs_ground",
        "no_ground",
        "permits",
        "reads_consent",
        "reads_ledger",
        "regime",
    )

    def __init__(
        self, regime: Regime, basis: str | None, rules: Sequence[LinkedRule], bans: tuple[Ban, ...]
    ) -> None:
        self.regime = regime
        self.name = regime.name
        self.basis = basis
        self.forbids = bans
        is_house = regime.index == HOUSE
        permits = () if is_house else _of_kind(rules, RuleKind.PERMIT)
        self.permits = permits
        masks = _of_kind(rules, RuleKind.MASK)
        duties = _of_kind(rules, RuleKind.OBLIGE)
        obliges = [rule for rule in duties if rule.on is None]
        self.burdens = (*masks, *obliges)
        self.duties = tuple(rule for rule in duties if rule.on is not None)
        self.needs_ground = regime.has_permits and not is_house
        self.no_ground: RankedFinding | None = None
        asked = [*permits, *masks, *duties]
        for ban in bans:
            asked += [ban.rule, *ban.exceptions]
        self.reads_consent = any(rule.reads_consent for rule in asked)
        self.reads_ledger = self.reads_consent or any(rule.reads_rights for rule in asked)
        self.is_leaf_free = not (self.reads_ledger or any(rule.reads_leaf for rule in asked))
        self.is_silent = not (asked or self.needs_ground)
        self._answers: dict[tuple[LinkedRule | None, ...], Yes] = {}

    def yes(self, used: list[LinkedRule | None]) -> Yes:
        """The yes that rests on a ground, `used[0]`, and brings the burdens after it."""
        key = tuple(used)
        found = self._answers.get(key)
        if found is None:
            found = Yes(used[0], [rule for rule in used[1:] if rule is not None])
            if len(self._answers) >= MAX_KEPT:
                self._answers = {}
            self._answers[key] = found
        return found


class Group:
    """All candidates for one action, purpose and set of leaves; see `RegimeGroup`."""

    __slots__ = ("house", "is_leaf_free", "outcomes", "permits", "permits_by_party", "regimes")

    def __init__(self, permits: tuple[LinkedRule, ...], regimes: tuple[RegimeGroup, ...]) -> None:
        self.permits = permits
        self.house = regimes[HOUSE]
        self.regimes = regimes
        self.outcomes: dict[tuple[LinkedRule | Yes | None, ...], Outcome] = {}
        """Permissions by the house permit and the answers of the regimes that they rest on."""
        self.permits_by_party = _by_party(permits) if len(permits) >= _PARTY_INDEX_FROM else None
        self.is_leaf_free = all(regime.is_leaf_free for regime in regimes) and not any(
            rule.reads_consent or rule.reads_rights or rule.reads_leaf for rule in permits
        )


def build_group(
    *,
    regimes: Sequence[Regime],
    purpose: PurposeNode,
    rules: Iterable[LinkedRule],
    order: ReasonOrder,
    find_exceptions: Callable[[LinkedRule, str | None], tuple[LinkedRule, ...]],
) -> Group:
    """The group of `rules`, which all match the action, the purpose and the leaf.

    `find_exceptions` gives those of a forbid's exceptions that can hold here under a basis.
    """
    by_regime: list[list[LinkedRule]] = [[] for _ in regimes]
    for rule in rules:
        by_regime[rule.rule.regime].append(rule)
    groups = []
    for regime, members in zip(regimes, by_regime, strict=True):
        basis = purpose.basis_for(regime.name)
        taken = [rule for rule in members if takes_basis(rule.rule, basis)]
        bans = tuple(
            Ban(rule, find_exceptions(rule, basis))
            for rule in taken
            if rule.rule.kind is RuleKind.FORBID
        )
        group = RegimeGroup(regime, basis, taken, bans)
        if group.needs_ground and not group.permits:
            # Without a basis only a ground that wants none could have been among them.
            code = NO_LAWFUL_BASIS if basis is None else BASIS_NOT_AVAILABLE
            group.no_ground = order.without_rule(code, regime.name)
        groups.append(group)
    basis = purpose.basis_for("")
    permits = tuple(
        rule
        for rule in by_regime[HOUSE]
        if rule.rule.kind is RuleKind.PERMIT and takes_basis(rule.rule, basis)
    )
    return Group(permits, tuple(groups))


def takes_basis(rule: Rule, basis: str | None) -> bool:
    """Whether the rule's `basis` clause admits the purpose's basis; no basis is none of any."""
    return rule.bases is None or basis in rule.bases


def _of_kind(rules: Sequence[LinkedRule], kind: RuleKind) -> tuple[LinkedRule, ...]:
    return tuple(rule for rule in rules if rule.rule.kind is kind)


def _by_party(permits: Sequence[LinkedRule]) -> dict[PartyKey, tuple[LinkedRule, ...]]:
    lists: dict[PartyKey, list[LinkedRule]] = {}
    for rule in permits:
        for key in rule.who or (("anyone", ""),):
            lists.setdefault(key, []).append(rule)
    return {key: tuple(found) for key, found in lists.items()}
