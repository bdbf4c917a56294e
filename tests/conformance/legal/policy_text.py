"""A scenario's house, written as its author would: policy text that uses the packs under test."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from consentry.diagnostics.span import Source
from tests.conformance.legal.schema import Activity, Facts, Scenario
from tests.conformance.legal.words import EFFECTS, FLAGS, PACKS, SERVICES, SPECIAL_CONDITIONS

UNTIL_CLAIMED = "nothing_declared"
"""The purpose of a house that declares no activity: a policy set needs a rule."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The standard keys that may be declared, and the packs at hand."""

    categories: frozenset[str]
    uses: frozenset[str]
    packs: Mapping[str, Source]


def policy_text(scenario: Scenario, vocabulary: Vocabulary) -> str:
    """The house of one scenario. Scenarios with one house have one text."""
    facts, activity = scenario.facts, scenario.facts.activity
    used = [pack for law in facts.packs for pack in PACKS[law] if pack in vocabulary.packs]
    parts = [f"use {', '.join(used)}" if used else "", _mission(facts)]
    parts += _tree("data", _fields(scenario, vocabulary), _field_heads(facts, vocabulary))
    purposes = _purposes(scenario, vocabulary)
    bodies = {activity.purpose: _purpose_clauses(scenario)} if activity else {}
    heads = {purpose: _mapped(purpose, vocabulary.uses) for purpose in _with_above(purposes)}
    if activity:
        heads[activity.purpose] += _tags(facts, activity)
    parts += _tree("purpose", purposes, heads, bodies)
    parts.append(_permit(activity) if activity else _nothing())
    return "\n".join(part for part in parts if part) + "\n"


def missing_packs(scenario: Scenario, vocabulary: Vocabulary) -> list[str]:
    """Packs that the scenario wants and that are not at hand."""
    wanted = [pack for law in scenario.facts.packs for pack in PACKS[law]]
    return [pack for pack in wanted if pack not in vocabulary.packs]


def _mission(facts: Facts) -> str:
    controller = facts.controller
    text = f'mission {{ controller "{controller.id}" in "{controller.establishment}" }}'
    if controller.charity is not None:
        text += f"\nattributes controller {{ charity: flag = {str(controller.charity).lower()} }}"
    return text


def _permit(activity: Activity) -> str:
    who = ", ".join(f'role "{department}"' for department in activity.departments) or "anyone"
    to = ", ".join(f'recipient "{name}"' for name in activity.recipients) or "anyone"
    via = ", ".join(activity.channels) or "anything"
    return (
        f"permit activity {{\n    who {who}\n    may anything\n"
        f"    data {', '.join(activity.categories) or 'anything'}\n"
        f"    for {activity.purpose}\n    via {via}\n    to {to}\n}}"
    )


def _nothing() -> str:
    return (
        f"purpose {UNTIL_CLAIMED}\n"
        f"permit activity {{ who anyone may read data anything for {UNTIL_CLAIMED} }}"
    )


def _fields(scenario: Scenario, vocabulary: Vocabulary) -> set[str]:
    facts = scenario.facts
    named = set(scenario.request.data) | set(facts.tags)
    if facts.activity:
        named |= set(facts.activity.categories)
    for consent in facts.consents:
        named |= set(consent.categories)
    return {key for key in named if key in vocabulary.categories}


def _field_heads(facts: Facts, vocabulary: Vocabulary) -> dict[str, str]:
    heads = {key: _mapped(key, vocabulary.categories) for key in vocabulary.categories}
    for key, revealed in facts.tags.items():
        heads[key] += "".join(f", {other}" for other in revealed)
    return heads


def _purposes(scenario: Scenario, vocabulary: Vocabulary) -> set[str]:
    facts = scenario.facts
    named = {scenario.request.purpose or "", *facts.collection.purposes}
    named |= {objection.purpose for objection in facts.objections}
    for consent in facts.consents:
        named |= {consent.purpose, *consent.listed}
    instructed = scenario.request.actor.instructed_for
    named |= set(instructed or ())
    declared = {purpose for purpose in named if purpose in vocabulary.uses}
    return declared | ({facts.activity.purpose} if facts.activity else set())


def _purpose_clauses(scenario: Scenario) -> list[str]:
    facts, activity = scenario.facts, scenario.facts.activity
    assert activity is not None
    clauses = []
    if activity.basis:
        clauses.append(f"basis {activity.basis}")
    if activity.retention_days is not None:
        clauses.append(f"keep {activity.retention_days} days")
    if facts.notice:
        current, since = facts.notice.current, facts.notice.material_since
        clauses.append(f'notice "{current}" material since "{since}"')
    if activity.purpose in facts.collection.compatible_with and facts.collection.purposes:
        clauses.append(f"reuses {', '.join(facts.collection.purposes)}")
    return clauses


def _tags(facts: Facts, activity: Activity) -> str:
    tags = [EFFECTS[effect] for effect in activity.effects]
    tags += [FLAGS[flag] for flag in activity.flags()]
    if activity.art9:
        tags.append(SPECIAL_CONDITIONS[activity.art9])
    if activity.soft_opt_in and activity.soft_opt_in.own_similar:
        tags.append("own_similar_products")
    if facts.service.kind:
        tags.append(SERVICES[facts.service.kind])
    return f" is {', '.join(dict.fromkeys(tags))}" if tags else ""


def _mapped(key: str, known: Iterable[str]) -> str:
    return f" as {key}" if key in known else ""


def _with_above(keys: Iterable[str]) -> list[str]:
    """The keys and all above them, each after the one above it."""
    found = {".".join(key.split(".")[: n + 1]) for key in keys for n in range(key.count(".") + 1)}
    return sorted(found, key=lambda key: key.split("."))


def _tree(
    word: str,
    keys: Iterable[str],
    heads: Mapping[str, str],
    bodies: Mapping[str, list[str]] | None = None,
) -> list[str]:
    nodes = _with_above(keys)

    def lines(above: str, depth: int) -> list[str]:
        found = []
        start = above + "." if above else ""
        for key in nodes:
            if not key.startswith(start) or "." in key[len(start) :]:
                continue
            keyword = f"{word} " if word == "purpose" or not above else ""
            inner = [*(bodies or {}).get(key, ()), *lines(key, depth + 1)]
            inner = [part if part.startswith(" ") else _indented(part, depth + 1) for part in inner]
            block = [" {", *inner, _indented("}", depth)] if inner else [""]
            found.append(_indented(f"{keyword}{key[len(start) :]}{heads.get(key, '')}", depth))
            found[-1] += "\n".join(block)
        return found

    return lines("", 0)


def _indented(text: str, depth: int) -> str:
    return "    " * depth + text
