"""Where a reason stands in the one order, and how it is told.

The order of reasons is that of their declaration. A code that is not declared, an author's own,
stands where `prohibited_by_policy` (or, of a permit, `permitted_by_policy`) does; among equals the
rule that comes first in the program comes first.

Source: decision semantics, order 6.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from consentry.model.decision import Finding
from consentry.model.program import Program
from consentry.model.vocabulary import PERMITTED_BY_POLICY, PROHIBITED_BY_POLICY

RankedFinding: TypeAlias = tuple[int, int, Finding]
"""Rank of the code, place of the rule, the finding: sorts into the order of reasons."""

NO_RULE = 1 << 30
"""Place of a finding that no rule gave: after those that one did."""


class ReasonOrder:
    """Ranks of all reasons of one program."""

    __slots__ = ("_denied", "_permitted", "_ranks", "_texts")

    def __init__(self, program: Program) -> None:
        self._ranks = {code: rank for rank, code in enumerate(program.reasons)}
        self._denied = self._ranks.get(PROHIBITED_BY_POLICY, len(self._ranks))
        self._permitted = self._ranks.get(PERMITTED_BY_POLICY, len(self._ranks))
        self._texts = program.reason_texts

    def denial(self, code: str) -> int:
        """The rank of a code that denies."""
        return self._ranks.get(code, self._denied)

    def permission(self, code: str) -> int:
        """The rank of a code that permits."""
        return self._ranks.get(code, self._permitted)

    def without_rule(self, code: str, regime: str = "") -> RankedFinding:
        """The finding of a denial that no rule gave."""
        finding = Finding(reason=code, regime=regime, text=self._texts.get(code, ""))
        return (self.denial(code), NO_RULE, finding)


def in_order(ranked: Iterable[RankedFinding]) -> tuple[Finding, ...]:
    """The findings without repeats, the primary one first; equal ranks keep the given order."""
    ordered = sorted(ranked, key=_place)
    return tuple(dict.fromkeys([finding for _, _, finding in ordered]))


def _place(ranked: RankedFinding) -> tuple[int, int]:
    return ranked[:2]
