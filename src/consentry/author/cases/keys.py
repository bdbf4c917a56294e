"""Which questions there are, those that look alike taken as one.

A key is an action, a field and a purpose. Fields that the same rules speak of, and that no
condition of these tells apart, are one key with a weight.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from consentry.author.cases.members import members_of, reads_leaf
from consentry.author.cases.questions import Key
from consentry.author.cases.sides import Side
from consentry.model.program import Rule


@dataclass(frozen=True, slots=True)
class WeightedKey:
    """A key and all fields that it stands for, itself first."""

    key: Key
    leaves: tuple[str, ...]


def keys_of_rule(side: Side, rule: Rule) -> Iterator[WeightedKey]:
    """Every key that a rule of the house speaks of and that some permit allows."""
    program = side.program
    actions = [a for a in program.actions if rule.actions is None or a in rule.actions]
    purposes = [
        p.path for p in program.purposes if rule.purposes is None or p.index in rule.purposes
    ]
    leaves = [
        n.path for n in program.data if n.is_leaf and (rule.data is None or n.index in rule.data)
    ]
    for weighted in _keys([side], actions, purposes, leaves):
        group = side.group(weighted.key)
        is_asked = group is not None and any(
            ban.rule.index == rule.index for ban in group.house.forbids
        )
        if is_asked and group is not None and group.permits:
            yield weighted


def all_keys(sides: Sequence[Side]) -> Iterator[WeightedKey]:
    """Every action, purpose and field that some side declares, in the order of declaration."""
    actions = list(dict.fromkeys(a for side in sides for a in side.program.actions))
    purposes = list(dict.fromkeys(p.path for side in sides for p in side.program.purposes))
    leaves = list(dict.fromkeys(n.path for s in sides for n in s.program.data if n.is_leaf))
    yield from _keys(sides, actions, purposes, leaves)


def _keys(
    sides: Sequence[Side],
    actions: Sequence[str],
    purposes: Sequence[str],
    leaves: Sequence[str],
) -> Iterator[WeightedKey]:
    for purpose in purposes:
        for action in actions:
            alike: dict[tuple[object, ...], list[Key]] = {}
            for leaf in leaves:
                key = Key(action, purpose, leaf)
                kind = tuple(_kind(side, key) for side in sides)
                alike.setdefault(kind, []).append(key)
            for keys in alike.values():
                yield WeightedKey(keys[0], tuple(key.leaf for key in keys))


def _kind(side: Side, key: Key) -> object:
    """What two fields must share to be alike under one set."""
    group = side.group(key)
    if group is None:
        return None
    # What the ledger holds is tried with a scope of purposes only: it tells no fields apart.
    named = key.leaf if any(reads_leaf(member) for member in members_of(side, key)) else ""
    return (id(group), named)
