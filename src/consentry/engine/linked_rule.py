"""A rule ready to be asked: its clauses as sets, its condition as functions, its finding made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final, TypeAlias

from consentry.engine.reasons import RankedFinding, ReasonOrder
from consentry.model.decision import Finding, Obligation
from consentry.model.facts import Facts
from consentry.model.program import Party, Program, Rule, RuleKind
from consentry.model.tri import Tri

Test: TypeAlias = Callable[[Facts], Tri]
PartyKey: TypeAlias = tuple[str, str]

# Which form of a condition is asked; indices of `LinkedRule.tests`.
AS_IT_IS: Final = 0
AT_BEST: Final = 1
AT_WORST: Final = 2

# Most findings kept for one rule; when there are more, all are forgotten and made again.
MAX_REASONS: Final = 256

# What is said of parties that only an attribute left out could decide.
_BY_ID: Final = frozenset({"recipient", "service", "person", "agent", "job", "controller"})


class LinkedRule:
    """One rule of the program; immutable once made, but for the findings it remembers.

    `tests` are the three forms of the condition (`AS_IT_IS`, `AT_BEST`, `AT_WORST`), None without
    one. `is_plain` says that no clause depends on anything but action, purpose, data and basis.
    `only_tests` are the tests of a rule of which nothing but its condition is left to be asked.
    """

    __slots__ = (
        "_because",
        "_rank_denial",
        "channels",
        "finding",
        "from_us",
        "has_when",
        "if_consented",
        "index",
        "is_plain",
        "keep",
        "lifted_by",
        "mask",
        "obligation",
        "on",
        "only_tests",
        "ranked",
        "reads",
        "reads_consent",
        "reads_leaf",
        "reads_ledger",
        "reads_rights",
        "recipients",
        "rule",
        "tests",
        "to_countries",
        "to_ids",
        "to_roles",
        "until_us",
        "who",
        "who_names_controller",
        "who_names_role",
    )

    def __init__(
        self, rule: Rule, program: Program, functions: Mapping[str, Test], order: ReasonOrder
    ) -> None:
        self.rule = rule
        self.index = rule.index
        self.keep = rule.keep
        self.mask = rule.mask
        self.on = rule.on
        self.lifted_by = rule.lifted_by
        self.channels = rule.channels
        self.from_us = rule.from_us
        self.until_us = rule.until_us
        self._link_parties(rule.who, rule.recipients)
        self._link_condition(rule, functions)
        self.reads_ledger = self.reads_consent or self.reads_rights
        has_parties = not (self.who is None and self.channels is None and self.recipients is None)
        has_dates = not (self.from_us is None and self.until_us is None)
        self.has_when = has_dates or self.tests is not None
        self.is_plain = not (has_parties or self.has_when)
        self.only_tests = None if has_parties or has_dates else self.tests
        self.finding = Finding(
            reason=rule.reason,
            regime=program.regimes[rule.regime].name,
            rule=rule.name,
            text=rule.text,
            cite=rule.cite,
            file=rule.file or None,
            line=rule.line or None,
        )
        rank = order.permission if rule.kind is RuleKind.PERMIT else order.denial
        self.ranked: RankedFinding = (rank(rule.reason), rule.index, self.finding)
        self._rank_denial = order.denial
        self._because: dict[tuple[str, tuple[str, ...]], RankedFinding] = {}
        self.obligation = Obligation(
            name=rule.reason, text=program.obligation_texts.get(rule.reason, rule.text)
        )

    def because(self, code: str, missing: tuple[str, ...] = ()) -> RankedFinding:
        """The rule's finding with the reason of a denial in which it had a part."""
        key = (code, missing)
        found = self._because.get(key)
        if found is None:
            finding = replace(self.finding, reason=code, missing=missing)
            found = (self._rank_denial(code), self.index, finding)
            if len(self._because) >= MAX_REASONS:
                self._because = {}
            self._because[key] = found
        return found

    def _link_parties(
        self, who: tuple[Party, ...] | None, recipients: tuple[Party, ...] | None
    ) -> None:
        self.who: frozenset[PartyKey] | None = _keys(who)
        kinds = {party.kind for party in who or ()}
        self.who_names_role = "role" in kinds
        self.who_names_controller = "controller" in kinds
        self.recipients: frozenset[PartyKey] | None = _keys(recipients)
        to = recipients or ()
        self.to_ids = frozenset(party.name for party in to if party.kind in _BY_ID)
        self.to_roles = frozenset(party.name for party in to if party.kind == "role")
        self.to_countries = frozenset(party.name for party in to if party.kind == "country")

    def _link_condition(self, rule: Rule, functions: Mapping[str, Test]) -> None:
        condition = rule.condition
        self.tests: tuple[Test, Test, Test] | None = None
        self.if_consented: Test | None = None
        self.reads: tuple[str, ...] = ()
        self.reads_consent = self.reads_rights = self.reads_leaf = False
        if condition is None:
            return
        code = functions[f"c{condition.code}"]
        best, worst = functions[f"c{condition.at_best}"], functions[f"c{condition.at_worst}"]
        self.tests = (code, best, worst)
        self.if_consented = functions[f"c{condition.if_consented}"]
        self.reads = condition.reads
        self.reads_consent = condition.reads_consent
        self.reads_rights = condition.reads_rights
        self.reads_leaf = _reads_leaf(code, functions)


def _reads_leaf(test: Test, functions: Mapping[str, Test]) -> bool:
    """Whether the function or one that it calls may look at the leaf."""
    waiting, seen = [test], set[str]()
    while waiting:
        code = getattr(waiting.pop(), "__code__", None)
        if code is None or "leaf" in code.co_names:  # unknown functions may read anything
            return True
        called = {name for name in code.co_names if name[:1] == "c" and name[1:].isdigit()} - seen
        seen |= called
        waiting += [functions[name] for name in called]
    return False


def _keys(parties: tuple[Party, ...] | None) -> frozenset[PartyKey] | None:
    """The parties as keys; None, which matches anyone, if `anyone` is among them."""
    if parties is None or any(party.kind == "anyone" for party in parties):
        return None
    return frozenset((party.kind, party.name) for party in parties)
