"""Warnings about promises: permits that contradict one, and promises that another one holds.

What needs no proof to be seen. Whether a promise is kept in every case is for the tools to prove.
"""

from __future__ import annotations

from consentry.compiler.lint_reach import covers, stops_whenever
from consentry.compiler.report import Report
from consentry.compiler.rule_book import RuleBook
from consentry.compiler.rules import LoweredRule
from consentry.model.program import HOUSE, RuleKind


def warn_about_promises(book: RuleBook, report: Report) -> None:
    """Report permits that can only break a promise, and promises within another one."""
    permits = [
        lowered
        for lowered in book.rules
        if lowered.rule.regime == HOUSE and lowered.rule.kind is RuleKind.PERMIT
    ]
    for promise in book.promises:
        for permit in permits:
            if _is_within(permit, promise):
                _warn_contradiction(permit, promise, report)
        for other in book.promises:
            if other is not promise and _is_within(promise, other):
                is_first = promise.rule.index < other.rule.index
                if not (_is_within(other, promise) and is_first):
                    _warn_said_already(promise, other, report)
                    break


def _is_within(narrow: LoweredRule, wide: LoweredRule) -> bool:
    """Whether all that the one speaks of is spoken of by the other."""
    is_any_basis = wide.rule.bases is None
    return is_any_basis and covers(wide.rule, narrow.rule) and stops_whenever(wide, narrow)


def _warn_contradiction(permit: LoweredRule, promise: LoweredRule, report: Report) -> None:
    name, said = permit.declared.head.name, promise.declared.head.name
    if name is None or said is None:
        return
    report.warning(
        "W820",
        f"`{name.text}` contradicts the promise `{said.text}`",
        name.span,
        label="all that it permits is promised never to happen",
        related=((said.span, "promised here"),),
    )


def _warn_said_already(promise: LoweredRule, other: LoweredRule, report: Report) -> None:
    name, said = promise.declared.head.name, other.declared.head.name
    if name is None or said is None:
        return
    report.warning(
        "W821",
        f"`{said.text}` promises `{name.text}` already",
        name.span,
        label="this says nothing more",
        related=((said.span, "the wider promise"),),
    )
