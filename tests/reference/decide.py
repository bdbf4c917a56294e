"""The reference interpreter: a request and events in, an answer out, by the order of decisions.

It reads the language's tree as it stands, evaluates everything to the end, and shares nothing with
the compiler, the engine, the operators or the resolver.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from consentry.lang.tree import ClauseWord, DurationRef, Name, RegimeDecl, RuleDecl, RuleWord
from consentry.model.consent import ConsentEvent
from consentry.model.request import Request
from tests.reference.answers import Answer, LeafAnswer, in_order
from tests.reference.conditions import FALSE, TRUE, Asking, truth
from tests.reference.ledger import NEVER, State, moved, right_since
from tests.reference.question import BEST, PLAIN, WORST, Question, facts_of
from tests.reference.rules import (
    all_rules,
    applies,
    clause_holds,
    code_of,
    condition,
    covers,
    in_force,
    is_lifted,
    mask_of,
    party_clause,
    reads_of,
)
from tests.reference.world import World, find, names

MISSES = {
    "who": "actor_purpose_not_authorised",
    "data": "data_not_necessary",
    "may": "action_not_permitted",
    "via": "channel_not_permitted",
    "to": "recipient_not_permitted",
    "basis": "basis_not_available",
    "when": "condition_not_met",
    "keep": "retention_exceeded",
}


def decide(
    world: World,
    request: Request,
    events: Sequence[ConsentEvent],
    now_us: int,
    *,
    is_available: bool = True,
) -> Answer:
    """The answer; `is_available` false means that the ledger cannot be read."""
    unknowns = _unknowns(world, request)
    if unknowns:
        return Answer("deny", in_order(world, [(code, -1) for code in unknowns]))
    asked = {leaf.path for name in request.data for leaf in world.fields[name].leaves()}
    leaves = [node for path, node in world.fields.items() if path in asked]
    answers = []
    for leaf in leaves:
        question = Question(world, request, facts_of(world, request), events, now_us, leaf=leaf)
        if is_available:
            answers.append(_leaf(question))
            continue
        question.mode = WORST
        answer = _leaf(question)
        if answer.effect == "deny":
            question.mode = BEST
            answer = _leaf(question)
            if answer.effect == "permit":
                answer = LeafAnswer("deny", [("consent_state_unavailable", -1)])
        answers.append(answer)
    permitted = [answer for answer in answers if answer.effect == "permit"]
    grants = bool(permitted) if request.partial else len(permitted) == len(answers)
    effect = "permit" if grants else "deny"
    deciding = [answer for answer in answers if answer.effect == effect]
    return Answer(
        effect=effect,
        reasons=in_order(world, [one for answer in deciding for one in answer.reasons], effect),
        leaves={leaf.path: answer for leaf, answer in zip(leaves, answers, strict=True)},
        obligations=list(dict.fromkeys(one for answer in deciding for one in answer.obligations)),
        leaf_reasons={
            leaf.path: in_order(world, answer.reasons, answer.effect)
            for leaf, answer in zip(leaves, answers, strict=True)
        },
    )


def _unknowns(world: World, request: Request) -> list[str]:
    subject, channel = request.data_subject, request.channel
    checks = {
        "purpose_missing": not request.purpose,
        "purpose_unknown": bool(request.purpose) and request.purpose not in world.purposes,
        "category_unknown": any(name not in world.fields for name in request.data),
        "action_unknown": request.action not in world.actions,
        "channel_unknown": channel is not None and channel not in world.channels,
        "subject_unresolved": subject is None or not subject.id,
    }
    return [code for code, is_wrong in checks.items() if is_wrong]


# --- one leaf ---------------------------------------------------------------------------------


@dataclass
class Hearing:
    """What one regime says: its reasons if no, its ground and its burdens if yes."""

    reasons: list[tuple[str, int]]
    ground: tuple[str, int] | None = None
    burdens: list[RuleDecl] = field(default_factory=list)


def _leaf(question: Question) -> LeafAnswer:
    world = question.world
    order = {id(rule): place for place, rule in enumerate(all_rules(world))}
    permit, miss = _house_permit(question, order)
    governing = _governing(question)
    reasons = [] if governing else [("regime_undetermined", -1)]
    grounds: list[tuple[str, int]] = []
    burdens: list[RuleDecl] = []
    duties: list[str] = []
    regimes: list[tuple[str, Sequence[RuleDecl]]] = [("", list(world.house_rules()))]
    regimes += [(regime.head.name.text, regime.rules) for regime in governing if regime.head.name]
    for name, rules in regimes:
        heard = _hear(question, name, rules, order)
        if heard.ground is not None:
            grounds.append(heard.ground)
        burdens += heard.burdens
        own = [*heard.reasons, *(miss if name == "" else [])]
        reasons += own
        duties += _duties(question, name, rules, {code for code, _ in own})
    if reasons:
        return LeafAnswer("deny", reasons, obligations=list(dict.fromkeys(duties)))
    masks = {mask_of(rule) for rule in burdens if rule.word is RuleWord.MASK}
    mask = masks.pop() if len(masks) == 1 else ("redact", None) if masks else None
    owed = [code_of(rule) for rule in burdens if rule.word is RuleWord.OBLIGE]
    assert permit is not None
    return LeafAnswer("permit", grounds or [permit], mask, list(dict.fromkeys(owed)))


def _hear(
    question: Question, regime: str, rules: Sequence[RuleDecl], order: dict[int, int]
) -> Hearing:
    """Asks once for each consent that stands and once for none; the first yes counts."""
    for asking in question.askings(regime):
        heard = _ask(question, rules, asking, order)
        if not heard.reasons:
            heard.burdens = [
                rule
                for rule in rules
                if rule.word in (RuleWord.MASK, RuleWord.OBLIGE)
                and find(rule.clauses, ClauseWord.ON) is None
                and applies(question, rule, regime, asking) != FALSE
            ]
            return heard
    told = _ask(question, rules, question.first_asking(regime), order)
    # A consent to something below tells the reason, and brings no yes.
    return told if told.reasons else _ask(question, rules, question.askings(regime)[0], order)


def _duties(
    question: Question, regime: str, rules: Sequence[RuleDecl], codes: set[str]
) -> list[str]:
    """Obligations that come with a denial for one of these codes, by the first asking."""
    asking = question.first_asking(regime)
    return [
        code_of(rule)
        for rule in rules
        if rule.word is RuleWord.OBLIGE
        and codes & set(names(find(rule.clauses, ClauseWord.ON)))
        and applies(question, rule, regime, asking) != FALSE
    ]


def _ask(
    question: Question, rules: Sequence[RuleDecl], asking: Asking, order: dict[int, int]
) -> Hearing:
    """One asking of one regime."""
    regime = asking.use.regime
    no = [
        (code_of(rule), order[id(rule)])
        for rule in rules
        if rule.word is RuleWord.FORBID
        and applies(question, rule, regime, asking) != FALSE
        and not is_lifted(question, rule, regime, asking)
    ]
    permits = [rule for rule in rules if rule.word is RuleWord.PERMIT]
    if regime == "" or not permits:
        return Hearing(no)
    for rule in permits:
        if applies(question, rule, regime, asking) == TRUE:
            return Hearing(no, (code_of(rule), order[id(rule)]) if not no else None)
    return Hearing([*no, *_no_ground(question, permits, asking, order)])


def _no_ground(
    question: Question, permits: Sequence[RuleDecl], asking: Asking, order: dict[int, int]
) -> list[tuple[str, int]]:
    regime = asking.use.regime
    takers = [rule for rule in permits if covers(question, rule, regime)]
    if not takers:
        is_none = question.purpose.basis_for(regime) is None
        return [("no_lawful_basis" if is_none else "basis_not_available", -1)]
    for rule in takers if question.mode == PLAIN else ():
        if reads_of(rule, "consent"):
            asking.wishes = True
            would_hold = applies(question, rule, regime, asking) == TRUE
            asking.wishes = False
            codes = asking.consent.problems if asking.consent else [asking.state.absence]
            if would_hold and codes:
                return [(code, order[id(rule)]) for code in codes]
    return [("condition_not_met", order[id(takers[0])])]


def _house_permit(
    question: Question, order: dict[int, int]
) -> tuple[tuple[str, int] | None, list[tuple[str, int]]]:
    """The house's permit that holds, or else the reason of the nearest miss."""
    failing: list[tuple[int, int, list[str]]] = []
    for rule in question.world.house_rules():
        if rule.word is not RuleWord.PERMIT or not clause_holds(question, rule, "for", ""):
            continue
        tries = [
            [word for word in MISSES if not _holds(question, rule, word, asking)]
            for asking in question.askings("")
        ]
        fewest = min(tries, key=len)
        if not fewest:
            return (code_of(rule), order[id(rule)]), []
        failing.append((len(fewest), order[id(rule)], fewest))
    if not failing:
        return None, [("purpose_not_declared", -1)]
    _, place, clauses = min(failing)
    return None, [(MISSES[clauses[0]], place)]


def _holds(question: Question, rule: RuleDecl, word: str, asking: Asking) -> bool:
    if word in ("data", "may", "basis"):
        return clause_holds(question, rule, word, "")
    if word == "when":
        return in_force(question, rule) and condition(question, rule, asking) == TRUE
    if word == "keep":
        return not _is_kept_too_long(question, rule)
    return party_clause(question, rule, word) == TRUE


def _is_kept_too_long(question: Question, rule: RuleDecl) -> bool:
    clause = find(rule.clauses, ClauseWord.KEEP)
    keep = clause.value.value if clause and isinstance(clause.value, DurationRef) else None
    keep = keep or question.purpose.keep
    collected = question.request.resource.collected_at_us
    if keep is None or collected is None or moved(collected, keep) > question.now_us:
        return False
    if question.mode != PLAIN:
        return question.mode == WORST
    return right_since(question.events, "held", question.use("")) == NEVER


def _governing(question: Question) -> list[RegimeDecl]:
    asking = question.asking("", None, State())
    governing, otherwise = [], []
    for regime in question.world.regimes:
        if not in_force(question, regime):
            continue
        clause = find(regime.clauses, ClauseWord.GOVERNS)
        if clause is None:
            governing.append(regime)
        elif isinstance(clause.value, Name):
            otherwise.append(regime)
        elif truth(clause.value, asking) != FALSE:  # type: ignore[arg-type]  # an expression
            governing.append(regime)
    return governing or otherwise
