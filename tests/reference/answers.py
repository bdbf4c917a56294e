"""Answers of the reference interpreter, and the one order of reasons."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.reference.world import World


@dataclass
class LeafAnswer:
    """One field's answer; reasons are codes with the place of their rule (-1: none)."""

    effect: str
    reasons: list[tuple[str, int]]
    mask: tuple[str, int | None] | None = None
    obligations: list[str] = field(default_factory=list)


@dataclass
class Answer:
    """The whole answer; `reasons` are codes, the primary one first."""

    effect: str
    reasons: list[str]
    leaves: dict[str, LeafAnswer] = field(default_factory=dict)
    obligations: list[str] = field(default_factory=list)
    leaf_reasons: dict[str, list[str]] = field(default_factory=dict)


def in_order(world: World, reasons: list[tuple[str, int]], effect: str = "deny") -> list[str]:
    """The codes, each once, by the order of their declaration; own codes as `…_by_policy`."""
    stand_in = "prohibited_by_policy" if effect == "deny" else "permitted_by_policy"

    def place(reason: tuple[str, int]) -> tuple[int, int]:
        code, rule = reason
        known = code if code in world.reasons else stand_in
        return world.reasons.index(known), rule if rule >= 0 else 1 << 30

    return list(dict.fromkeys(code for code, _ in sorted(reasons, key=place)))
