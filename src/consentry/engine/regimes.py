"""Asks one regime, the house's own forbids counting as one: yes, or no and why.

Yes when no forbid is true or unknown and, if the regime has permits, one is true. It is asked once
for each consent that stands, newest first, and once for none; the first yes counts, else the
reasons of the first asking do.

Source: decision semantics, order 4.
"""

from __future__ import annotations

from dataclasses import replace

from consentry.engine.groups import Ban, RegimeGroup
from consentry.engine.linked_rule import AS_IT_IS, LinkedRule
from consentry.engine.matching import applies, match_to, match_via, match_who, missing_facts
from consentry.engine.outcome import SILENT_YES, Yes
from consentry.engine.reasons import RankedFinding
from consentry.engine.run import Run, in_force
from consentry.model.decision import Obligation
from consentry.model.tri import FALSE, TRUE, UNKNOWN, Tri
from consentry.model.vocabulary import CONDITION_NOT_MET


def find_yes(group: RegimeGroup, run: Run) -> Yes | None:
    """The first asking's yes, or None where every asking ends in no."""
    if group.is_silent:
        return SILENT_YES
    facts = run.facts
    facts.basis = group.basis
    if not group.reads_ledger:
        return ask(group, run)
    for standing in run.ask_ledger(group.name, reads_consent=group.reads_consent):
        facts.standing = standing
        answer = ask(group, run)
        if answer is not None:
            return answer
    return None


def ask_first(group: RegimeGroup, run: Run) -> None:
    """Sets the facts of the regime's first asking, whose reasons count when all end in no."""
    facts = run.facts
    facts.basis = group.basis
    if group.reads_ledger:
        facts.standing = run.ask_ledger(group.name, reads_consent=group.reads_consent)[0]
        if facts.standing is None and facts.state.below:
            facts.standing = facts.state.below[0]


def explain_no(group: RegimeGroup, run: Run) -> list[RankedFinding]:
    """All reasons of the first asking, `ask_first`, of a regime that says no; never empty.

    Where a consent to something below the purpose would have done, had it counted, the reasons are
    those of the asking without one.
    """
    findings = _reasons(group, run)
    if not findings:
        facts = run.facts
        below, facts.standing = facts.standing, None
        findings = _reasons(group, run)
        facts.standing = below
    return findings


def _reasons(group: RegimeGroup, run: Run) -> list[RankedFinding]:
    findings = [
        _banned(ban.rule, run, how)
        for ban in group.forbids
        if (how := applies(ban.rule, run)) != FALSE and not _is_lifted(ban, run)
    ]
    if group.needs_ground and _find_ground(group, run) is None:
        findings += _no_ground(group, run)
    return findings


def find_duties(group: RegimeGroup, run: Run, codes: set[str]) -> list[Obligation]:
    """Obligations that come with a denial for one of `codes`, this regime's own reasons."""
    return [
        rule.obligation
        for rule in group.duties
        if rule.on is not None and not rule.on.isdisjoint(codes) and applies(rule, run) != FALSE
    ]


def ask(group: RegimeGroup, run: Run) -> Yes | None:
    """One asking, with the consent that the facts hold: a yes, or None."""
    for ban in group.forbids:
        if applies(ban.rule, run) != FALSE and not _is_lifted(ban, run):
            return None
    used: list[LinkedRule | None] = [None]
    if group.needs_ground:
        ground = _find_ground(group, run)
        if ground is None:
            return None
        used[0] = ground
    used += [rule for rule in group.burdens if rule.is_plain or applies(rule, run) != FALSE]
    return group.yes(used)


def _find_ground(group: RegimeGroup, run: Run) -> LinkedRule | None:
    for rule in group.permits:
        if rule.is_plain or applies(rule, run) == TRUE:
            return rule
    return None


def _is_lifted(ban: Ban, run: Run) -> bool:
    return any(applies(exception, run) == TRUE for exception in ban.exceptions)


def _banned(rule: LinkedRule, run: Run, how: Tri) -> RankedFinding:
    if how == UNKNOWN:
        missing = missing_facts(rule, run)
        if missing:
            return (*rule.ranked[:2], replace(rule.finding, missing=missing))
    return rule.ranked


def _no_ground(group: RegimeGroup, run: Run) -> list[RankedFinding]:
    """Why no permit is true: nothing takes the basis, or the consent's own problem, or else."""
    if group.no_ground is not None:
        return [group.no_ground]
    if run.mode == AS_IT_IS and group.reads_consent:
        for rule in group.permits:
            if rule.reads_consent and _would_hold(rule, run):
                facts = run.facts
                standing = facts.standing
                codes = (facts.state.absence,) if standing is None else standing.problems
                if codes:
                    return [rule.because(code) for code in codes]
    first = group.permits[0]
    return [first.because(CONDITION_NOT_MET, missing_facts(first, run))]


def _would_hold(rule: LinkedRule, run: Run) -> bool:
    """Whether only the consent keeps the permit from being true."""
    test = rule.if_consented
    return (
        test is not None
        and match_who(rule, run) == TRUE
        and match_via(rule, run) == TRUE
        and match_to(rule, run) == TRUE
        and in_force(run.facts, rule.from_us, rule.until_us)
        and test(run.facts) == TRUE
    )
