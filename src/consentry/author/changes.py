"""Small changes of a question that may turn its answer: candidates, not yet tried.

Each is taken from what the rules that were looked at read, so that their number does not grow with
the policy set. What cannot be changed by anyone (that a law governs, who the controller is) is not
proposed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Final

from consentry.author.explanation import Change, ChangeKind, Question
from consentry.engine.link import LinkedProgram
from consentry.model.decision import Decision, Effect
from consentry.model.program import Party, Rule
from consentry.model.request import Recipient, Request
from consentry.model.trace import RuleTrace, Trace
from consentry.model.vocabulary import PRINCIPAL_KINDS

MAX_OF_A_KIND: Final = 64
"""Most candidates of one kind, so that a large policy set costs no more than a small one."""

MAX_EXTRA_COST: Final = 9
"""So that no extra cost makes a change of one kind dearer than one of the next."""
UNSAID_COST: Final = 8

# What a change costs: which of two is the smaller. Leaving out and telling more come first, being
# somebody else or doing something else last.
COST: Final[dict[ChangeKind, int]] = {
    ChangeKind.DATA: 1,
    ChangeKind.ATTRIBUTE: 2,
    ChangeKind.CONSENT: 3,
    ChangeKind.RIGHT: 3,
    ChangeKind.ROLE: 4,
    ChangeKind.CHANNEL: 5,
    ChangeKind.RECIPIENT: 6,
    ChangeKind.CONTROLLER: 7,
    ChangeKind.TIME: 8,
    ChangeKind.RESOURCE: 9,
    ChangeKind.PRINCIPAL: 10,
    ChangeKind.ACTION: 11,
    ChangeKind.PURPOSE: 12,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A change and how to make it. Of two in one `slot` only one can be made."""

    change: Change
    slot: str
    make: Callable[[Question], Question]
    extra_cost: int = 0

    @property
    def cost(self) -> int:
        """How large the change is; compared, never shown."""
        return COST[self.change.kind] * 10 + self.extra_cost


def candidate(
    kind: ChangeKind,
    slot: str,
    text: str,
    make: Callable[[Request], Request],
    extra_cost: int = 0,
) -> Candidate:
    """A candidate that changes nothing but the request."""

    def make_question(question: Question) -> Question:
        return replace(question, request=make(question.request))

    return Candidate(
        change=Change(kind=kind, text=text), slot=slot, make=make_question, extra_cost=extra_cost
    )


def rules_of(trace: Trace) -> list[Rule]:
    """All rules and exceptions that were looked at, each once."""
    found: dict[int, Rule] = {}

    def add(told: RuleTrace) -> None:
        found.setdefault(id(told.rule), told.rule)
        for exception in told.exceptions:
            add(exception)

    for leaf in trace.leaves:
        for permit in leaf.permits:
            add(permit)
        for regime in leaf.regimes:
            for asking in regime.askings:
                for rule in asking.rules:
                    add(rule)
    return list(found.values())


def request_changes(
    linked: LinkedProgram, request: Request, decision: Decision, rules: Iterable[Rule]
) -> Iterator[Candidate]:
    """Changes of what is asked and by whom, but for attributes."""
    rules = list(rules)
    yield from _data(decision)
    yield from _roles(request, rules, decision)
    yield from _principals(request, rules)
    yield from _channels(linked, request)
    yield from _recipients(request, rules)
    yield from _actions(linked, request)
    yield from _purposes(linked, request)


def _data(decision: Decision) -> Iterator[Candidate]:
    if decision.effect is not Effect.DENY:
        return
    kept = tuple(leaf.data for leaf in decision.leaves if leaf.effect is Effect.PERMIT)
    if not kept:
        return
    denied = [leaf.data for leaf in decision.leaves if leaf.effect is Effect.DENY]
    yield candidate(
        ChangeKind.DATA,
        "data",
        f"leave out {', '.join(denied)}",
        lambda request: replace(request, data=kept),
    )


def _roles(request: Request, rules: Iterable[Rule], decision: Decision) -> Iterator[Candidate]:
    held = request.principal.roles
    for role in sorted(_roles_named(rules) - held):
        yield _role(role, is_wanted=True)
    if decision.effect is Effect.PERMIT:
        for role in sorted(held):
            yield _role(role, is_wanted=False)


def _role(role: str, *, is_wanted: bool) -> Candidate:
    def make(request: Request) -> Request:
        held = request.principal.roles
        roles = held | {role} if is_wanted else held - {role}
        return replace(request, principal=replace(request.principal, roles=roles))

    word = "with" if is_wanted else "without"
    return candidate(ChangeKind.ROLE, f"role {role}", f"ask {word} the role `{role}`", make)


def _principals(request: Request, rules: Iterable[Rule]) -> Iterator[Candidate]:
    principal = request.principal
    for party in _parties(rules, recipients=False):
        if party.kind == "controller":
            if party.name and party.name != principal.controller:
                yield _controller(party.name)
        elif party.kind in PRINCIPAL_KINDS:
            known = (principal.kind, principal.id)
            if (party.kind, party.name or principal.id) != known:
                yield _principal(party)


def _controller(name: str) -> Candidate:
    return candidate(
        ChangeKind.CONTROLLER,
        "controller",
        f"ask for the controller `{name}`",
        lambda request: replace(request, principal=replace(request.principal, controller=name)),
    )


def _principal(party: Party) -> Candidate:
    def make(request: Request) -> Request:
        principal = request.principal
        changed = replace(principal, kind=party.kind, id=party.name or principal.id)
        return replace(request, principal=changed)

    text = f"ask as {party.kind}" + (f" `{party.name}`" if party.name else "")
    return candidate(ChangeKind.PRINCIPAL, "principal", text, make)


def _channels(linked: LinkedProgram, request: Request) -> Iterator[Candidate]:
    is_said = request.channel is not None
    for channel in sorted(linked.program.channels)[:MAX_OF_A_KIND]:
        if channel != request.channel:
            text = f"use the channel `{channel}`" if is_said else f"say the channel, `{channel}`"
            yield _channel(channel, text)
    if is_said:
        yield _channel(None, "name no channel")


def _channel(channel: str | None, text: str) -> Candidate:
    return candidate(
        ChangeKind.CHANNEL,
        "channel",
        text,
        lambda request: replace(request, channel=channel),
        extra_cost=UNSAID_COST if channel is None else 0,
    )


def _recipients(request: Request, rules: Iterable[Rule]) -> Iterator[Candidate]:
    for party in _parties(rules, recipients=True):
        if party.name:
            yield _recipient(party)
    if request.recipient is not None:
        yield candidate(
            ChangeKind.RECIPIENT,
            "recipient",
            "name no recipient",
            lambda request: replace(request, recipient=None),
            extra_cost=UNSAID_COST,
        )


def _recipient(party: Party) -> Candidate:
    def make(request: Request) -> Request:
        said = request.recipient or Recipient()
        if party.kind == "role":
            said = replace(said, roles=said.roles | {party.name})
        elif party.kind == "country":
            said = replace(said, country=party.name)
        else:
            said = replace(said, id=party.name)
        return replace(request, recipient=said)

    text = f"give it to the {party.kind} `{party.name}`"
    return candidate(ChangeKind.RECIPIENT, "recipient", text, make)


def _actions(linked: LinkedProgram, request: Request) -> Iterator[Candidate]:
    for action in sorted(linked.program.actions)[:MAX_OF_A_KIND]:
        if action != request.action:
            yield _action(action)


def _action(action: str) -> Candidate:
    return candidate(
        ChangeKind.ACTION,
        "action",
        f"do `{action}` instead",
        lambda request: replace(request, action=action),
    )


def _purposes(linked: LinkedProgram, request: Request) -> Iterator[Candidate]:
    here = request.purpose.split(".")

    def distance(path: str) -> tuple[int, str]:
        there = path.split(".")
        pairs = zip(here, there, strict=False)
        shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        return len(here) + len(there) - 2 * shared, path

    paths = [node.path for node in linked.program.purposes if node.path != request.purpose]
    for path in sorted(paths, key=distance)[:MAX_OF_A_KIND]:
        yield _purpose(path, min(distance(path)[0], MAX_EXTRA_COST))


def _purpose(path: str, extra_cost: int) -> Candidate:
    return candidate(
        ChangeKind.PURPOSE,
        "purpose",
        f"ask for the purpose `{path}`, if that is the true one",
        lambda request: replace(request, purpose=path),
        extra_cost=extra_cost,
    )


def _roles_named(rules: Iterable[Rule]) -> frozenset[str]:
    parties = _parties(rules, recipients=False)
    return frozenset(party.name for party in parties if party.kind == "role" and party.name)


def _parties(rules: Iterable[Rule], *, recipients: bool) -> list[Party]:
    found: dict[Party, None] = {}
    for rule in rules:
        for party in (rule.recipients if recipients else rule.who) or ():
            found.setdefault(party)
    return list(found)[:MAX_OF_A_KIND]
