"""Whether one rule applies, clause by clause."""

from __future__ import annotations

from consentry.lang.tree import ClauseWord, MaskRef, PartyRef, RegimeDecl, RuleDecl, RuleWord
from consentry.model.request import Request
from consentry.model.values import midnight_us
from tests.reference.conditions import FALSE, TRUE, UNKNOWN, Asking, reads, truth
from tests.reference.question import WORST, Question
from tests.reference.world import World, day, expressions, find, names


def code_of(rule: RuleDecl) -> str:
    assert rule.head.name is not None
    return rule.head.standard[0].text if rule.head.standard else rule.head.name.text


def all_rules(world: World) -> list[RuleDecl]:
    return [*world.house_rules(), *(rule for regime in world.regimes for rule in regime.rules)]


def reads_of(rule: RuleDecl, about: str) -> bool:
    return any(
        reads(expr, about)
        for word in (ClauseWord.WHEN, ClauseWord.UNLESS)
        for expr in expressions(rule.clauses, word)
    )


def mask_of(rule: RuleDecl) -> tuple[str, int | None]:
    clause = find(rule.clauses, ClauseWord.AS)
    assert clause is not None
    assert isinstance(clause.value, MaskRef)
    return clause.value.function.text, clause.value.argument


def applies(question: Question, rule: RuleDecl, regime: str, asking: Asking) -> int:
    """All clauses of the rule by Kleene's `and`."""
    if not covers(question, rule, regime) or not in_force(question, rule):
        return FALSE
    parties = [party_clause(question, rule, word) for word in ("who", "via", "to")]
    return min(*parties, condition(question, rule, asking))


def covers(question: Question, rule: RuleDecl, regime: str) -> bool:
    return all(
        clause_holds(question, rule, word, regime) for word in ("for", "data", "may", "basis")
    )


def in_force(question: Question, declared: RuleDecl | RegimeDecl) -> bool:
    start, end = day(declared.clauses, ClauseWord.FROM), day(declared.clauses, ClauseWord.UNTIL)
    now = question.now_us
    return (start is None or midnight_us(start) <= now) and (end is None or now < midnight_us(end))


def condition(question: Question, rule: RuleDecl, asking: Asking) -> int:
    # Best is what permits most: a permit's condition true, those of all other rules false.
    wished = rule.word in (RuleWord.PERMIT, RuleWord.EXCEPTION)
    if question.mode == WORST:
        wished = not wished
    whens = [truth(expr, asking, wished) for expr in expressions(rule.clauses, ClauseWord.WHEN)]
    unless = [
        2 - truth(expr, asking, not wished) for expr in expressions(rule.clauses, ClauseWord.UNLESS)
    ]
    return min([TRUE, *whens, *unless])


def is_lifted(question: Question, rule: RuleDecl, regime: str, asking: Asking) -> bool:
    assert rule.head.name is not None
    return regime == "" and any(
        other.word is RuleWord.EXCEPTION
        and names(find(other.clauses, ClauseWord.LIFTS)) == [rule.head.name.text]
        and applies(question, other, regime, asking) == TRUE
        for other in question.world.house_rules()
    )


def clause_holds(question: Question, rule: RuleDecl, word: str, regime: str) -> bool:
    """Clauses that a request cannot leave unsaid."""
    listed = names(find(rule.clauses, ClauseWord(word)))
    if not listed or "anything" in listed:
        return True
    world = question.world
    match word:
        case "for":
            return any(question.purpose.path in world.purposes_named(n, regime) for n in listed)
        case "data":
            return any(question.leaf.path in world.fields_named(name, regime) for name in listed)
        case "may":
            action = question.request.action
            return any(name == action or name in world.actions[action] for name in listed)
    return question.purpose.basis_for(regime) in listed


def party_clause(question: Question, rule: RuleDecl, word: str) -> int:
    """`who`, `via` and `to`: what is not said is unknown where it matters."""
    clause = find(rule.clauses, ClauseWord(word))
    if clause is None:
        return TRUE
    request, tags = question.request, question.world.actions[question.request.action]
    if word == "via":
        if "anything" in names(clause):
            return TRUE
        if request.channel is None:
            return UNKNOWN if "contacting" in tags else FALSE
        tags = question.world.channels[request.channel]
        return TRUE if {request.channel, *tags}.intersection(names(clause)) else FALSE
    assert isinstance(clause.value, tuple)
    parties = [party for party in clause.value if isinstance(party, PartyRef)]
    if any(party.kind.text == "anyone" for party in parties):
        return TRUE
    if word == "to" and request.recipient is None:
        return UNKNOWN if "disclosure" in tags else FALSE
    match_one = _is_principal if word == "who" else _is_recipient
    return max(match_one(party, request) for party in parties)


def _is_principal(party: PartyRef, request: Request) -> int:
    principal, name = request.principal, party.name.value if party.name else ""
    match party.kind.text:
        case "role":
            if not principal.roles:
                return UNKNOWN
            return TRUE if name in principal.roles else FALSE
        case "controller":
            if principal.controller is None:
                return UNKNOWN
            return TRUE if name == principal.controller else FALSE
    return TRUE if party.kind.text == principal.kind and name in ("", principal.id) else FALSE


def _is_recipient(party: PartyRef, request: Request) -> int:
    to, name = request.recipient, party.name.value if party.name else ""
    assert to is not None
    match party.kind.text:
        case "role":
            known, is_match = bool(to.roles), name in to.roles
        case "country":
            known, is_match = to.country is not None, name == to.country
        case _:
            known, is_match = to.id is not None and name != "", name == to.id
    return UNKNOWN if not known else TRUE if is_match else FALSE
