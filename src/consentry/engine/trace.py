"""Tells how a decision came about, by asking the functions that decide.

For each leaf the same candidates, in the same askings, are put to `applies`, `ask`, `explain_miss`
and `explain_no`: there is no second reading of a rule. What differs from a decision is only that
nothing stops early, so that rules which no longer mattered are told as well.

It costs some hundred times a decision, and a decision pays nothing for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final, TypeAlias

from consentry.engine.bind import check_shape, find_unknowns, leaves_of
from consentry.engine.evaluate import evaluate
from consentry.engine.groups import Group, RegimeGroup
from consentry.engine.house import explain_miss, find_permit, is_retention_over
from consentry.engine.link import LinkedProgram, NearRule
from consentry.engine.linked_rule import AS_IT_IS, AT_BEST, AT_WORST, LinkedRule, Test
from consentry.engine.matching import (
    applies,
    is_absent,
    match_to,
    match_via,
    match_who,
    missing_facts,
)
from consentry.engine.reasons import in_order
from consentry.engine.regimes import ask, ask_first, explain_no, find_duties
from consentry.engine.run import Run, find_governing, in_force
from consentry.engine.trace_timing import Timing
from consentry.model.consent import ConsentView, Standing, Track
from consentry.model.decision import Decision, Effect, LeafDecision
from consentry.model.program import HOUSE, Regime, Rule
from consentry.model.request import Request
from consentry.model.trace import (
    Asking,
    ClauseTrace,
    Governing,
    LeafTrace,
    LedgerReading,
    PartTrace,
    RegimeTrace,
    RuleTrace,
    Trace,
)
from consentry.model.tri import FALSE, TRUE, UNKNOWN, Tri
from consentry.model.vocabulary import CONSENT_STATE_UNAVAILABLE

MAX_PERMITS: Final = 100
"""Most house permits told of one leaf: those that miss least."""


PartsOf: TypeAlias = Callable[[Rule], Sequence[tuple[str, Test]]]
"""The parts of a rule's condition: what each says, and its function."""


class _TracedRun(Run):
    """A run that knows the parts of conditions."""

    __slots__ = ("parts_of",)

    parts_of: PartsOf


def trace(
    linked: LinkedProgram,
    request: Request,
    view: ConsentView,
    now_us: int,
    parts_of: PartsOf | None = None,
) -> tuple[Decision, Trace]:
    """The decision, as `evaluate` gives it, and how it came about.

    With `parts_of`, conditions are told part by part.

    Raises:
        RequestError: as `evaluate` does.
    """
    decision = evaluate(linked, request, view, now_us)
    if find_unknowns(linked.program, request):
        return decision, Trace()
    run = _TracedRun(linked, request, check_shape(linked, request), view, now_us)
    run.parts_of = parts_of or _no_parts
    leaves = leaves_of(linked.program, request.data)
    run.facts.leaf = leaves[0]
    run.regimes = linked.fixed_regimes or find_governing(run)
    alike: dict[LeafTrace, list[str]] = {}
    for leaf, decided in zip(leaves, decision.leaves, strict=True):
        run.turn_to(leaf)
        alike.setdefault(_trace_leaf(run, decided), []).append(leaf.path)
    return decision, Trace(
        leaves=tuple(replace(told, data=tuple(paths)) for told, paths in alike.items())
    )


def _trace_leaf(run: _TracedRun, decided: LeafDecision) -> LeafTrace:
    reading = _reading(run, decided)
    run.mode = {
        LedgerReading.READ: AS_IT_IS,
        LedgerReading.NOT_NEEDED: AT_WORST if decided.effect is Effect.PERMIT else AT_BEST,
        # What a flawless consent would have to bring is what the reader wants to know.
        LedgerReading.UNAVAILABLE: AT_WORST,
    }[reading]
    facts = run.facts
    group = run.linked.group(facts.action, facts.purpose.index, facts.leaf.index)
    used = find_permit(group, run)
    near = run.linked.near(facts.action, facts.purpose.index, facts.leaf.index)
    permits = tuple(_permit(one, group, run, used) for one in near[:MAX_PERMITS])
    miss = explain_miss(run)[2] if used is None else None
    regimes = tuple(
        _regime(regime, test, group, run, decided) for regime, test in run.linked.governs
    )
    return LeafTrace(
        effect=decided.effect,
        findings=decided.findings,
        mask=decided.mask,
        obligations=decided.obligations,
        reading=reading,
        permits=permits,
        miss=miss,
        regimes=regimes,
        left_out=len(near) - len(permits),
    )


def _reading(run: _TracedRun, decided: LeafDecision) -> LedgerReading:
    if run.view.is_available:
        return LedgerReading.READ
    if decided.reason == CONSENT_STATE_UNAVAILABLE:
        return LedgerReading.UNAVAILABLE
    return LedgerReading.NOT_NEEDED


# --- house permits -----------------------------------------------------------------------------


def _permit(one: NearRule, group: Group, run: _TracedRun, used: LinkedRule | None) -> RuleTrace:
    """One of the house's permits, in the asking in which it holds, else in the first."""
    rule = one.rule
    run.facts.basis = group.house.basis
    first: RuleTrace | None = None
    for _ in _askings(run, "", is_read=rule.reads_ledger, reads_consent=rule.reads_consent):
        told = _permit_asked(one, run, is_used=rule is used, is_missed=used is None)
        if told.holds == TRUE:
            return told
        first = first or told
    assert first is not None, "there is always one asking"
    return first


def _permit_asked(one: NearRule, run: _TracedRun, *, is_used: bool, is_missed: bool) -> RuleTrace:
    """`is_missed`: no permit held, so that the engine looked which one came nearest."""
    rule = one.rule
    facts = run.facts
    fixed = {"data": one.has_data, "may": one.has_action, "basis": one.has_basis}
    with Timing(run) as keeping:
        is_kept = not is_retention_over(rule, run)
    if facts.collected_at_us is not None and (rule.keep or facts.purpose.keep) is not None:
        fixed["keep"] = is_kept
    with Timing(run) as timing:
        holds = applies(rule, run) if one.misses == 0 else FALSE
        clauses = _clauses(rule, run, fixed)
    if holds == TRUE or is_missed:  # only then is the retention's end one of the answer's
        timing.add(keeping)
    return RuleTrace(
        rule=rule.rule,
        holds=holds if is_kept else FALSE,
        clauses=clauses,
        parts=_parts(rule, run),
        missing=missing_facts(rule, run),
        is_used=is_used,
        changes_at_us=timing.changes_at_us,
    )


# --- regimes -----------------------------------------------------------------------------------


def _regime(
    regime: Regime, test: Test | None, group: Group, run: _TracedRun, decided: LeafDecision
) -> RegimeTrace:
    facts = run.facts
    with Timing(run) as timing:
        governing = _governing(regime, test, run)
    if not governing.has_say:
        return RegimeTrace(
            regime=regime, governing=governing, changes_at_us=timing.changes_at_us, says_yes=False
        )
    reads = () if regime.governs is None else regime.governs.reads
    candidates = group.regimes[regime.index]
    askings = _ask_all(candidates, run, decided)
    findings = []
    if not askings[-1].says_yes:
        ask_first(candidates, run)
        findings = explain_no(candidates, run)
    codes = {found.reason for _, _, found in findings}
    duties = tuple(find_duties(candidates, run, codes)) if codes else ()
    # The house's permits are asked apart, and may read what its forbids do not.
    near = run.linked.near(facts.action, facts.purpose.index, facts.leaf.index)
    asked = [one.rule for one in near] if regime.index == HOUSE else []
    reads_consent = candidates.reads_consent or any(rule.reads_consent for rule in asked)
    is_read = candidates.reads_ledger or any(rule.reads_ledger for rule in asked)
    is_read = is_read and run.mode == AS_IT_IS
    if is_read:
        run.ask_ledger(candidates.name, reads_consent=reads_consent)
    return RegimeTrace(
        regime=regime,
        governing=governing,
        basis=candidates.basis,
        says_yes=askings[-1].says_yes,
        askings=askings,
        findings=in_order(findings),
        duties=duties,
        missing=tuple(path for path in reads if is_absent(path, facts)),
        state=facts.state if is_read and reads_consent else None,
        rights=_rights(run) if is_read else (),
        changes_at_us=timing.changes_at_us,
        query=facts.query if is_read else None,
    )


def _governing(regime: Regime, test: Test | None, run: _TracedRun) -> Governing:
    facts = run.facts
    if regime.index == HOUSE:
        return Governing.ALWAYS
    if not in_force(facts, regime.from_us, regime.until_us):
        return Governing.NOT_IN_FORCE
    has_say = regime in run.regimes
    if regime.is_fallback:
        return Governing.OTHERWISE if has_say else Governing.NOT_NEEDED
    if test is None:
        return Governing.ALWAYS
    return {FALSE: Governing.NO, UNKNOWN: Governing.UNKNOWN, TRUE: Governing.MATCHES}[test(facts)]


def _ask_all(candidates: RegimeGroup, run: _TracedRun, decided: LeafDecision) -> tuple[Asking, ...]:
    """The askings up to the first yes."""
    facts = run.facts
    facts.basis = candidates.basis
    told: list[Asking] = []
    for standing in _askings(
        run,
        candidates.name,
        is_read=candidates.reads_ledger,
        reads_consent=candidates.reads_consent,
    ):
        answer = ask(candidates, run)
        asked_with = standing
        if answer is None and not told:
            asked_with = _first_told(candidates, run)
        used = frozenset[LinkedRule]() if answer is None else _ground(answer.ground)
        told.append(
            Asking(
                event_id="" if asked_with is None else asked_with.event_id,
                says_yes=answer is not None,
                rules=_rules(candidates, run, used, decided, says_yes=answer is not None),
            )
        )
        if answer is not None:
            break
    return tuple(told)


def _first_told(candidates: RegimeGroup, run: _TracedRun) -> Standing | None:
    """The consent with which the first asking is told, as `explain_no` tells its reasons."""
    ask_first(candidates, run)
    if not candidates.reads_consent:
        return None
    facts = run.facts
    if ask(candidates, run) is not None:
        facts.standing = None
    return facts.standing


def _ground(rule: LinkedRule | None) -> frozenset[LinkedRule]:
    return frozenset() if rule is None else frozenset({rule})


def _rules(
    candidates: RegimeGroup,
    run: _TracedRun,
    grounds: frozenset[LinkedRule],
    decided: LeafDecision,
    *,
    says_yes: bool,
) -> tuple[RuleTrace, ...]:
    told = []
    for ban in candidates.forbids:
        exceptions = tuple(_rule(exception, run) for exception in ban.exceptions)
        forbid = replace(_rule(ban.rule, run), exceptions=exceptions)
        told.append(replace(forbid, is_used=forbid.holds != FALSE and not forbid.is_lifted))
    told += [_rule(rule, run, is_used=rule in grounds) for rule in candidates.permits]
    bears = says_yes and decided.effect is Effect.PERMIT
    for rule in candidates.burdens:
        burden = _rule(rule, run)
        told.append(replace(burden, is_used=bears and burden.holds != FALSE))
    told += [
        _rule(rule, run, is_used=decided.effect is Effect.DENY and _is_laid_on(rule, decided))
        for rule in candidates.duties
    ]
    return tuple(told)


def _is_laid_on(rule: LinkedRule, decided: LeafDecision) -> bool:
    return rule.obligation in decided.obligations


def _rule(rule: LinkedRule, run: _TracedRun, *, is_used: bool = False) -> RuleTrace:
    with Timing(run) as timing:
        holds = applies(rule, run)
        clauses = _clauses(rule, run, {})
    return RuleTrace(
        rule=rule.rule,
        holds=holds,
        clauses=clauses,
        parts=_parts(rule, run),
        missing=missing_facts(rule, run) if holds == UNKNOWN else (),
        is_used=is_used,
        changes_at_us=timing.changes_at_us,
    )


def _rights(run: _TracedRun) -> tuple[tuple[Track, int | None], ...]:
    states = [(track, run.view.right(track, run.facts.query)) for track in Track]
    return tuple((track, state.since_us) for track, state in states if state.is_active)


# --- both --------------------------------------------------------------------------------------


def _askings(
    run: _TracedRun, regime: str, *, is_read: bool, reads_consent: bool
) -> Iterator[Standing | None]:
    """Sets the facts of each asking in turn; one asking where the ledger is not read."""
    if not is_read:
        yield None
        return
    for standing in run.ask_ledger(regime, reads_consent=reads_consent):
        run.facts.standing = standing
        yield standing


def _clauses(rule: LinkedRule, run: _TracedRun, fixed: dict[str, bool]) -> tuple[ClauseTrace, ...]:
    """The clauses that the rule has; `fixed` are those that do not depend on who asks, and keep."""
    said = rule.rule
    facts = run.facts
    found: list[tuple[str, Tri]] = []
    if said.who is not None:
        found.append(("who", match_who(rule, run)))
    if said.data is not None:
        found.append(("data", _tri(fixed.get("data", True))))
    if said.actions is not None:
        found.append(("may", _tri(fixed.get("may", True))))
    if said.channels is not None:
        found.append(("via", match_via(rule, run)))
    if said.recipients is not None:
        found.append(("to", match_to(rule, run)))
    if said.bases is not None:
        found.append(("basis", _tri(fixed.get("basis", True))))
    if said.from_us is not None or said.until_us is not None:
        found.append(("dates", _tri(in_force(facts, said.from_us, said.until_us))))
    if rule.tests is not None:
        found.append(("when", rule.tests[run.mode](facts)))
    if "keep" in fixed:
        found.append(("keep", _tri(fixed["keep"])))
    return tuple(ClauseTrace(name=name, holds=holds) for name, holds in found)


def _parts(rule: LinkedRule, run: _TracedRun) -> tuple[PartTrace, ...]:
    """The parts of the condition in this asking; none where the ledger's are not what they are."""
    if rule.tests is None or run.mode != AS_IT_IS:
        return ()
    with Timing(run):
        return tuple(
            PartTrace(text=text, holds=test(run.facts)) for text, test in run.parts_of(rule.rule)
        )


def _no_parts(_rule: Rule) -> tuple[tuple[str, Test], ...]:
    return ()


def _tri(holds: bool) -> Tri:  # noqa: FBT001  # a conversion
    return TRUE if holds else FALSE
