"""A scenario's request and the events that the ledger would hold, as the engine takes them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime

from consentry.model.consent import Author, ConsentEvent, EventKind, Proof, RecipientScope, Scope
from consentry.model.request import DataSubject, Principal, Recipient, Request, Resource
from consentry.model.values import Value, time_us
from tests.conformance.legal.schema import Consent, Facts, Scenario, Tcf
from tests.conformance.legal.words import ACTIONS, STATES, TCF_PURPOSES

_AUTHORS = {
    "subject": Author.DATA_SUBJECT,
    "guardian": Author.GUARDIAN,
    "joint": Author.JOINT,
    "agent": Author.AGENT,
    "controller": Author.CONTROLLER,
}
_OPTED_OUT, _NO_NOTICE, _NOTICE = 1, 2, 1
_NOT_ALLOWED = 0
_PROOF = Proof(method="record", source="scenario")


def request_of(scenario: Scenario) -> Request:
    """The question that is asked at `scenario.facts.at`."""
    facts, asked = scenario.facts, scenario.request
    collection = facts.collection
    return Request(
        principal=_principal(scenario),
        action=ACTIONS.get(asked.action, asked.action),
        data=tuple(asked.data),
        data_subject=_data_subject(facts),
        purpose=asked.purpose or "",
        channel=asked.channel,
        recipient=_recipient(scenario),
        resource=Resource(
            collected_at_us=_us(collection.at) if collection.at else None,
            collected_for=tuple(collection.purposes),
            collected_on=collection.basis,
            attributes=_resource_facts(facts),
        ),
        context={"known_consumer": True} if asked.known_consumer else {},
        signals=_signals(facts, asked.recipient.id if asked.recipient else None),
        partial=asked.partial,
        wants_all_reasons=True,
    )


def events_of(scenario: Scenario) -> tuple[ConsentEvent, ...]:
    """Every event, of the data subject and of others, numbered by the time of receipt."""
    events = sorted(_events(scenario.facts), key=lambda event: event.received_at_us)
    return tuple(
        replace(event, position=n, event_id=f"event-{n}", idempotency_key=f"{scenario.id}-{n}")
        for n, event in enumerate(events, start=1)
    )


# --- the request ------------------------------------------------------------------------------


def _principal(scenario: Scenario) -> Principal:
    actor = scenario.request.actor
    roles = {actor.department} if actor.department else set()
    if actor.role != "controller":
        roles.add(actor.role)
    attributes: dict[str, Value] = {}
    if actor.instructed_for is not None:
        attributes["instructed_for"] = tuple(actor.instructed_for)
    return Principal(
        id=actor.id,
        kind="service",
        roles=frozenset(roles),
        controller=actor.controller,
        attributes=attributes,
    )


def _data_subject(facts: Facts) -> DataSubject | None:
    subject = facts.subject
    if not subject.resolved:
        return None
    attributes: dict[str, Value | None] = {}
    if subject.residence:
        country, _, state = subject.residence.partition("-")
        attributes |= {"country": country, "state": state or None}
    if subject.age is not None:
        attributes["born"] = _years_before(facts.at.date(), subject.age)
    attributes["incapacitated"] = subject.incapacitated
    soft = facts.activity.soft_opt_in if facts.activity else None
    if soft:
        attributes |= {"customer": soft.customer, "supporter": soft.supporter}
    if facts.incentive:
        attributes["incentive_asked"] = facts.incentive.asked_to_withdraw
        attributes["incentive_left"] = facts.incentive.affirmed_withdrawal
    return DataSubject(id=subject.id, attributes=_said(attributes))


def _recipient(scenario: Scenario) -> Recipient | None:
    told = scenario.request.recipient
    if told is None:
        return None
    attributes: dict[str, Value | None] = {
        "contract": told.contract,
        "safeguard": told.safeguard,
        "transfer_assessed": told.assessed,
        "certified": ("dpf",) if told.dpf_certified else None,
    }
    return Recipient(
        id=told.id,
        roles=frozenset({told.role}) if told.role else frozenset(),
        country=told.country,
        attributes=_said(attributes),
    )


def _resource_facts(facts: Facts) -> dict[str, Value]:
    activity = facts.activity
    soft = activity.soft_opt_in if activity else None
    if soft:
        return {"opt_out_offered": soft.optout_at_collection}
    if activity and activity.channels_optout_ok is not None:
        return {"opt_out_offered": activity.channels_optout_ok}
    return {}


def _signals(facts: Facts, recipient_id: str | None) -> dict[str, Value]:
    signals, found = facts.signals, dict[str, Value]()
    if signals.sec_gpc == "1" or (signals.gpp and signals.gpp.Gpc):
        found["gpc"] = True
    if signals.gpp:
        for name, told in (
            ("sale_notice", signals.gpp.SaleOptOutNotice),
            ("sharing_notice", signals.gpp.SharingOptOutNotice),
        ):
            if told in (_NOTICE, _NO_NOTICE):
                found[name] = told == _NOTICE
    if signals.tcf:
        excluded = [
            TCF_PURPOSES[restriction.purpose]
            for restriction in signals.tcf.pub_restrictions
            if restriction.type == _NOT_ALLOWED
            and recipient_id in {_vendor(number) for number in restriction.vendors}
        ]
        if excluded:
            found["publisher_excludes"] = tuple(excluded)
    return found


# --- the ledger -------------------------------------------------------------------------------


def _events(facts: Facts) -> Iterator[ConsentEvent]:
    for consent in facts.consents:
        yield _consent(consent, facts)
    for objection in facts.objections:
        scope = Scope(purpose=objection.purpose)
        if objection.direct_marketing:
            scope = Scope(tag="direct_marketing")
        yield _event(facts, EventKind.OBJECTED, objection.at, scope)
        if objection.compelling_grounds:
            yield _event(facts, EventKind.OBJECTION_OVERRIDDEN, objection.at, scope)
    for optout in facts.optouts:
        is_limit = optout.kind == "limit_sensitive"
        kind = EventKind.LIMITED if is_limit else EventKind.OPTED_OUT
        yield _event(facts, kind, optout.at, Scope())
    for optin in facts.optins:
        yield _event(facts, EventKind.OPTED_IN, optin.at, Scope())
        qualities = {"after_conflict_notice"} if optin.after_conflict_notice else set[str]()
        for tag in ("sale", "sharing"):
            event = _event(facts, EventKind.GIVEN, optin.at, Scope(tag=tag))
            by, notice = _AUTHORS[optin.by], _current_notice(facts)
            yield replace(event, by=by, notice=notice, qualities=frozenset(qualities))
    rights = facts.rights
    if rights.erased_at:
        yield _event(facts, EventKind.ERASED, rights.erased_at, Scope())
    if rights.restricted_at:
        yield _event(facts, EventKind.RESTRICTED, rights.restricted_at, Scope())
    if facts.activity and facts.activity.legal_hold:
        scope = Scope(purpose=facts.activity.purpose)
        at = facts.collection.at or facts.at
        yield replace(
            _event(facts, EventKind.HELD, at, scope),
            by=Author.CONTROLLER,
            proof=replace(_PROOF, reference=facts.activity.legal_hold),
        )
    if facts.signals.tcf:
        yield from _tcf_events(facts, facts.signals.tcf)
    if gpp := facts.signals.gpp:
        for tag, told in (("sale", gpp.SaleOptOut), ("sharing", gpp.SharingOptOut)):
            if told == _OPTED_OUT:
                yield _event(facts, EventKind.OPTED_OUT, gpp.created, Scope(tag=tag))


def _consent(consent: Consent, facts: Facts) -> ConsentEvent:
    qualities = {
        "explicit": consent.type == "explicit",
        "implied": consent.type == "implied",
        "bundled": consent.conditional,
        "preticked": consent.preticked,
        "risks_informed": consent.risks_informed,
    }
    notice = consent.notice
    if notice is None and facts.notice:
        notice = facts.notice.current
    kind = EventKind(STATES[consent.state])
    is_proven = consent.proof is not None and consent.state != "unknown"
    received = consent.received_at or consent.at
    return ConsentEvent(
        kind=kind,
        data_subject_id=consent.subject or facts.subject.id,
        scope=Scope(
            purpose=consent.purpose,
            data=tuple(consent.categories),
            channels=tuple(consent.channels),
            recipients=(
                *(RecipientScope(id=name) for name in consent.recipients),
                *(RecipientScope(country=name) for name in consent.countries),
            ),
            controller=consent.controller or "",
        ),
        happened_at_us=_us(consent.at),
        received_at_us=_us(received),
        qualities=frozenset(name for name, holds in qualities.items() if holds),
        notice=str(notice) if notice is not None else "",
        listed=tuple(consent.listed),
        by=_AUTHORS[consent.by],
        expires_at_us=_us(consent.expires_at) if consent.expires_at else None,
        proof=_PROOF if is_proven else Proof(),
    )


def _tcf_events(facts: Facts, tcf: Tcf) -> Iterator[ConsentEvent]:
    """A vendor needs both bits: its own, and that of the purpose; and it was shown to the person.

    A string that is not for this service alone says nothing here.
    """
    if not tcf.is_service_specific:
        return
    vendors = [number for number in tcf.vendor_consents if number in tcf.disclosed_vendors]
    recipients = tuple(RecipientScope(id=_vendor(number)) for number in vendors)
    for purpose in tcf.purpose_consents:
        scope = Scope(purpose=TCF_PURPOSES[purpose], recipients=recipients)
        event = _event(facts, EventKind.GIVEN, tcf.created, scope)
        yield replace(event, notice=_current_notice(facts))


def _event(facts: Facts, kind: EventKind, at: datetime, scope: Scope) -> ConsentEvent:
    return ConsentEvent(
        kind=kind,
        data_subject_id=facts.subject.id,
        scope=scope,
        happened_at_us=_us(at),
        received_at_us=_us(at),
        proof=_PROOF,
    )


def _current_notice(facts: Facts) -> str:
    return str(facts.notice.current) if facts.notice else ""


def _vendor(number: int) -> str:
    return f"iab-{number}"


def _said(attributes: dict[str, Value | None]) -> dict[str, Value]:
    return {name: value for name, value in attributes.items() if value is not None}


def _us(moment: datetime) -> int:
    return time_us(moment)


def _years_before(day: date, years: int) -> date:
    try:
        return day.replace(year=day.year - years)
    except ValueError:  # 29 February
        return day.replace(year=day.year - years, day=28)
