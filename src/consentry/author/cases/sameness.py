"""What two policy sets share: questions that they must answer alike, and rules that both hold.

Prints hold all that can matter to the questions of one key, in names and not in places, so that
what is declared elsewhere does not show. Equal prints give equal answers; unequal ones may too, at
the price of asking. Names of rules, texts, citations and duties that come with a denial are not
compared: nobody may do more or less for them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from consentry.author.cases.members import Member, members_of
from consentry.author.cases.questions import Key
from consentry.author.cases.sides import Part, Side
from consentry.compiler.conditions_ir import Attribute, Binary, Constant, Fact, Loaded, Operator, Px
from consentry.engine.linked_rule import LinkedRule
from consentry.model.program import Program, Regime
from consentry.model.trees import DataNode, PurposeNode

Print: TypeAlias = "tuple[object, ...]"
_TABLES: Final = frozenset({"purpose names", "data names", "lineages"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What two sets share for one key. Where the frame differs every rule counts as changed."""

    is_permitting: bool
    is_same_frame: bool
    changed: frozenset[tuple[int, int]]
    """Which set (0 or 1) and which of its rules the other set has no like of."""

    @property
    def is_same(self) -> bool:
        """Whether both sets must give the same answer to every question."""
        return not self.is_permitting or (self.is_same_frame and not self.changed)

    def is_changed(self, place: int, member: Member) -> bool:
        """Whether a rule of set number `place` is not one that both sets share."""
        return not self.is_same_frame or (place, member.rule.index) in self.changed


def compare(sides: Sequence[Side], key: Key, *, is_same_world: bool) -> Shared:
    """What the two sets share; nothing is permitted where neither has a permit."""
    groups = [side.group(key) for side in sides]
    is_permitting = any(group is not None and group.permits for group in groups)
    one, other = groups
    if not is_permitting or one is None or other is None or not is_same_world:
        return Shared(is_permitting=is_permitting, is_same_frame=False, changed=frozenset())
    members = [members_of(side, key) for side in sides]
    frames = [_frame(side, key, found) for side, found in zip(sides, members, strict=True)]
    prints = [[(_of_member(member), member) for member in found] for found in members]
    counts = [Counter(map(_hashable, (p for p, _ in found))) for found in prints]
    changed = {
        (place, member.rule.index)
        for place, found in enumerate(prints)
        for text, member in found
        if counts[0][_hashable(text)] != counts[1][_hashable(text)]
    }
    return Shared(
        is_permitting=True, is_same_frame=frames[0] == frames[1], changed=frozenset(changed)
    )


def _hashable(text: Print) -> str:
    """The print as text: clauses hold expressions, whose spans are neither compared nor shown."""
    return repr(_ordered(text))


def _ordered(value: object) -> object:
    # A set has no order that one could rely on.
    if isinstance(value, frozenset):
        return ("set", sorted(repr(_ordered(item)) for item in value))
    return tuple(map(_ordered, value)) if type(value) is tuple else value


def _frame(side: Side, key: Key, members: Sequence[Member]) -> Print:
    """All but the rules."""
    group, purpose, leaf = side.group(key), side.purpose(key), side.leaf(key)
    assert group is not None
    assert purpose is not None
    assert leaf is not None
    program = side.program
    parts = [part for member in members for part in member.parts()]
    parts += [part for regime in program.regimes for part in side.regime_parts(regime)]
    return (
        _of_purpose(purpose, program),
        _of_leaf(leaf),
        tuple(_of_regime(side, regime) for regime in program.regimes),
        tuple((r.no_ground and r.no_ground[2].reason, r.needs_ground) for r in group.regimes),
        _of_attributes(program, parts),
    )


def _of_member(member: Member) -> Print:
    side = member.side
    lifting = (_of_rule(side, one, is_exception=True) for one in member.exceptions)
    return (_of_rule(side, member.rule, is_exception=False), *lifting)


def world_print(side: Side) -> Print:
    """What all answers of a set depend on, whatever the key."""
    program = side.program
    mission = program.mission
    return (
        tuple(sorted((name, tuple(sorted(tags))) for name, tags in program.actions.items())),
        tuple(sorted(program.channels)),
        (mission.controller, mission.country) if mission is not None else ("", ""),
        tuple(s for s in program.attributes if s.owner.value == "controller"),
    )


def have_one_order(one: Side, other: Side) -> bool:
    """Whether reasons that both sets declare stand in the same order."""
    ours, theirs = one.program.reasons, other.program.reasons
    shared = set(ours) & set(theirs)
    return [r for r in ours if r in shared] == [r for r in theirs if r in shared]


def _of_purpose(purpose: PurposeNode, program: Program) -> Print:
    return (
        purpose.path,
        tuple(program.purposes[i].path for i in purpose.lineage),
        tuple(sorted(purpose.tags)),
        purpose.uses,
        purpose.basis,
        purpose.basis_under,
        purpose.keep,
        purpose.consent_lasts,
        purpose.notice,
        purpose.notice_material_since,
        tuple(sorted(program.purposes[i].path for i in purpose.reuses)),
    )


def _of_leaf(leaf: DataNode) -> Print:
    return (leaf.path, leaf.lineage, tuple(sorted(leaf.tags)), leaf.categories)


def _of_regime(side: Side, regime: Regime) -> Print:
    return (
        regime.name,
        regime.is_fallback,
        regime.from_us,
        regime.until_us,
        regime.has_permits,
        regime.bases,
        side.conditions_of_regime(regime),
        _of_parts(side.regime_parts(regime), side.program),
    )


def _of_rule(side: Side, linked: LinkedRule, *, is_exception: bool) -> Print:
    rule = linked.rule
    return (
        is_exception,
        rule.kind,
        side.program.regimes[rule.regime].name,
        rule.reason,
        rule.reason in side.program.reasons,
        linked.who,
        rule.channels,
        rule.recipients and frozenset(rule.recipients),
        rule.from_us,
        rule.until_us,
        rule.on,
        rule.mask,
        rule.keep,
        side.conditions_of(rule, is_exception=is_exception),
        _of_parts(side.parts(linked, is_exception=is_exception), side.program),
    )


def _of_parts(parts: tuple[Part, ...], program: Program) -> Print:
    return tuple(
        tuple(_of_px(px, program) for px in (*atom.loads, atom.test))
        for part in parts
        for atom in part.atoms
    )


def _of_attributes(program: Program, parts: list[Part]) -> Print:
    read = {name for part in parts for name in part.reads.dims}
    return tuple(
        sorted(
            ((s.path, s.type, s.is_optional, s.default) for s in program.attributes
             if s.path in read or not (s.is_optional or s.default is not None)),
            key=lambda spec: spec[0],
        )
    )  # fmt: skip


def _of_px(px: Px, program: Program) -> object:
    match px:
        case Constant():
            return _of_constant(px, program)
        case Operator(name, arguments):
            return (name, *(_of_px(one, program) for one in arguments))
        case Binary(op, left, right):
            return (op, _of_px(left, program), _of_px(right, program))
        case Fact(name, part):
            return ("fact", name, part)
        case Attribute(owner, name):
            return ("attribute", owner, name)
        case Loaded(index):
            return ("loaded", index)


def _of_constant(constant: Constant, program: Program) -> object:
    kind, key = constant.kind, constant.key
    if kind in _TABLES:
        return (kind,)
    for word, nodes in (("purpose", program.purposes), ("data", program.data)):
        if kind == word and isinstance(key, int):
            return (kind, nodes[key].path)
        if kind == f"set of {word}" and isinstance(key, frozenset):
            return (kind, frozenset(nodes[index].path for index in key))
        if kind == f"dated set of {word}" and isinstance(key, tuple):
            return (kind, tuple((nodes[index].path, windows) for index, windows in key))
    return (kind, key)
