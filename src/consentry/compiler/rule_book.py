"""Puts all rules in their one order: the house's first, files by name, then by place; then each
regime's, in order of use and declaration. Attaches exceptions to the forbids they lift.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from consentry.compiler.clauses import REGIME_CLAUSES, ClauseTable, check_clauses, first
from consentry.compiler.conditions import ConditionRole
from consentry.compiler.load import Loaded
from consentry.compiler.lookup import names_of
from consentry.compiler.names import Names, check_head
from consentry.compiler.report import Report
from consentry.compiler.resolved import Resolved
from consentry.compiler.rules import (
    HOUSE_SCOPE,
    LoweredRule,
    RuleLowering,
    Scope,
    check_dates,
    expressions_of,
    text_of,
)
from consentry.lang.tree import ClauseWord as W
from consentry.lang.tree import Name, RegimeDecl, RuleDecl, RuleWord
from consentry.model.program import Regime, Rule, RuleKind


@dataclass(slots=True)
class RuleBook:
    """All rules, exceptions, promises and regimes of the program, with their declarations.

    `declared_regimes` stand beside `regimes`; the house, index 0, has no declaration.
    """

    rules: list[LoweredRule] = field(default_factory=list)
    exceptions: list[LoweredRule] = field(default_factory=list)
    promises: list[LoweredRule] = field(default_factory=list)
    regimes: list[Regime] = field(default_factory=lambda: [Regime(index=0, name="")])
    declared_regimes: list[RegimeDecl | None] = field(default_factory=lambda: [None])

    def program_rules(self) -> tuple[Rule, ...]:
        """The rules as the program holds them."""
        return tuple(lowered.rule for lowered in self.rules)


def collect_regimes(loaded: Loaded, names: Names) -> list[RegimeDecl]:
    """Declare the regimes' names and the bases that their permits name; the first of each name."""
    found: list[RegimeDecl] = []
    for regime, is_pack in loaded.regimes():
        name = regime.head.name
        if name is None or not names.declare("regime", name):
            continue
        found.append(regime)
        names.regimes.append(name.text)
        if is_pack:
            names.pack_regimes.add(name.text)
        names.bases.update(_bases_of(regime))
    return found


def build_rule_book(resolved: Resolved, regimes: Iterable[RegimeDecl]) -> RuleBook:
    """Lower all rules and regimes."""
    book = RuleBook()
    lowering = RuleLowering(resolved)
    for module in resolved.loaded.house:
        for declaration in module.declarations:
            if isinstance(declaration, RuleDecl):
                _add_rule(declaration, HOUSE_SCOPE, book, lowering)
    for declared in regimes:
        _add_regime(declared, resolved, lowering, book)
    _attach_exceptions(book, resolved.report)
    _check_codes_after_on(book, resolved)
    return book


def _add_rule(declared: RuleDecl, scope: Scope, book: RuleBook, lowering: RuleLowering) -> None:
    target = book.rules
    if declared.word is RuleWord.EXCEPTION:
        target = book.exceptions
    elif declared.word is RuleWord.NEVER:
        target = book.promises
    lowered = lowering.lower(declared, scope, len(target))
    if lowered is not None:
        target.append(lowered)


def _add_regime(
    declared: RegimeDecl, resolved: Resolved, lowering: RuleLowering, book: RuleBook
) -> None:
    name, report = declared.head.name, resolved.report
    if name is None:
        return
    check_head(report, "a regime", declared.head)
    table = check_clauses(report, "a regime", name.span, declared.clauses, REGIME_CLAUSES)
    scope = Scope(index=len(book.regimes), name=name.text)
    governs = first(table, W.GOVERNS)
    from_us, until_us = check_dates(report, first(table, W.FROM), first(table, W.UNTIL))
    permits = [rule for rule in declared.rules if rule.word is RuleWord.PERMIT]
    bases = _bases_of(declared)
    book.declared_regimes.append(declared)
    book.regimes.append(
        Regime(
            index=scope.index,
            name=name.text,
            text=declared.head.text.value if declared.head.text else "",
            version=text_of(first(table, W.VERSION)),
            governs=resolved.conditions.compile_condition(
                whens=expressions_of(table.get(W.GOVERNS, ())),
                unlesses=(),
                regime=name.text,
                role=ConditionRole.GOVERNS,
            ),
            is_fallback=governs is not None and _is_otherwise(table, report),
            from_us=from_us,
            until_us=until_us,
            has_permits=bool(permits),
            bases=bases or None,
        )
    )
    for rule in declared.rules:
        _add_rule(rule, scope, book, lowering)


def _is_otherwise(table: ClauseTable, report: Report) -> bool:
    clause = first(table, W.GOVERNS)
    if clause is None or not isinstance(clause.value, Name):
        return False
    if clause.value.text == "otherwise":
        return True
    report.unknown("R221", "name", clause.value, ["otherwise"])
    return False


def _bases_of(regime: RegimeDecl) -> frozenset[str]:
    """The bases that the regime's permits name."""
    return frozenset(name.text for name in basis_names_of(regime))


def basis_names_of(regime: RegimeDecl) -> tuple[Name, ...]:
    """The bases that the regime's permits name, each time where it stands."""
    return tuple(
        name
        for rule in regime.rules
        if rule.word is RuleWord.PERMIT
        for clause in rule.clauses
        if clause.word is W.BASIS
        for name in names_of(clause)
    )


def _attach_exceptions(book: RuleBook, report: Report) -> None:
    """Point each lifted forbid at its exceptions."""
    forbids = {
        lowered.rule.name: place
        for place, lowered in enumerate(book.rules)
        if lowered.rule.regime == 0 and lowered.rule.kind is RuleKind.FORBID
    }
    others = {lowered.rule.name: lowered for lowered in book.rules if lowered.rule.regime == 0}
    of_regimes = {
        lowered.rule.name: book.regimes[lowered.rule.regime].name
        for lowered in book.rules
        if lowered.rule.regime and lowered.rule.kind is RuleKind.FORBID
    }
    for exception in book.exceptions:
        clause = first(exception.clauses, W.LIFTS)
        if clause is None or not isinstance(clause.value, Name):
            continue
        lifted = clause.value
        if (place := forbids.get(lifted.text)) is not None:
            target = book.rules[place]
            rule = replace(target.rule, lifted_by=(*target.rule.lifted_by, exception.rule.index))
            book.rules[place] = replace(target, rule=rule)
        elif (regime := of_regimes.get(lifted.text)) is not None:
            report.error(
                "R246",
                f"an exception cannot lift a `forbid` of regime `{regime}`",
                lifted.span,
                label="the law's, not the house's",
            )
        elif (other := others.get(lifted.text)) is not None:
            report.error(
                "R219",
                f"`{lifted.text}` is not a `forbid`",
                lifted.span,
                label=f"this is declared with `{other.declared.word.value}`",
                help="an exception lifts a `forbid`",
            )
        else:
            report.unknown("R219", "forbid of the house", lifted, forbids)


def _check_codes_after_on(book: RuleBook, resolved: Resolved) -> None:
    """`on` names a declared reason, or the code of a rule of the same scope."""
    with_on = [lowered for lowered in book.rules if lowered.rule.on]
    if not with_on:
        return
    codes: dict[int, set[str]] = {}
    for lowered in book.rules:
        codes.setdefault(lowered.rule.regime, set()).add(lowered.rule.reason)
    for lowered in with_on:
        known = resolved.symbols.reasons.keys() | codes[lowered.rule.regime]
        for code in names_of(first(lowered.clauses, W.ON)):
            if code.text not in known:
                places = resolved.lookup.places_of("reason")
                resolved.report.unknown("R208", "reason", code, known, places=places)
