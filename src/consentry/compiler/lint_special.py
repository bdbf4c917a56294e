"""A warning about data that a law singles out and that a permit hands out like any other.

Which data is special is the law's to say: it is what a `forbid` of a loaded regime names by `data`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from consentry.compiler.clauses import first
from consentry.compiler.lookup import names_of
from consentry.compiler.resolved import Resolved
from consentry.compiler.rule_book import RuleBook
from consentry.compiler.rules import LoweredRule
from consentry.diagnostics.span import Span
from consentry.lang.tree import ClauseWord as W
from consentry.model.program import Regime, Rule, RuleKind
from consentry.model.trees import PurposeNode


def warn_about_special_data(resolved: Resolved, book: RuleBook) -> None:
    """Report permits without a condition for special data of which no rule asks anything more."""
    watch = _Watch(book, resolved.symbols.purposes)
    if not watch.special:
        return
    for lowered in book.rules:
        rule = lowered.rule
        if rule.kind is not RuleKind.PERMIT or rule.regime or rule.condition is not None:
            continue
        reached = watch.special.keys() if rule.data is None else watch.special.keys() & rule.data
        leaf = next((one for one in sorted(reached) if watch.is_open(one, rule)), None)
        if leaf is not None:
            path = resolved.symbols.data[leaf].path
            resolved.report.warning(
                "W809",
                f"`{path}` is permitted like any other data",
                _place(lowered, leaf, resolved),
                label=f"regime `{watch.special[leaf]}` singles it out",
                help="say in a `when` what makes this allowed, or leave the field out",
            )


class _Watch:
    """What is special, and which rules ask more of it."""

    def __init__(self, book: RuleBook, purposes: Sequence[PurposeNode]) -> None:
        self._regimes: Sequence[Regime] = book.regimes
        self._purposes = purposes
        self.special: dict[int, str] = {}
        self._guards: dict[int, list[Rule]] = {}
        self._answers: dict[tuple[object, ...], bool] = {}
        for rule in (lowered.rule for lowered in book.rules):
            if rule.kind is not RuleKind.FORBID or rule.data is None:
                continue
            for leaf in rule.data:
                if rule.regime:
                    self.special.setdefault(leaf, book.regimes[rule.regime].name)
                self._guards.setdefault(leaf, []).append(rule)

    def is_open(self, leaf: int, permit: Rule) -> bool:
        """Whether some purpose of the permit gets the leaf without any further question."""
        # PERF: thousands of permits share few combinations.
        key = (leaf, permit.actions, permit.purposes)
        if key not in self._answers:
            served: Iterable[int] = (
                range(len(self._purposes)) if permit.purposes is None else permit.purposes
            )
            self._answers[key] = any(
                not any(self._guards_purpose(g, permit, index) for g in self._guards[leaf])
                for index in served
            )
        return self._answers[key]

    def _guards_purpose(self, guard: Rule, permit: Rule, index: int) -> bool:
        if guard.purposes is not None and index not in guard.purposes:
            return False
        if guard.actions is not None and (
            permit.actions is None or not permit.actions <= guard.actions
        ):
            return False
        if guard.bases is None:
            return True
        names = [self._regimes[guard.regime].name] if guard.regime else []
        names = names or [regime.name for regime in self._regimes[1:]]
        return any(self._purposes[index].basis_for(name) in guard.bases for name in names)


def _place(lowered: LoweredRule, leaf: int, resolved: Resolved) -> Span | None:
    """The name in the `data` clause that covers the leaf."""
    for name in names_of(first(lowered.clauses, W.DATA)):
        found = resolved.symbols.leaves_of(name.text)
        if found is None or leaf in found:
            return name.span
    return None if lowered.declared.head.name is None else lowered.declared.head.name.span
