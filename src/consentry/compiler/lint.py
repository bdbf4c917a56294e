"""Warnings about a policy set that compiles: what its author probably did not mean."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain, islice
from typing import Final

from consentry.compiler.clauses import first
from consentry.compiler.expressions import names_in
from consentry.compiler.load import Loaded
from consentry.compiler.lookup import names_of
from consentry.compiler.purpose_tree import Draft
from consentry.compiler.report import Report
from consentry.compiler.resolved import Resolved
from consentry.compiler.rule_book import RuleBook
from consentry.compiler.rules import LoweredRule, expressions_of
from consentry.compiler.symbols import Symbols
from consentry.lang.tree import Clause, Name, RegimeDecl, RuleDecl
from consentry.lang.tree import ClauseWord as W
from consentry.model.program import Regime, Rule, RuleKind
from consentry.model.trees import PurposeNode
from consentry.model.values import MICROS_PER_DAY, Duration
from consentry.model.vocabulary import TAG_CONTACTING

_MAX_FORBIDS_COMPARED: Final = 64
"""Forbids held against one permit at most, so that the check stays linear."""


def lint(resolved: Resolved, book: RuleBook, drafts: Sequence[Draft]) -> None:
    """Report all warnings."""
    report, symbols = resolved.report, resolved.symbols
    _warn_about_bases(drafts, book.regimes, report)
    for lowered in book.rules:
        if lowered.rule.kind is RuleKind.PERMIT and lowered.rule.regime == 0:
            _warn_about_keep(lowered, symbols.purposes, report)
            _warn_about_channel(lowered, symbols, report)
        if lowered.rule.regime == 0:
            _warn_about_nothing(lowered, report)
    _warn_about_shadowed(book, report)
    _warn_about_unused(resolved)


def _warn_about_bases(drafts: Sequence[Draft], regimes: Sequence[Regime], report: Report) -> None:
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
            _warn_about_basis(draft, regime_name, basis, choosy, report)


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


def _warn_about_keep(lowered: LoweredRule, purposes: Sequence[PurposeNode], report: Report) -> None:
    clause = first(lowered.clauses, W.KEEP)
    keep = lowered.rule.keep
    if clause is None or keep is None or lowered.rule.purposes is None:
        return
    for index in sorted(lowered.rule.purposes):
        limit = purposes[index].keep
        if limit is not None and _is_surely_longer(keep, limit):
            report.warning(
                "W803",
                f"kept longer than purpose `{purposes[index].path}` allows",
                clause.span,
                label="the purpose's own `keep` is shorter",
            )
            return


def _is_surely_longer(one: Duration, other: Duration) -> bool:
    """Whether `one` is longer than `other` whichever months are meant."""
    if not (one.micros or other.micros):
        return one.months > other.months
    shortest = one.months * 28 * MICROS_PER_DAY + one.micros
    longest = other.months * 31 * MICROS_PER_DAY + other.micros
    return shortest > longest


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


def _warn_about_nothing(lowered: LoweredRule, report: Report) -> None:
    """A clause that names things of which the policy set has none makes the rule void."""
    for word, found in ((W.DATA, lowered.rule.data), (W.FOR, lowered.rule.purposes)):
        clause = first(lowered.clauses, word)
        names = names_of(clause)
        if clause is not None and names and found is not None and not found:
            report.warning(
                "W805",
                f"`{lowered.rule.name}` can never apply",
                names[0].span,
                label="nothing in this policy set carries it",
            )
            return


def _warn_about_shadowed(book: RuleBook, report: Report) -> None:
    """A permit that an unconditional forbid covers wholly grants nothing."""
    by_data: dict[frozenset[int], list[LoweredRule]] = {}
    for_all: list[LoweredRule] = []
    for lowered in book.rules:
        rule = lowered.rule
        if rule.kind is not RuleKind.FORBID or not _is_unconditional(rule, book.regimes):
            continue
        if rule.data is None:
            for_all.append(lowered)
        else:
            by_data.setdefault(rule.data, []).append(lowered)
    if not by_data and not for_all:
        return
    # PERF: many rules name the same data, so leaves point at the few different sets of it.
    by_leaf: dict[int, list[list[LoweredRule]]] = {}
    for data, forbids in by_data.items():
        for leaf in data:
            by_leaf.setdefault(leaf, []).append(forbids)
    for lowered in book.rules:
        rule = lowered.rule
        if rule.kind is not RuleKind.PERMIT or rule.regime:
            continue
        groups = by_leaf.get(min(rule.data), []) if rule.data else []
        for forbid in islice(chain(for_all, *groups), _MAX_FORBIDS_COMPARED):
            if _covers(forbid.rule, rule):
                _warn_shadowed(lowered, forbid, report)
                break


def _warn_shadowed(permit: LoweredRule, forbid: LoweredRule, report: Report) -> None:
    name, other = permit.declared.head.name, forbid.declared.head.name
    if name is None or other is None:
        return
    report.warning(
        "W806",
        f"`{name.text}` grants nothing",
        name.span,
        label=f"`{other.text}` forbids all of it",
        related=((other.span, "forbidden here, without a condition"),),
    )


def _is_unconditional(rule: Rule, regimes: Sequence[Regime]) -> bool:
    regime = regimes[rule.regime]
    is_always_governing = not (
        regime.governs or regime.is_fallback or regime.from_us or regime.until_us
    )
    return is_always_governing and not (
        rule.condition
        or rule.who
        or rule.recipients
        or rule.bases
        or rule.from_us
        or rule.until_us
        or rule.lifted_by
    )


def _covers(forbid: Rule, permit: Rule) -> bool:
    def is_part(inner: frozenset[object] | None, outer: frozenset[object] | None) -> bool:
        return outer is None or (inner is not None and inner <= outer)

    return (
        is_part(_objects(permit.actions), _objects(forbid.actions))
        and is_part(_objects(permit.data), _objects(forbid.data))
        and is_part(_objects(permit.purposes), _objects(forbid.purposes))
        and is_part(_objects(permit.channels), _objects(forbid.channels))
    )


def _objects(items: frozenset[int] | frozenset[str] | None) -> frozenset[object] | None:
    return None if items is None else frozenset[object](items)


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
        yield from names_in(expression)
