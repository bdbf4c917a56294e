"""The house's own permits: which one allows a use, and if none does, which came nearest.

Source: decision semantics, order 3.
"""

from __future__ import annotations

from collections.abc import Sequence

from consentry.engine.groups import Group
from consentry.engine.link import NearRule
from consentry.engine.linked_rule import AS_IT_IS, LinkedRule
from consentry.engine.matching import (
    applies,
    match_parties,
    match_to,
    match_via,
    match_when,
    match_who,
    missing_facts,
)
from consentry.engine.reasons import RankedFinding
from consentry.engine.run import Run
from consentry.model.facts import Facts
from consentry.model.tri import FALSE, TRUE
from consentry.model.values import shift_us
from consentry.model.vocabulary import MISS_REASONS, PURPOSE_NOT_DECLARED, RETENTION_EXCEEDED


def find_permit(group: Group, run: Run) -> LinkedRule | None:
    """The first house permit that holds and whose retention has not run out."""
    permits: Sequence[LinkedRule] = group.permits
    if group.permits_by_party is not None:
        permits = _of_parties(group, run)
    facts = run.facts
    facts.basis = group.house.basis
    for rule in permits:
        if rule.reads_ledger:
            # What a use rules out is never asked of the ledger, whose times are then not ours.
            holds = match_parties(rule, run) != FALSE and _holds_in_some_asking(rule, run)
        else:
            holds = rule.is_plain or applies(rule, run) == TRUE
        if holds and (facts.collected_at_us is None or not is_retention_over(rule, run)):
            return rule
    return None


def is_retention_over(rule: LinkedRule, run: Run) -> bool:
    """Whether the data has been kept longer than the permit, or else the purpose, allows.

    A hold on the use (`rights.held`) keeps it from being over.
    """
    end_us = retention_end_us(rule, run.facts)
    if end_us is None:
        return False
    if end_us <= run.facts.now_us:
        return not run.is_held()
    run.facts.changes_at(end_us)
    return False


def retention_end_us(rule: LinkedRule, facts: Facts) -> int | None:
    """When the permit, or else the purpose, no longer allows the data to be kept; None: never."""
    keep = rule.keep or facts.purpose.keep
    if keep is None or facts.collected_at_us is None:
        return None
    try:
        return shift_us(facts.collected_at_us, keep)
    except (ValueError, OverflowError):  # past the calendar's last year
        return None


def explain_miss(run: Run) -> RankedFinding:
    """Why no house permit holds, by the one that came nearest.

    Nearest is the permit for this purpose with the fewest failing clauses, then the first in order;
    its first failing clause gives the reason.
    """
    facts = run.facts
    linked = run.linked
    # The regimes were asked in between, each with its own basis.
    facts.basis = facts.purpose.basis_for("")
    near = linked.near(facts.action, facts.purpose.index, facts.leaf.index)
    nearest: NearRule | None = None
    fewest = 1 << 30
    reason = PURPOSE_NOT_DECLARED
    for one in near:
        if one.misses > fewest:
            break
        failing = _failing_clauses(one, run, fewest)
        place = len(failing)
        if place < fewest or (
            place == fewest and nearest is not None and one.rule.index < nearest.rule.index
        ):
            nearest, fewest, reason = one, place, failing[0]
    if nearest is None:
        return linked.order.without_rule(PURPOSE_NOT_DECLARED)
    return nearest.rule.because(reason, missing_facts(nearest.rule, run))


def _failing_clauses(one: NearRule, run: Run, enough: int) -> list[str]:
    """Reasons of the clauses that fail, in their order; cut short beyond `enough` of them."""
    rule = one.rule
    failing = []
    if match_who(rule, run) != TRUE:
        failing.append(MISS_REASONS["who"])
    if not one.has_data:
        failing.append(MISS_REASONS["data"])
    if not one.has_action:
        failing.append(MISS_REASONS["may"])
    if match_via(rule, run) != TRUE:
        failing.append(MISS_REASONS["via"])
    if match_to(rule, run) != TRUE:
        failing.append(MISS_REASONS["to"])
    if not one.has_basis:
        failing.append(MISS_REASONS["basis"])
    if len(failing) > enough:
        return failing
    if not _holds_in_some_asking(rule, run, when_only=True):
        failing.append(MISS_REASONS["when"])
    if is_retention_over(rule, run):
        failing.append(RETENTION_EXCEEDED)
    return failing


def _holds_in_some_asking(rule: LinkedRule, run: Run, *, when_only: bool = False) -> bool:
    match = match_when if when_only else applies
    if not rule.reads_ledger or run.mode != AS_IT_IS:
        return match(rule, run) == TRUE
    facts = run.facts
    for standing in run.ask_ledger("", reads_consent=rule.reads_consent):
        facts.standing = standing
        if match(rule, run) == TRUE:
            return True
    return False


def _of_parties(group: Group, run: Run) -> Sequence[LinkedRule]:
    """Those of many permits that name this principal or name nobody, in order."""
    index = group.permits_by_party or {}
    found: dict[int, LinkedRule] = {}
    for key in (("anyone", ""), *run.party_keys):
        for rule in index.get(key, ()):
            found[rule.index] = rule
    return [found[place] for place in sorted(found)]
