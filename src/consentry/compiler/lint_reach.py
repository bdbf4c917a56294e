"""Warnings about rules that change nothing: they never apply, or another rule takes it all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice, product
from typing import Final

from consentry.compiler.clauses import first
from consentry.compiler.lookup import names_of
from consentry.compiler.report import Report
from consentry.compiler.rule_book import RuleBook
from consentry.compiler.rules import LoweredRule, expressions_of
from consentry.compiler.symbols import Symbols
from consentry.lang.tree import And, Expr
from consentry.lang.tree import ClauseWord as W
from consentry.model.program import Regime, Rule, RuleKind
from consentry.model.trees import PurposeNode

_MAX_COMPARED: Final = 64
"""Rules held against one rule at most, so that the checks stay linear."""

_MAX_CELLS: Final = 10_000
"""Combinations of action, field, purpose and channel of one permit that are looked at singly."""


def warn_about_reach(book: RuleBook, symbols: Symbols, report: Report) -> None:
    """Report rules that can never apply, permits that grant nothing, rules that nothing reaches."""
    house = [lowered for lowered in book.rules if lowered.rule.regime == 0]
    for lowered in house:
        if not _warn_about_nothing(lowered, report):
            _warn_about_basis(lowered, symbols.purposes, book.regimes, report)
    _warn_about_dates(book, report)
    _warn_about_shadowed(house, symbols, book, report)
    _warn_about_unreached(house, report)
    _warn_about_exceptions(book, report)


def _warn_about_nothing(lowered: LoweredRule, report: Report) -> bool:
    """A clause that names things of which the policy set has none makes the rule void."""
    for word, found in ((W.DATA, lowered.rule.data), (W.FOR, lowered.rule.purposes)):
        names = names_of(first(lowered.clauses, word))
        if names and found is not None and not found:
            report.warning(
                "W805",
                f"`{lowered.rule.name}` can never apply",
                names[0].span,
                label="nothing in this policy set carries it",
            )
            return True
    return False


def _warn_about_basis(
    lowered: LoweredRule,
    purposes: Sequence[PurposeNode],
    regimes: Sequence[Regime],
    report: Report,
) -> None:
    """A `basis` that none of the rule's purposes has under any law makes the rule void."""
    rule, names = lowered.rule, names_of(first(lowered.clauses, W.BASIS))
    if not names or rule.bases is None or rule.purposes is None:
        return
    laws = [regime.name for regime in regimes[1:]]
    has_basis = any(
        purposes[index].basis_for(law) in rule.bases for index in rule.purposes for law in laws
    )
    if not has_basis:
        report.warning(
            "W805",
            f"`{rule.name}` can never apply",
            names[0].span,
            label="none of its purposes has this basis",
        )


def _warn_about_dates(book: RuleBook, report: Report) -> None:
    """A rule of a law whose dates lie outside of the law's own."""
    for lowered in book.rules:
        rule, regime = lowered.rule, book.regimes[lowered.rule.regime]
        for word, is_outside, edge in (
            (W.FROM, _is_late(rule.from_us, regime.until_us), "ends before"),
            (W.UNTIL, _is_late(regime.from_us, rule.until_us), "begins later"),
        ):
            clause = first(lowered.clauses, word)
            if is_outside and clause is not None:
                title = f"`{rule.name}` can never apply"
                label = f"regime `{regime.name}` {edge}"
                report.warning("W805", title, clause.span, label=label)


def _is_late(start_us: int | None, end_us: int | None) -> bool:
    return start_us is not None and end_us is not None and start_us >= end_us


# --- permits that grant nothing -----------------------------------------------------------------


@dataclass(slots=True)
class _Forbids:
    """The forbids that may cover a permit, findable by leaf."""

    for_all: list[LoweredRule] = field(default_factory=list)
    # PERF: many rules name the same data, so leaves point at the few different sets of it.
    by_leaf: dict[int, list[list[LoweredRule]]] = field(default_factory=dict)

    def near(self, leaves: Iterable[int]) -> list[LoweredRule]:
        """Those that touch one of the leaves, a bounded number, in order of their place."""
        found = {id(one): one for one in islice(self.for_all, _MAX_COMPARED)}
        for leaf in leaves:
            for group in self.by_leaf.get(leaf, ()):
                if len(found) >= _MAX_COMPARED:
                    break
                found.update((id(one), one) for one in islice(group, _MAX_COMPARED))
        return sorted(found.values(), key=lambda one: one.rule.index)


def _warn_about_shadowed(
    house: Sequence[LoweredRule], symbols: Symbols, book: RuleBook, report: Report
) -> None:
    """A permit that forbids cover wholly, one or several together, grants nothing."""
    forbids = _collect_forbids(book)
    if not forbids.for_all and not forbids.by_leaf:
        return
    all_leaves = frozenset(node.index for node in symbols.data if node.is_leaf)
    for lowered in house:
        if lowered.rule.kind is not RuleKind.PERMIT:
            continue
        near = forbids.near(sorted(all_leaves if lowered.rule.data is None else lowered.rule.data))
        stopping = [one for one in near if stops_whenever(one, lowered)]
        if alone := next((one for one in stopping if covers(one.rule, lowered.rule)), None):
            _warn_shadowed(lowered, [alone], report)
        elif len(stopping) > 1 and (together := _join(stopping, lowered.rule, symbols, all_leaves)):
            _warn_shadowed(lowered, together, report)


def _collect_forbids(book: RuleBook) -> _Forbids:
    found = _Forbids()
    by_data: dict[frozenset[int], list[LoweredRule]] = {}
    for lowered in book.rules:
        rule, regime = lowered.rule, book.regimes[lowered.rule.regime]
        is_always_governing = not (
            regime.governs or regime.is_fallback or regime.from_us or regime.until_us
        )
        is_limited = rule.bases or rule.from_us or rule.until_us or rule.lifted_by
        if rule.kind is not RuleKind.FORBID or not is_always_governing or is_limited:
            continue
        if rule.data is None:
            found.for_all.append(lowered)
        else:
            by_data.setdefault(rule.data, []).append(lowered)
    for data, group in by_data.items():
        for leaf in data:
            found.by_leaf.setdefault(leaf, []).append(group)
    return found


def stops_whenever(forbid: LoweredRule, permit: LoweredRule) -> bool:
    """Whether the forbid's parties and condition hold wherever the permit's do."""
    for wide, narrow in (
        (forbid.rule.who, permit.rule.who),
        (forbid.rule.recipients, permit.rule.recipients),
    ):
        if wide is not None and (narrow is None or not set(narrow) <= set(wide)):
            return False
    if forbid.rule.condition is None:
        return True
    if forbid.rule.regime != permit.rule.regime:
        return False
    return _demands(forbid, W.WHEN) <= _demands(permit, W.WHEN) and _demands(
        forbid, W.UNLESS
    ) <= _demands(permit, W.UNLESS)


def _demands(lowered: LoweredRule, word: W) -> frozenset[Expr]:
    """What each `when` of a rule demands, or each `unless` rules out; chains of `and` apart."""
    found: list[Expr] = []
    for expr in expressions_of(lowered.clauses.get(word, ())):
        found += expr.operands if word is W.WHEN and isinstance(expr, And) else (expr,)
    return frozenset(found)


def covers(forbid: Rule, permit: Rule) -> bool:
    """Whether actions, data, purposes and channels of the one hold all those of the other."""
    return (
        _is_part(permit.actions, forbid.actions)
        and _is_part(permit.data, forbid.data)
        and _is_part(permit.purposes, forbid.purposes)
        and _is_part(permit.channels, forbid.channels)
    )


def _is_part(
    inner: frozenset[int] | frozenset[str] | None, outer: frozenset[int] | frozenset[str] | None
) -> bool:
    if outer is None:
        return True
    return inner is not None and frozenset[object](inner) <= frozenset[object](outer)


def _join(
    forbids: Sequence[LoweredRule], permit: Rule, symbols: Symbols, all_leaves: frozenset[int]
) -> list[LoweredRule]:
    """The forbids that cover the permit together; empty when something is left of it."""
    axes: tuple[Iterable[object], ...] = (
        permit.actions or symbols.actions,
        permit.data or all_leaves,
        permit.purposes or range(len(symbols.purposes)),
    )
    # A channel that nobody names is covered only by a forbid for every channel.
    channels: Iterable[object] = permit.channels or (None,)
    parts = [list(axis) for axis in (*axes, channels)]
    count = 1
    for part in parts:
        count *= len(part)
    if not 0 < count <= _MAX_CELLS:
        return []
    used: dict[int, LoweredRule] = {}
    for cell in product(*parts):
        covering = next((one for one in forbids if _has_cell(one.rule, cell)), None)
        if covering is None:
            return []
        used[covering.rule.index] = covering
    return list(used.values())


def _has_cell(forbid: Rule, cell: tuple[object, ...]) -> bool:
    sets = (forbid.actions, forbid.data, forbid.purposes, forbid.channels)
    return all(one is None or item in one for one, item in zip(sets, cell, strict=True))


def _warn_shadowed(permit: LoweredRule, forbids: Sequence[LoweredRule], report: Report) -> None:
    name = permit.declared.head.name
    others = [one.declared.head.name for one in forbids]
    if name is None:
        return
    spans = [(other.span, "forbidden here") for other in others if other is not None]
    listed = " and ".join(f"`{other.text}`" for other in others[:3] if other is not None)
    report.warning(
        "W806",
        f"`{name.text}` grants nothing",
        name.span,
        label=f"{listed} {'forbids' if len(others) == 1 else 'forbid'} all of it",
        related=tuple(spans[:3]),
    )


# --- rules that nothing reaches -----------------------------------------------------------------


def _warn_about_unreached(house: Sequence[LoweredRule], report: Report) -> None:
    """A mask or an obligation for which no permit allows anything."""
    permits = [one.rule for one in house if one.rule.kind is RuleKind.PERMIT]
    by_leaf: dict[int, list[Rule]] = {}
    wide = [rule for rule in permits if rule.data is None]
    for rule in permits:
        for leaf in rule.data or ():
            by_leaf.setdefault(leaf, []).append(rule)
    for lowered in house if permits else ():
        rule = lowered.rule
        is_follower = rule.kind is RuleKind.MASK or (
            rule.kind is RuleKind.OBLIGE and rule.on is None
        )
        if not is_follower or rule.data == frozenset() or rule.purposes == frozenset():
            continue
        near = permits if rule.data is None else [r for x in rule.data for r in by_leaf.get(x, ())]
        # Where there are too many to look at, some permit is taken to reach it.
        is_reached = len(near) + len(wide) > _MAX_COMPARED or any(
            _overlap(rule, permit) for permit in (*wide, *near)
        )
        if not is_reached:
            _warn_unreached(lowered, "no permit allows anything that this is about", report)


def _warn_about_exceptions(book: RuleBook, report: Report) -> None:
    """An exception that has nothing in common with what it lifts."""
    for lowered in book.rules:
        for index in lowered.rule.lifted_by:
            exception = book.exceptions[index]
            if not _overlap(exception.rule, lowered.rule):
                label = f"`{lowered.rule.name}` forbids nothing of this"
                _warn_unreached(exception, label, report)


def _warn_unreached(lowered: LoweredRule, label: str, report: Report) -> None:
    if (name := lowered.declared.head.name) is not None:
        report.warning("W810", f"`{name.text}` is never reached", name.span, label=label)


def _overlap(one: Rule, other: Rule) -> bool:
    return all(
        left is None or right is None or not left.isdisjoint(right)
        for left, right in zip(_axes(one), _axes(other), strict=True)
    )


def _axes(rule: Rule) -> Iterator[frozenset[int] | frozenset[str] | None]:
    yield from (rule.actions, rule.data, rule.purposes, rule.channels)
