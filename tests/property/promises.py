"""What narrows never widens, as questions to one policy set: each finds what breaks a promise."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

from comparing import PolicySet, ask_engine
from generated import NOW_US, draw_event

from consentry.model.consent import ConsentEvent, EventKind
from consentry.model.decision import Effect
from consentry.model.request import Request
from consentry.model.values import Value
from consentry.model.vocabulary import TAG_CONTACTING, TAG_DISCLOSURE

NARROWING = [
    EventKind.WITHDRAWN, EventKind.REFUSED, EventKind.OBJECTED, EventKind.OPTED_OUT,
    EventKind.LIMITED, EventKind.RESTRICTED, EventKind.ERASED,
]  # fmt: skip
_TOLD = re.compile(r"leaving out `([a-z_.]+)` may widen")


@dataclass(frozen=True)
class Breach:
    """Fields that are permitted and should not be, or the other way round."""

    promise: str
    fields: frozenset[str]
    request: Request
    events: Sequence[ConsentEvent]
    because: object

    def told(self, text: str, seed: int) -> str:
        return f"{self.promise} (seed {seed}): {sorted(self.fields)}\n{text}\n{self}"


@dataclass(frozen=True)
class Trial:
    """One policy set; `narrowed` is the same with one more forbid."""

    policies: PolicySet
    narrowed: PolicySet
    extra_forbid: str

    @property
    def told_facts(self) -> frozenset[str]:
        """Facts of which the checker says that leaving them out may widen."""
        found = [_TOLD.match(note.title) for note in self.policies.notes]
        return frozenset(match[1] for match in found if match)


def permitted(policies: PolicySet, request: Request, events: Sequence[ConsentEvent]) -> set[str]:
    decision = ask_engine(policies, request, events, NOW_US)
    return {leaf.data for leaf in decision.leaves if leaf.effect is Effect.PERMIT}


def find_breaches(
    trial: Trial, request: Request, events: list[ConsentEvent], random: Random
) -> Iterator[Breach]:
    """Everything that one history shows to be broken."""
    before = permitted(trial.policies, request, events)

    def breach(promise: str, fields: set[str], because: object) -> Iterator[Breach]:
        if fields:
            yield Breach(promise, frozenset(fields), request, events, because)

    def asked(other: Sequence[ConsentEvent]) -> set[str]:
        return permitted(trial.policies, request, other)

    consent = draw_event(random, len(events) + 1, EventKind.GIVEN)
    yield from breach("a further consent", before - asked([*events, consent]), consent)
    negative = draw_event(random, len(events) + 1, random.choice(NARROWING))
    yield from breach("a negative event", asked([*events, negative]) - before, negative)
    shuffled = random.sample(events, len(events))
    yield from breach("the order of events", asked(shuffled) ^ before, shuffled)
    forbidden = permitted(trial.narrowed, request, events)
    yield from breach("a further forbid", forbidden - before, trial.extra_forbid)
    fact, poorer = random.choice(omissions(request))
    fields = permitted(trial.policies, poorer, events) - before
    if not is_told(fact, trial.told_facts):
        explained = _explained_by_language(trial.policies, request, events, fact)
        yield from breach("a fact left out", fields - explained, fact)


def _explained_by_language(
    policies: PolicySet, request: Request, events: Sequence[ConsentEvent], fact: str
) -> set[str]:
    """Fields that no rule, but the language says may widen: a consent for some channels (or
    recipients) covers an action that needs none, unless the request says one that it does not.
    """
    tag, scope_reason = {
        "channel": (TAG_CONTACTING, "consent_scope_channel"),
        "recipient": (TAG_DISCLOSURE, "consent_scope_recipient"),
    }.get(fact, ("", ""))
    if not tag or tag in policies.linked.program.actions.get(request.action, {tag}):
        return set()
    decision = ask_engine(policies, request, events, NOW_US)
    return {
        leaf.data
        for leaf in decision.leaves
        if {finding.reason for finding in leaf.findings} == {scope_reason}
    }


def is_told(fact: str, told: frozenset[str]) -> bool:
    """Whether the checker's notes name the fact, or a part of it."""
    return fact in told or any(one.startswith(f"{fact}.") for one in told)


def omissions(request: Request) -> list[tuple[str, Request]]:
    """The request without one thing that it says, each with the fact's name in conditions."""
    found: list[tuple[str, Request]] = []
    who, to, resource = request.principal, request.recipient, request.resource
    person = request.data_subject
    assert person is not None

    def less(attributes: Mapping[str, Value], name: str) -> dict[str, Value]:
        return {key: value for key, value in attributes.items() if key != name}

    for name in who.attributes:
        poorer = replace(who, attributes=less(who.attributes, name))
        found.append((f"principal.{name}", replace(request, principal=poorer)))
    for name in person.attributes:
        unknown = replace(person, attributes=less(person.attributes, name))
        found.append((f"subject.{name}", replace(request, data_subject=unknown)))
    for name in resource.attributes:
        undated = replace(resource, attributes=less(resource.attributes, name))
        found.append((f"resource.{name}", replace(request, resource=undated)))
    found += [
        (f"context.{name}", replace(request, context=less(request.context, name)))
        for name in request.context
    ]
    found += [
        (f"signal.{name}", replace(request, signals=less(request.signals, name)))
        for name in request.signals
    ]
    found += [
        ("principal.roles", replace(request, principal=replace(who, roles=frozenset()))),
        ("principal.controller", replace(request, principal=replace(who, controller=None))),
        ("channel", replace(request, channel=None)),
        (
            "resource.collected_at",
            replace(request, resource=replace(resource, collected_at_us=None)),
        ),
    ]
    if to is not None:
        found += [
            ("recipient", replace(request, recipient=None)),
            ("recipient.id", replace(request, recipient=replace(to, id=None))),
            ("recipient.roles", replace(request, recipient=replace(to, roles=frozenset()))),
            ("recipient.country", replace(request, recipient=replace(to, country=None))),
        ]
        for name in to.attributes:
            unbound = replace(to, attributes=less(to.attributes, name))
            found.append((f"recipient.{name}", replace(request, recipient=unbound)))
    return found
