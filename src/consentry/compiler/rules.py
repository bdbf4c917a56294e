"""Lowers rules: names in clauses become index sets, conditions become compiled conditions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from consentry.compiler.clauses import (
    HOUSE_RULES,
    REGIME_RULES,
    ClauseTable,
    check_clauses,
    first,
)
from consentry.compiler.conditions import ConditionRole
from consentry.compiler.lookup import names_of
from consentry.compiler.names import check_head
from consentry.compiler.report import Report
from consentry.compiler.resolved import Resolved
from consentry.lang.tree import (
    Clause,
    DurationRef,
    Expr,
    Literal,
    MaskRef,
    Name,
    PartyRef,
    RuleDecl,
    RuleWord,
    Text,
)
from consentry.lang.tree import ClauseWord as W
from consentry.model.decision import Mask
from consentry.model.program import Condition, Rule, RuleKind
from consentry.model.values import midnight_us
from consentry.model.vocabulary import MASK_FUNCTIONS

_ROLES: Final[Mapping[RuleWord, ConditionRole]] = {
    RuleWord.PERMIT: ConditionRole.PERMIT,
    RuleWord.FORBID: ConditionRole.FORBID,
    RuleWord.MASK: ConditionRole.MASK,
    RuleWord.OBLIGE: ConditionRole.OBLIGE,
    RuleWord.NEVER: ConditionRole.NEVER,
    RuleWord.EXCEPTION: ConditionRole.EXCEPTION,
}
_KINDS: Final[Mapping[RuleWord, RuleKind]] = {
    RuleWord.PERMIT: RuleKind.PERMIT,
    RuleWord.FORBID: RuleKind.FORBID,
    RuleWord.MASK: RuleKind.MASK,
    RuleWord.OBLIGE: RuleKind.OBLIGE,
    # A promise holds where a `forbid` of the same clauses would change nothing.
    RuleWord.NEVER: RuleKind.FORBID,
    # The clauses of a lifted rule: they hold where all they say is true.
    RuleWord.EXCEPTION: RuleKind.PERMIT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoweredRule:
    """A rule of the program and the declaration it came from."""

    rule: Rule
    declared: RuleDecl
    clauses: ClauseTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """In whose text a rule stands: the house's (index 0, empty name) or a regime's."""

    index: int = 0
    name: str = ""


HOUSE_SCOPE: Final = Scope()


class RuleLowering:
    """Lowers rules one by one; conditions are numbered in the order of the calls."""

    def __init__(self, resolved: Resolved) -> None:
        self._names = resolved.names
        self._symbols = resolved.symbols
        self._lookup = resolved.lookup
        self._conditions = resolved.conditions
        self._report = resolved.report

    def lower(self, declared: RuleDecl, scope: Scope, index: int) -> LoweredRule | None:
        """The rule with its place in its tuple of the program; None when it is declared twice or
        may not stand here.
        """
        name, word = declared.head.name, declared.word
        if name is None:
            return None
        what = f"{'an' if word.value[0] in 'aeo' else 'a'} `{word.value}`"
        allowed = (REGIME_RULES if scope.index else HOUSE_RULES).get(word)
        if allowed is None:
            self._report.error(
                "R242",
                f"a regime cannot declare {what}",
                name.span,
                label="the house's own business",
            )
            return None
        takes_as = word in {RuleWord.PERMIT, RuleWord.FORBID, RuleWord.OBLIGE}
        check_head(self._report, what, declared.head, standard=1 if takes_as else 0)
        is_first = self._names.declare(f"rule of {scope.name}" if scope.name else "rule", name)
        table = check_clauses(self._report, what, name.span, declared.clauses, allowed)
        rule = self._build(declared, name, table, scope, index)
        return LoweredRule(rule=rule, declared=declared, clauses=table) if is_first else None

    def _build(
        self, declared: RuleDecl, name: Name, table: ClauseTable, scope: Scope, index: int
    ) -> Rule:
        lookup = self._lookup
        keep = first(table, W.KEEP)
        from_us, until_us = self._dates(table)
        on = first(table, W.ON)
        return Rule(
            index=index,
            name=name.text,
            kind=_KINDS[declared.word],
            regime=scope.index,
            reason=self._reason(declared, name),
            text=declared.head.text.value if declared.head.text else "",
            cite=text_of(first(table, W.CITE)),
            file=name.span.file,
            line=name.span.line,
            who=lookup.parties(first(table, W.WHO), is_recipient=False),
            actions=lookup.actions(first(table, W.MAY), scope.name),
            data=lookup.leaves(first(table, W.DATA), scope.name),
            purposes=lookup.purposes(first(table, W.FOR), scope.name),
            channels=lookup.channels(first(table, W.VIA), scope.name),
            recipients=lookup.parties(first(table, W.TO), is_recipient=True),
            bases=lookup.bases(first(table, W.BASIS)),
            condition=self._condition(table, scope, _ROLES[declared.word]),
            from_us=from_us,
            until_us=until_us,
            on=frozenset(n.text for n in names_of(on)) if on else None,
            mask=self._mask(first(table, W.AS)),
            keep=keep.value.value if keep and isinstance(keep.value, DurationRef) else None,
        )

    def _reason(self, declared: RuleDecl, name: Name) -> str:
        """The code the rule gives: its `as`, else its own name. An obligation is any word."""
        if not declared.head.standard:
            return name.text
        code = declared.head.standard[0]
        if declared.word is not RuleWord.OBLIGE and code.text not in self._symbols.reasons:
            places = self._lookup.places_of("reason")
            self._report.unknown("R208", "reason", code, self._symbols.reasons, places=places)
        return code.text

    def _condition(self, table: ClauseTable, scope: Scope, role: ConditionRole) -> Condition | None:
        whens = expressions_of(table.get(W.WHEN, ()))
        unlesses = expressions_of(table.get(W.UNLESS, ()))
        return self._conditions.compile_condition(
            whens=whens, unlesses=unlesses, regime=scope.name, role=role
        )

    def _dates(self, table: ClauseTable) -> tuple[int | None, int | None]:
        return check_dates(self._report, first(table, W.FROM), first(table, W.UNTIL))

    def _mask(self, clause: Clause | None) -> Mask | None:
        if clause is None or not isinstance(clause.value, MaskRef):
            return None
        function, argument = clause.value.function, clause.value.argument
        if function.text not in MASK_FUNCTIONS:
            self._report.unknown("R212", "mask", function, MASK_FUNCTIONS)
            return None
        takes_number = MASK_FUNCTIONS[function.text]
        if takes_number and (argument is None or argument < 1):
            self._report.error(
                "R248",
                f"mask `{function.text}` needs a whole number above 0",
                function.span,
                label="how many?",
                help=f"write `{function.text} 4`",
            )
            return None
        if not takes_number and argument is not None:
            self._report.error(
                "R248",
                f"mask `{function.text}` takes no number",
                clause.value.span,
                label="leave the number out",
            )
            return None
        return Mask(function.text, argument)


def check_dates(
    report: Report, from_: Clause | None, until: Clause | None
) -> tuple[int | None, int | None]:
    """The instants of `from` and `until`; an empty stretch is an error."""
    from_us, until_us = _instant(from_), _instant(until)
    if until is not None and from_us is not None and until_us is not None and from_us >= until_us:
        report.error(
            "R252",
            "`from` is not before `until`",
            until.span,
            label="this is never in effect",
            related=((from_.span, "it starts here"),) if from_ else (),
        )
    return from_us, until_us


def _instant(clause: Clause | None) -> int | None:
    if clause is None or not isinstance(clause.value, Literal):
        return None
    value = clause.value.value
    return midnight_us(value) if isinstance(value, date) else None


def text_of(clause: Clause | None) -> str:
    """The string of a clause that holds one; empty without the clause."""
    return clause.value.value if clause and isinstance(clause.value, Text) else ""


def expressions_of(clauses: Sequence[Clause]) -> tuple[Expr, ...]:
    """The expressions of `when`, `unless` or `governs` clauses."""
    found: list[Expr] = []
    for clause in clauses:
        value = clause.value
        if not isinstance(value, tuple | Name | Text | DurationRef | MaskRef | PartyRef):
            found.append(value)
    return tuple(found)
