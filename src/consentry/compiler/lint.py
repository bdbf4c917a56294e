"""Warnings about a policy set that compiles: what its author probably did not mean."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from itertools import chain

from consentry.compiler.clauses import first
from consentry.compiler.expressions import names_in
from consentry.compiler.lint_conflicts import warn_about_conflicts
from consentry.compiler.lint_promises import warn_about_promises
from consentry.compiler.lint_reach import warn_about_reach
from consentry.compiler.lint_special import warn_about_special_data
from consentry.compiler.lint_terms import (
    warn_about_keep,
    warn_about_notices,
    warn_about_today,
)
from consentry.compiler.load import Loaded
from consentry.compiler.lookup import names_of
from consentry.compiler.purpose_tree import Draft
from consentry.compiler.report import Report
from consentry.compiler.resolved import Resolved
from consentry.compiler.rule_book import RuleBook, basis_names_of
from consentry.compiler.rules import LoweredRule, expressions_of
from consentry.compiler.symbols import Symbols
from consentry.diagnostics.suggest import closest
from consentry.lang.tree import Clause, Name, RegimeDecl, RuleDecl
from consentry.lang.tree import ClauseWord as W
from consentry.model.program import Regime, RuleKind
from consentry.model.vocabulary import TAG_CONTACTING


def lint(
    resolved: Resolved,
    book: RuleBook,
    drafts: Sequence[Draft],
    slips: AbstractSet[tuple[str, str]],
    now_us: int | None,
) -> None:
    """Report all warnings; those that depend on the day only where `now_us` says which it is.

    `slips` are the regimes and bases that `warn_about_misspelt_bases` has told.
    """
    report, symbols = resolved.report, resolved.symbols
    _warn_about_bases(drafts, book.regimes, slips, report)
    warn_about_notices(drafts, report)
    for lowered in book.rules:
        if lowered.rule.regime:
            continue
        if lowered.rule.kind is RuleKind.PERMIT:
            warn_about_keep(lowered, symbols.purposes, report)
            _warn_about_channel(lowered, symbols, report)
        warn_about_conflicts(lowered, report)
    for lowered in (*book.exceptions, *book.promises):
        warn_about_conflicts(lowered, report)
    warn_about_reach(book, symbols, report)
    warn_about_promises(book, report)
    warn_about_special_data(resolved, book)
    if now_us is not None:
        warn_about_today(resolved, book, now_us)
    _warn_about_unused(resolved)


def warn_about_misspelt_bases(resolved: Resolved, drafts: Sequence[Draft]) -> set[tuple[str, str]]:
    """A basis of the house's own law that no purpose has, spelt almost like one that is known.

    Gives back the regimes and the bases that were meant there.
    """
    had = {draft.node.basis for draft in drafts if draft.node.basis is not None}
    had |= {basis for draft in drafts for _, basis in draft.node.basis_under}
    slips: set[tuple[str, str]] = set()
    for regime, is_pack in resolved.loaded.regimes():
        for name in basis_names_of(regime) if not is_pack and regime.head.name else ():
            near = None if name.text in had else closest(name.text, resolved.symbols.bases | had)
            if near is not None and regime.head.name is not None:
                slips.add((regime.head.name.text, near))
                resolved.report.warning(
                    "W815",
                    f"no purpose has basis `{name.text}`",
                    name.span,
                    label="this ground is never used",
                    help=f"did you mean `{near}`?",
                )
    return slips


def _warn_about_bases(
    drafts: Sequence[Draft],
    regimes: Sequence[Regime],
    slips: AbstractSet[tuple[str, str]],
    report: Report,
) -> None:
    choosy = [regime for regime in regimes if regime.has_permits and regime.bases is not None]
    if not choosy:
        return
    for draft in drafts:
        node = draft.node
        lacking = [r for r in choosy if r.index and node.basis_for(r.name) is None]
        if lacking and not node.children:
            report.warning(
                "W801",
                f"purpose `{node.path}` has no basis",
                draft.name.span,
                label=f"under `{lacking[0].name}` every request for it is denied",
                help="add `basis …` to it, or to a purpose above it",
            )
        for regime_name, basis in draft.basis_names:
            meant = [r for r in choosy if (r.name, basis.text) not in slips]
            _warn_about_basis(draft, regime_name, basis, meant, report)


def _warn_about_basis(
    draft: Draft, written_for: str, basis: Name, choosy: Sequence[Regime], report: Report
) -> None:
    for regime in choosy:
        bases = regime.bases or frozenset()
        is_meant = written_for == regime.name or (
            not written_for and draft.node.basis_for(regime.name) == basis.text
        )
        if is_meant and basis.text not in bases:
            report.warning(
                "W802",
                f"regime `{regime.name}` has no basis `{basis.text}`",
                basis.span,
                label=f"where `{regime.name}` governs, every request for it is denied",
                help="" if written_for else f"add `basis … under {regime.name}`",
            )


def _warn_about_channel(lowered: LoweredRule, symbols: Symbols, report: Report) -> None:
    if first(lowered.clauses, W.VIA) is not None:
        return
    for name in names_of(first(lowered.clauses, W.MAY)):
        if TAG_CONTACTING in symbols.actions.get(name.text, ()):
            report.warning(
                "W804",
                f"`{name.text}` without a channel",
                name.span,
                label="this permits every channel",
                help="add `via …`, or `via anything` to mean all",
            )
            return


def _warn_about_unused(resolved: Resolved) -> None:
    loaded, names, symbols = resolved.loaded, resolved.names, resolved.symbols
    read = set(_names_in_conditions(loaded))
    used_sets = {name for _, name in resolved.lookup.used_sets} | read
    house_files = {module.file for module in loaded.house}
    for declared in symbols.sets.values():
        if declared.name not in used_sets and declared.span.file in house_files:
            names.report.warning(
                "W807",
                f"set `{declared.name}` is never used",
                declared.span,
                label="nothing names it",
            )
    for spec in symbols.attributes.values():
        place = names.declared_at.get(f"attribute {spec.path}")
        if place is not None and spec.path not in read:
            names.report.warning(
                "W807",
                f"attribute `{spec.path}` is never used",
                place,
                label="no condition reads it",
            )


def _names_in_conditions(loaded: Loaded) -> Iterable[str]:
    for module in loaded.modules():
        for declaration in module.declarations:
            if isinstance(declaration, RuleDecl):
                yield from _names_in_clauses(declaration.clauses)
            elif isinstance(declaration, RegimeDecl):
                clauses = chain(declaration.clauses, *(rule.clauses for rule in declaration.rules))
                yield from _names_in_clauses(clauses)


def _names_in_clauses(clauses: Iterable[Clause]) -> Iterable[str]:
    conditions = [c for c in clauses if c.word in {W.WHEN, W.UNLESS, W.GOVERNS}]
    for expression in expressions_of(conditions):
        yield from (name.text for name in names_in(expression))
