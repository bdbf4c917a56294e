"""What differs between two versions of a policy set, for those whose data it is about.

Whether a difference is material is computed: more purposes, data, recipients or time, another
ground, fewer promises or limits are; less of it, or other words, are not.

Source: consent domain, "Material change is computed, not guessed".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from consentry.model.program import HOUSE, Party, Program, Rule, RuleKind
from consentry.model.trees import PurposeNode
from consentry.model.values import MICROS_PER_DAY, Duration
from consentry.publish.contents import (
    data_roots,
    house_rules,
    purpose_facts,
    purpose_roots,
    rule_name,
)

Named: TypeAlias = tuple[str, str, str]
"""Kind, name and own text of a thing that a translation may name."""
_DAYS_A_MONTH = 30.436875


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference: a code (a phrase of the publications), its values, and whether it matters.

    A value is a `Named`, a tuple of them, a basis, a length of time, a party, or plain text.
    """

    code: str
    values: Mapping[str, object]
    is_material: bool


def compare(old: Program, new: Program) -> tuple[Change, ...]:
    """Every difference from `old` to `new`; none for two that say the same."""
    found = [
        *_controller(old, new),
        *_purposes(old, new),
        *_rules(old, new, "promise"),
        *_rules(old, new, "limit"),
        *_rules(old, new, "exception"),
        *_laws(old, new),
        *_texts(old, new),
    ]
    return tuple(sorted(found, key=lambda change: not change.is_material))


def _controller(old: Program, new: Program) -> Iterator[Change]:
    before = old.mission.controller if old.mission is not None else ""
    after = new.mission.controller if new.mission is not None else ""
    if before != after:
        yield _change("controller", is_material=True, old=before, new=after)


def _purposes(old: Program, new: Program) -> Iterator[Change]:
    before = {node.path: node for node in old.purposes}
    after = {node.path: node for node in new.purposes}
    for path, node in after.items():
        if path not in before:
            yield _change("purpose_added", is_material=True, name=_purpose(node))
    for path, node in before.items():
        if path not in after:
            yield _change("purpose_removed", is_material=False, name=_purpose(node))
        else:
            yield from _purpose_changes(old, node, new, after[path])


def _purpose_changes(
    old: Program, before: PurposeNode, new: Program, after: PurposeNode
) -> Iterator[Change]:
    name = _purpose(after)
    bases = (before.basis, before.basis_under), (after.basis, after.basis_under)
    if bases[0] != bases[1]:
        yield _change("basis", is_material=True, name=name, old=before.basis, new=after.basis)
    yield from _length("keep", name, before.keep, after.keep)
    yield from _length("consent", name, before.consent_lasts, after.consent_lasts)
    for tag in sorted(after.tags - before.tags):
        value = ("tag", tag, new.tags.get(tag, ""))
        yield _change("marks_added", is_material=True, name=name, value=value)
    for tag in sorted(before.tags - after.tags):
        value = ("tag", tag, old.tags.get(tag, ""))
        yield _change("marks_removed", is_material=False, name=name, value=value)
    yield from _data(old, before, new, after)
    yield from _recipients(old, before, new, after)
    reused = (
        {old.purposes[i].path for i in before.reuses},
        {new.purposes[i].path for i in after.reuses},
    )
    for path in sorted(reused[1] - reused[0]):
        value = _purpose(new.purposes[new.purpose_names[path]])
        yield _change("reuse_added", is_material=True, name=name, value=value)
    for path in sorted(reused[0] - reused[1]):
        value = _purpose(old.purposes[old.purpose_names[path]])
        yield _change("reuse_removed", is_material=False, name=name, value=value)


def _length(
    what: str, name: Named, before: Duration | None, after: Duration | None
) -> Iterator[Change]:
    if before == after:
        return
    is_longer = _days(after) > _days(before)
    code = f"{what}_{'longer' if is_longer else 'shorter'}"
    yield _change(code, is_material=is_longer, name=name, old=before, new=after)


def _days(length: Duration | None) -> float:
    if length is None:
        return float("inf")
    return length.months * _DAYS_A_MONTH + length.micros / MICROS_PER_DAY


def _data(old: Program, before: PurposeNode, new: Program, after: PurposeNode) -> Iterator[Change]:
    was = {old.data[i].path for i in purpose_facts(old, before).leaves}
    now = {new.data[i].path for i in purpose_facts(new, after).leaves}
    for code, gone, program in (
        ("data_added", now - was, new),
        ("data_removed", was - now, old),
    ):
        leaves = frozenset(program.data_names[path] for path in gone)
        for node in data_roots(program, leaves):
            value = ("data", node.path, node.text)
            is_more = code == "data_added"
            yield _change(code, is_material=is_more, name=_purpose(after), value=value)


def _recipients(
    old: Program, before: PurposeNode, new: Program, after: PurposeNode
) -> Iterator[Change]:
    was = set(purpose_facts(old, before).recipients)
    now = set(purpose_facts(new, after).recipients)
    for party in sorted(now - was, key=_party_key):
        yield _change("recipient_added", is_material=True, name=_purpose(after), value=party)
    for party in sorted(was - now, key=_party_key):
        yield _change("recipient_removed", is_material=False, name=_purpose(after), value=party)


def _rules(old: Program, new: Program, what: str) -> Iterator[Change]:
    before = {rule_name(old, rule): rule for rule in _rules_of(old, what)}
    after = {rule_name(new, rule): rule for rule in _rules_of(new, what)}
    # An exception widens; promises and limits narrow.
    for name, rule in after.items():
        if name not in before:
            is_material = what == "exception"
            yield _change(f"{what}_added", is_material=is_material, name=_rule(new, rule))
        elif what == "limit" and _meaning(old, before[name]) != _meaning(new, rule):
            yield _change("limit_rewritten", is_material=True, name=_rule(new, rule))
    for name, rule in before.items():
        if name not in after:
            is_material = what != "exception"
            yield _change(f"{what}_removed", is_material=is_material, name=_rule(old, rule))


def _rules_of(program: Program, what: str) -> tuple[Rule, ...]:
    if what == "promise":
        return program.promises
    if what == "exception":
        return program.exceptions
    return house_rules(program, RuleKind.FORBID)


def _meaning(program: Program, rule: Rule) -> tuple[object, ...]:
    """What a rule says, by names and not by places in its program."""
    data = None if rule.data is None else [n.path for n in data_roots(program, rule.data)]
    purposes = None
    if rule.purposes is not None:
        purposes = [n.path for n in purpose_roots(program, rule.purposes)]
    condition = None if rule.condition is None else rule.condition.text
    clauses = replace(
        rule, index=0, regime=HOUSE, text="", cite="", file="", line=0, data=None, purposes=None,
        condition=None, lifted_by=(), name="", reason="",
    )  # fmt: skip
    return clauses, data, purposes, condition


def _laws(old: Program, new: Program) -> Iterator[Change]:
    before = {r.name: r for r in old.regimes if r.index != HOUSE}
    after = {r.name: r for r in new.regimes if r.index != HOUSE}
    for name, law in after.items():
        told = ("regime", name, law.text)
        if name not in before:
            yield _change("law_added", is_material=True, name=told)
        elif before[name].version != law.version:
            versions = {"old": before[name].version, "new": law.version}
            yield _change("law_version", is_material=True, name=told, **versions)
    for name, law in before.items():
        if name not in after:
            yield _change("law_removed", is_material=True, name=("regime", name, law.text))


def _texts(old: Program, new: Program) -> Iterator[Change]:
    """Other words for the same thing."""
    before = {node.path: node.text for node in old.purposes}
    for node in new.purposes:
        if node.path in before and before[node.path] != node.text:
            yield _change("text", is_material=False, name=_purpose(node))
    data_before = {node.path: node.text for node in old.data}
    for datum in new.data:
        if datum.path in data_before and data_before[datum.path] != datum.text:
            name = ("data", datum.path, datum.text)
            yield _change("text", is_material=False, name=name)


def _change(code: str, *, is_material: bool, **values: object) -> Change:
    return Change(code=f"change_{code}", values=values, is_material=is_material)


def _purpose(node: PurposeNode) -> Named:
    return ("purpose", node.path, node.text)


def _rule(program: Program, rule: Rule) -> Named:
    return ("rule", rule_name(program, rule), rule.text)


def _party_key(party: Party) -> tuple[str, str]:
    return (party.kind, party.name)
