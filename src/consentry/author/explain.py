"""Explains a decision: the answer of the engine, how it came about, and what would turn it.

Pure: asks the engine and nothing else; the same question gives the same explanation.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from consentry.author.explanation import Explanation, Question
from consentry.author.flips import Found, find_flips
from consentry.consent.history import EventTrace, tell_events
from consentry.consent.resolver import SubjectView
from consentry.engine.link import LinkedProgram
from consentry.engine.trace import PartsOf, trace
from consentry.model.consent import ConsentView
from consentry.model.program import HOUSE
from consentry.model.request import Request
from consentry.model.trace import LeafTrace, RegimeTrace, RuleTrace, Trace

_SOMETHING: Final = "what a rule comes to may change"
_NOT_SEARCHED: Final = Found(flips=(), is_complete=True)


def explain(
    linked: LinkedProgram,
    request: Request,
    view: ConsentView,
    now_us: int,
    *,
    with_flips: bool = True,
    parts_of: PartsOf | None = None,
) -> Explanation:
    """The explanation of the answer that `evaluate` gives to the same arguments.

    Without `with_flips` the search for changes that would turn it, some thousand evaluations at
    most, is left out. With `parts_of` (`author.condition_parts`) conditions are told part by part.

    Raises:
        RequestError: the request's shape is wrong, so that no question was asked.
    """
    question = Question(request=request, view=view, now_us=now_us)
    decision, told = trace(linked, request, view, now_us, parts_of)
    found = find_flips(linked, question, decision, told) if with_flips else _NOT_SEARCHED
    return Explanation(
        question=question,
        program=linked.program,
        decision=decision,
        trace=told,
        events=_events(view, told),
        until=_until(told, decision.valid_until_us),
        flips=found.flips,
        is_search_complete=found.is_complete,
    )


def _events(view: ConsentView, told: Trace) -> tuple[EventTrace, ...]:
    """Every event with the heaviest of its parts: one that stands for one field stands."""
    if not isinstance(view, SubjectView):
        return ()
    heaviest: dict[str, EventTrace] = {}
    for leaf in told.leaves:
        for regime in leaf.regimes:
            if regime.query is None:
                continue
            for event in tell_events(view, regime.query, regime.state):
                known = heaviest.get(event.event.event_id)
                if known is None or event.part.weight < known.part.weight:
                    heaviest[event.event.event_id] = event
    return tuple(heaviest[e.event_id] for e in view.events if e.event_id in heaviest)


def _until(told: Trace, at_us: int | None) -> tuple[str, ...]:
    """What may change at `at_us`, each cause once."""
    if at_us is None:
        return ()
    causes = [cause for leaf in told.leaves for cause in _causes(leaf, at_us)]
    # Where the ledger cannot be read, rules were also asked as at best, which is not told.
    return tuple(dict.fromkeys(causes)) or (_SOMETHING,)


def _causes(leaf: LeafTrace, at_us: int) -> Iterator[str]:
    yield from _rule_causes(leaf.permits, at_us, "")
    for regime in leaf.regimes:
        law = regime.regime.name
        if regime.changes_at_us == at_us:
            yield f"whether the law {law} governs may change"
        yield from _consent_causes(regime, at_us)
        for asking in regime.askings:
            yield from _rule_causes(asking.rules, at_us, f"{law}." if law else "")


def _rule_causes(rules: tuple[RuleTrace, ...], at_us: int, prefix: str) -> Iterator[str]:
    for told in rules:
        if told.changes_at_us == at_us:
            yield f"what {prefix}{told.rule.name} comes to may change"
        yield from _rule_causes(told.exceptions, at_us, prefix)


def _consent_causes(regime: RegimeTrace, at_us: int) -> Iterator[str]:
    state = regime.state
    if state is None or state.changes_at_us != at_us:
        return
    ending = [s.event_id for s in (*state.standings, *state.below) if s.expires_at_us == at_us]
    for event_id in ending:
        yield f"the consent {event_id} ends"
    if not ending:
        yield "a consent begins to count"


def is_house(regime: RegimeTrace) -> bool:
    """Whether it is the house's own part."""
    return regime.regime.index == HOUSE
