"""Warnings about terms: retention, versions of notices, and what time has done or is about to do.

What depends on the day is told only where the caller says which day it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final

from consentry.compiler.clauses import first
from consentry.compiler.load import Loaded
from consentry.compiler.purpose_tree import Draft
from consentry.compiler.report import Report
from consentry.compiler.resolved import Resolved
from consentry.compiler.rule_book import RuleBook
from consentry.compiler.rules import LoweredRule
from consentry.diagnostics.span import Span
from consentry.lang.tree import ClauseWord as W
from consentry.lang.tree import Module, RegimeDecl, Text, Use
from consentry.model.operators import notice_order
from consentry.model.program import RuleKind
from consentry.model.trees import PurposeNode
from consentry.model.values import MICROS_PER_DAY, Duration, midnight_us

SOON_DAYS: Final = 90
"""How far ahead a change of a law is announced."""

_EPOCH: Final = date(1970, 1, 1).toordinal()


def warn_about_keep(lowered: LoweredRule, purposes: Sequence[PurposeNode], report: Report) -> None:
    """A permit's `keep` that is longer than that of a purpose it serves."""
    clause, keep = first(lowered.clauses, W.KEEP), lowered.rule.keep
    if clause is None or keep is None:
        return
    served = range(len(purposes)) if lowered.rule.purposes is None else lowered.rule.purposes
    for index in sorted(served):
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


def warn_about_notices(drafts: Sequence[Draft], report: Report) -> None:
    """A notice older than its own material change, or than that of the purpose above."""
    for draft in drafts:
        clause = draft.notice
        if clause is None or not isinstance(clause.value, Text):
            continue
        current, since = clause.value, clause.second
        above = drafts[draft.node.lineage[1]].node if len(draft.node.lineage) > 1 else None
        if isinstance(since, Text) and _is_behind(current.value, since.value):
            label = f'the last material change is said to be "{since.value}"'
        elif above is not None and _is_behind(current.value, above.notice):
            label = f'purpose `{above.path}` is at "{above.notice}"'
        else:
            continue
        title = f"the notice of purpose `{draft.node.path}` is behind"
        report.warning("W808", title, current.span, label=label)


def _is_behind(version: str, other: str | None) -> bool:
    order = notice_order(version, other)
    return order is not None and order < 0


def warn_about_today(resolved: Resolved, book: RuleBook, now_us: int) -> None:
    """What is over, and what a law that is used will change soon."""
    for exception in book.exceptions:
        _warn_if_over(exception, "W812", now_us, resolved.report)
    for lowered in book.rules:
        if lowered.rule.regime == 0:
            _warn_if_over(lowered, "W813", now_us, resolved.report)
    _warn_about_changes(resolved, book, now_us)


def _warn_if_over(lowered: LoweredRule, code: str, now_us: int, report: Report) -> None:
    clause, until_us = first(lowered.clauses, W.UNTIL), lowered.rule.until_us
    if clause is None or until_us is None or until_us > now_us:
        return
    is_permit = lowered.rule.kind is RuleKind.PERMIT and code == "W813"
    report.warning(
        code,
        f"`{lowered.rule.name}` is past its date",
        clause.span,
        label="it no longer applies",
        help="drop it, or give it a later date" if is_permit else "drop it, or renew it",
    )


def _warn_about_changes(resolved: Resolved, book: RuleBook, now_us: int) -> None:
    """One warning for each law that changes within the next months: its first change."""
    last_us = now_us + SOON_DAYS * MICROS_PER_DAY
    for what, span, regimes in _laws(resolved.loaded):
        ahead = [
            (at_us, change)
            for at_us, change in _changes(resolved, book, regimes)
            if now_us < at_us <= last_us
        ]
        if ahead:
            at_us, change = min(ahead)
            day = date.fromordinal(_EPOCH + at_us // MICROS_PER_DAY)
            title = f"{what} changes on {day.isoformat()}"
            resolved.report.warning("W814", title, span, label=change)


def _laws(loaded: Loaded) -> Iterator[tuple[str, Span, frozenset[str]]]:
    """The packs that the house's files name, each once, and the house's own regimes: what to call
    them, where they are named, and the regimes that they bring.
    """
    seen: set[str] = set()
    for declaration in (d for module in loaded.house for d in module.declarations):
        if isinstance(declaration, RegimeDecl) and (name := declaration.head.name) is not None:
            yield f"regime `{name.text}`", name.span, frozenset({name.text})
        for used in declaration.packs if isinstance(declaration, Use) else ():
            pack = used.name.text
            if pack in loaded.packs and pack not in seen:
                seen.add(pack)
                yield f"pack `{pack}`", used.name.span, _regimes_of(loaded.packs[pack])


def _regimes_of(pack: Module) -> frozenset[str]:
    heads = (d.head for d in pack.declarations if isinstance(d, RegimeDecl))
    return frozenset(head.name.text for head in heads if head.name is not None)


def _changes(
    resolved: Resolved, book: RuleBook, regimes: frozenset[str]
) -> Iterator[tuple[int, str]]:
    """When something of the regimes begins or ends, and what."""
    dated: list[tuple[int | None, int | None, str]] = [
        (regime.from_us, regime.until_us, f"regime `{regime.name}`")
        for regime in book.regimes
        if regime.name in regimes
    ]
    dated += [
        (rule.from_us, rule.until_us, f"`{rule.name}`")
        for rule in book.program_rules()
        if book.regimes[rule.regime].name in regimes
    ]
    dated += [
        (_start_of(item.from_), _start_of(item.until), f"`{item.value}` in set `{declared.name}`")
        for declared in resolved.symbols.sets.values()
        if declared.regime in regimes
        for item in declared.items
    ]
    for from_us, until_us, what in dated:
        if from_us is not None:
            yield from_us, f"{what} takes effect"
        if until_us is not None:
            yield until_us, f"{what} ends"


def _start_of(day: date | None) -> int | None:
    return None if day is None else midnight_us(day)
