"""What the engine asks on the way to an answer: every rule that can matter, in every asking.

A decision tells what it rests on; a mask, a duty or a forbid that did not fire leaves no trace in
it. Coverage has to know of those too, so it walks the same groups with the same functions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from consentry.engine.bind import check_shape, find_unknowns, leaves_of
from consentry.engine.groups import Group, RegimeGroup
from consentry.engine.link import LinkedProgram
from consentry.engine.linked_rule import LinkedRule
from consentry.engine.matching import applies, match_to, match_via, match_who
from consentry.engine.run import Run, find_governing, in_force
from consentry.model.consent import ConsentView
from consentry.model.facts import Facts
from consentry.model.program import HOUSE, Regime
from consentry.model.request import Request
from consentry.model.tri import FALSE, Tri


@dataclass(frozen=True, slots=True)
class Observation:
    """One rule asked about one leaf in one asking. `is_exception`: it is one that lifts.

    `facts` are those of the moment: read them before the next observation. `is_addressed` says
    that all clauses but the condition may hold, so that the condition matters.
    """

    rule: LinkedRule
    how: Tri
    facts: Facts
    is_addressed: bool
    is_exception: bool = False


RuleVisitor = Callable[[Observation], None]
RegimeVisitor = Callable[[Regime, Facts, bool], None]


def observe(
    linked: LinkedProgram,
    request: Request,
    view: ConsentView,
    now_us: int,
    *,
    visit_rule: RuleVisitor,
    visit_regime: RegimeVisitor,
) -> None:
    """Tells the visitors of every regime (and whether it governs) and of every candidate rule.

    Nothing is told of a question that is answered before any rule is asked.

    Raises:
        RequestError: the request's shape is wrong.
    """
    facts = check_shape(linked, request)
    if find_unknowns(linked.program, request):
        return
    run = Run(linked, request, facts, view, now_us)
    leaves = leaves_of(linked.program, request.data)
    facts.leaf = leaves[0]
    run.regimes = find_governing(run)
    for regime, _ in linked.governs:
        if regime.index != HOUSE:
            visit_regime(regime, facts, regime in run.regimes)
    for leaf in leaves:
        run.turn_to(leaf)
        group = linked.group(facts.action, facts.purpose.index, leaf.index)
        _observe_house_permits(group, run, visit_rule)
        for regimes in (group.house, *(group.regimes[regime.index] for regime in run.regimes)):
            _observe_regime(regimes, run, visit_rule)


def _observe_house_permits(group: Group, run: Run, visit: RuleVisitor) -> None:
    facts = run.facts
    for rule in group.permits:
        facts.basis = group.house.basis
        for standing in run.ask_ledger("", reads_consent=rule.reads_consent):
            facts.standing = standing
            visit(_observation(rule, run))


def _observe_regime(group: RegimeGroup, run: Run, visit: RuleVisitor) -> None:
    facts = run.facts
    facts.basis = group.basis
    for standing in run.ask_ledger(group.name, reads_consent=group.reads_consent):
        facts.standing = standing
        for rule in (*group.permits, *group.burdens, *group.duties):
            visit(_observation(rule, run))
        for ban in group.forbids:
            found = _observation(ban.rule, run)
            visit(found)
            if found.how != FALSE:
                for exception in ban.exceptions:
                    visit(_observation(exception, run, is_exception=True))


def _observation(rule: LinkedRule, run: Run, *, is_exception: bool = False) -> Observation:
    is_addressed = in_force(run.facts, rule.from_us, rule.until_us) and FALSE not in (
        match_who(rule, run),
        match_via(rule, run),
        match_to(rule, run),
    )
    return Observation(rule, applies(rule, run), run.facts, is_addressed, is_exception)
