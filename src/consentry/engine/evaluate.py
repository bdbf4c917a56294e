"""Program, request and consent in; a decision with its reasons out. Pure, and without a clock.

Each leaf of the data is decided on its own: a house permit must hold, and every regime that governs
must say yes, the house's own forbids counting as one.

Source: decision semantics, "Order".
"""

from __future__ import annotations

from collections.abc import Sequence

from consentry.engine.bind import check_shape, find_unknowns, leaves_of
from consentry.engine.groups import Group, RegimeGroup
from consentry.engine.house import explain_miss, find_permit
from consentry.engine.link import LinkedProgram
from consentry.engine.linked_rule import AS_IT_IS, AT_BEST, AT_WORST, LinkedRule
from consentry.engine.masks import stricter, union
from consentry.engine.outcome import MAX_KEPT, SILENT_YES, Outcome, Yes
from consentry.engine.reasons import RankedFinding, in_order
from consentry.engine.regimes import ask_first, explain_no, find_duties, find_yes
from consentry.engine.run import Run, find_governing, governing_by
from consentry.engine.use import Part, Use, find_use, note_use
from consentry.model.consent import ConsentView
from consentry.model.decision import Decision, Effect, Mask, Obligation
from consentry.model.request import Request
from consentry.model.trees import DataNode
from consentry.model.vocabulary import CONSENT_STATE_UNAVAILABLE, REGIME_UNDETERMINED


def evaluate(linked: LinkedProgram, request: Request, view: ConsentView, now_us: int) -> Decision:
    """The answer to `request` at `now_us`, microseconds since the epoch.

    Raises:
        RequestError: the request's shape is wrong, so that no question was asked.
    """
    use = find_use(linked, request)
    if use is not None and view.is_available:
        decision = _decide_quickly(use, request, view, now_us)
        if decision is not None:
            return decision
    return _decide_thoroughly(linked, request, view, now_us, is_ready=use is not None)


def _decide_quickly(use: Use, request: Request, view: ConsentView, now_us: int) -> Decision | None:
    """The answer where everything says yes; see `engine.use`."""
    facts = use.facts_for(request, view, now_us)
    if facts is None:
        return None
    linked = use.linked
    regimes = linked.fixed_regimes or governing_by(linked, facts)
    if not regimes:
        return None
    found: dict[Part, Outcome] = {}
    for part in use.parts:
        if part in found:
            continue
        key = use.find_yes(part, facts, regimes)
        if key is None:
            return None
        outcome = part.outcomes.get(key)
        if outcome is None:
            run = Run(linked, request, facts, view, now_us)
            run.regimes = regimes
            outcome = _decide(run, part.group)
            part.keep(key, outcome)
        if use.is_single:
            return outcome.decide_until(part.leaf, facts.horizon_us, is_cacheable=True)
        found[part] = outcome
    outcomes = [found[part] for part in use.parts]
    return _answer(request, use.leaves, outcomes, facts.horizon_us, is_cacheable=True)


def _decide_thoroughly(
    linked: LinkedProgram, request: Request, view: ConsentView, now_us: int, *, is_ready: bool
) -> Decision:
    """The answer, whatever it is; `is_ready` says that the request's use needs no noting."""
    facts = check_shape(linked, request)
    unknowns = find_unknowns(linked.program, request)
    if unknowns:
        return _refuse(linked, unknowns, view)
    run = Run(linked, request, facts, view, now_us)
    leaves = leaves_of(linked.program, request.data)
    facts.leaf = leaves[0]
    run.regimes = linked.fixed_regimes or find_governing(run)
    outcomes = [_decide_leaf(run, leaves[0])] if len(leaves) == 1 else _decide_leaves(run, leaves)
    if not is_ready and outcomes[0].effect is Effect.PERMIT:
        note_use(run, request, leaves)
    return _answer(request, leaves, outcomes, facts.horizon_us, is_cacheable=view.is_available)


def _refuse(linked: LinkedProgram, codes: list[str], view: ConsentView) -> Decision:
    findings = in_order([linked.order.without_rule(code) for code in codes])
    return Decision(effect=Effect.DENY, findings=findings, is_cacheable=view.is_available)


def _decide_leaves(run: Run, leaves: list[DataNode]) -> list[Outcome]:
    """One outcome for each leaf.

    PERF: where neither the rules nor the ledger can tell two leaves apart, the first one's outcome
    serves both. A house permit must have been found: which one comes nearest depends on the leaf.
    """
    shared: dict[Group, Outcome] = {}
    outcomes = []
    facts = run.facts
    for leaf in leaves:
        group = run.linked.group(facts.action, facts.purpose.index, leaf.index)
        outcome = shared.get(group)
        if outcome is None:
            outcome = _decide_leaf(run, leaf)
            is_shared = group.is_leaf_free and not run.has_asked_hold
            if is_shared and outcome.effect is Effect.PERMIT:
                shared[group] = outcome
        outcomes.append(outcome)
    return outcomes


def _decide_leaf(run: Run, leaf: DataNode) -> Outcome:
    facts = run.facts
    run.turn_to(leaf)
    group = run.linked.group(facts.action, facts.purpose.index, leaf.index)
    if run.view.is_available:
        return _decide(run, group)
    # What no consent and no right could change still has its answer.
    run.mode = AT_WORST
    at_worst = _decide(run, group)
    if at_worst.effect is Effect.PERMIT:
        return at_worst
    run.mode = AT_BEST
    at_best = _decide(run, group)
    run.mode = AS_IT_IS
    if at_best.effect is Effect.DENY:
        return at_best
    unavailable = run.linked.order.without_rule(CONSENT_STATE_UNAVAILABLE)
    return Outcome(Effect.DENY, [unavailable])


def _decide(run: Run, group: Group) -> Outcome:
    """One leaf, with conditions in the form of `run.mode`."""
    permit = find_permit(group, run)
    answers = [find_yes(group.house, run)]
    answers += [find_yes(group.regimes[regime.index], run) for regime in run.regimes]
    if permit is None or not run.regimes or None in answers:
        return _denied(run, group, answers, has_permit=permit is not None)
    # PERF: all of `answers` are there, and the same ones come to the same outcome.
    key = (permit, *answers)
    outcome = group.outcomes.get(key)
    if outcome is None:
        outcome = _permitted(permit, answers)
        if len(group.outcomes) >= MAX_KEPT:
            group.outcomes = {}
        group.outcomes[key] = outcome
    return outcome


def _permitted(permit: LinkedRule, answers: Sequence[Yes | None]) -> Outcome:
    ranked: list[RankedFinding] = []
    mask: Mask | None = None
    obligations: list[Obligation] = []
    for answer in answers:
        if answer is None or answer is SILENT_YES:
            continue
        if answer.ground is not None:
            ranked.append(answer.ground.ranked)
        mask = stricter(mask, answer.mask)
        obligations += answer.obligations
    if not ranked:
        ranked.append(permit.ranked)
    return Outcome(Effect.PERMIT, ranked, mask, union(obligations))


def _denied(run: Run, group: Group, answers: Sequence[Yes | None], *, has_permit: bool) -> Outcome:
    """A denial with all its reasons, and with the duties that its reasons bring."""
    ranked: list[RankedFinding] = [] if has_permit else [explain_miss(run)]
    if not run.regimes:
        ranked.append(run.linked.order.without_rule(REGIME_UNDETERMINED))
    duties = _refused_by(group.house, run, ranked, is_yes=answers[0] is not None)
    for regime, answer in zip(run.regimes, answers[1:], strict=True):
        if answer is None:
            own: list[RankedFinding] = []
            duties += _refused_by(group.regimes[regime.index], run, own, is_yes=False)
            ranked += own
    return Outcome(Effect.DENY, ranked, None, union(duties))


def _refused_by(
    candidates: RegimeGroup, run: Run, ranked: list[RankedFinding], *, is_yes: bool
) -> list[Obligation]:
    """Adds one regime's reasons to `ranked` and gives the duties that these bring."""
    if is_yes and not candidates.duties:
        return []
    ask_first(candidates, run)
    if not is_yes:
        ranked += explain_no(candidates, run)
    if not candidates.duties:
        return []
    return find_duties(candidates, run, {finding.reason for _, _, finding in ranked})


def _answer(
    request: Request,
    leaves: Sequence[DataNode],
    outcomes: Sequence[Outcome],
    valid_until_us: int | None,
    *,
    is_cacheable: bool,
) -> Decision:
    """The request's answer: yes when every leaf is, or with `partial` when any is."""
    if len(leaves) == 1:
        return outcomes[0].decide_until(leaves[0], valid_until_us, is_cacheable=is_cacheable)
    told = [outcome.tell(leaf) for leaf, outcome in zip(leaves, outcomes, strict=True)]
    is_permitted = [outcome.effect is Effect.PERMIT for outcome in outcomes]
    grants = any(is_permitted) if request.partial else all(is_permitted)
    effect = Effect.PERMIT if grants else Effect.DENY
    deciding = [outcome for outcome in outcomes if outcome.effect is effect]
    return Decision(
        effect=effect,
        findings=in_order([ranked for outcome in deciding for ranked in outcome.ranked]),
        leaves=tuple(told),
        obligations=union([one for outcome in deciding for one in outcome.obligations]),
        valid_until_us=valid_until_us,
        is_cacheable=is_cacheable,
    )
