"""What a policy set says about people's data, as plain values without words of any language.

All publications are written from these values, so that none says what another does not. Nothing of
a principal's attributes or of a rule's condition is in them: they are for the public.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from consentry.model.program import HOUSE, Party, Program, Rule, RuleKind
from consentry.model.trees import DataNode, PurposeNode

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class PurposeFacts:
    """One purpose with what the house's activities do for it; indices of leaves and rules."""

    node: PurposeNode
    leaves: frozenset[int]
    activities: tuple[Rule, ...]
    recipients: tuple[Party, ...]


def purpose_facts(program: Program, purpose: PurposeNode) -> PurposeFacts:
    """The purpose's activities, the fields they use and to whom they give them."""
    activities = tuple(
        rule
        for rule in house_rules(program, RuleKind.PERMIT)
        if rule.purposes is None or purpose.index in rule.purposes
    )
    leaves: set[int] = set()
    recipients: dict[Party, None] = {}
    for rule in activities:
        leaves |= leaves_of(program, rule)
        recipients |= dict.fromkeys(rule.recipients or ())
    return PurposeFacts(
        node=purpose,
        leaves=frozenset(leaves),
        activities=activities,
        recipients=tuple(recipients),
    )


def house_rules(program: Program, *kinds: RuleKind) -> tuple[Rule, ...]:
    """The house's own rules of some kinds, in their order."""
    return tuple(rule for rule in program.rules if rule.regime == HOUSE and rule.kind in kinds)


def leaves_of(program: Program, rule: Rule) -> frozenset[int]:
    """The fields that a rule speaks of."""
    if rule.data is not None:
        return rule.data
    return frozenset(node.index for node in program.data if node.is_leaf)


def data_roots(program: Program, leaves: frozenset[int]) -> tuple[DataNode, ...]:
    """The fewest nodes that stand for exactly these leaves, in the order of the tree."""
    whole = {node.index for node in program.data if leaves.issuperset(node.leaves)}
    below = {child for index in whole for child in program.data[index].children}
    return tuple(program.data[index] for index in sorted(whole - below))


def purpose_roots(program: Program, purposes: Iterable[int]) -> tuple[PurposeNode, ...]:
    """The fewest purposes that stand for exactly these, each with all below it."""
    wanted = frozenset(purposes)
    whole: set[int] = set()
    for node in reversed(program.purposes):  # children come after their parents
        if node.index in wanted and whole.issuperset(node.children):
            whole.add(node.index)
    below = {child for index in whole for child in program.purposes[index].children}
    found = (whole - below) | (wanted - whole)
    return tuple(program.purposes[index] for index in sorted(found))


def rule_name(program: Program, rule: Rule) -> str:
    """The name by which a text or an anchor knows a rule: `law.rule` for one of a law."""
    regime = program.regimes[rule.regime].name
    return f"{regime}.{rule.name}" if regime else rule.name


def do_meet(one: Rule, other: Rule) -> bool:
    """Whether some use may be one that both rules speak of, by action, purpose and field."""
    return (
        _overlap(one.actions, other.actions)
        and _overlap(one.purposes, other.purposes)
        and _overlap(one.data, other.data)
    )


def _overlap(one: frozenset[_Item] | None, other: frozenset[_Item] | None) -> bool:
    return one is None or other is None or not one.isdisjoint(other)


def covers(one: Rule, other: Rule) -> bool:
    """Whether `one` speaks of every use that `other` does, by action, purpose and field."""
    return (
        _contains(one.actions, other.actions)
        and _contains(one.purposes, other.purposes)
        and _contains(one.data, other.data)
    )


def _contains(one: frozenset[_Item] | None, other: frozenset[_Item] | None) -> bool:
    return one is None or (other is not None and one >= other)
