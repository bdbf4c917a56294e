"""Consent records with the fields of ISO/IEC TS 27560:2023, as JSON-LD in the terms of DPV.

One record tells of one person's consent to one thing, with every event about it. The names follow
the community's guide to the standard (https://w3id.org/dpv/guides/consent-27560), whose mandatory
fields are all there; what nobody said is told as `not stated`, never left out or made up. The
standard itself is sold and was not read: no conformance beyond that guide is claimed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from consentry.model.consent import Author, ConsentEvent, EventKind
from consentry.model.values import MICROS_PER_DAY

NOT_STATED: Final = "not stated"
SCHEMA: Final = "https://w3id.org/dpv/schema/dpv-27560#"
CONTEXT: Final[dict[str, str]] = {
    "dct": "http://purl.org/dc/terms/",
    "dpv": "https://w3id.org/dpv#",
    "schema": "https://schema.org/",
    "consentry": "urn:consentry:ns:",
}

Json: TypeAlias = dict[str, Any]

# The states of the guide's lifecycle that an event of ours brings about.
_STATES: Final = {
    EventKind.REQUESTED: "dpv:ConsentRequested",
    EventKind.GIVEN: "dpv:ConsentGiven",
    EventKind.REFUSED: "dpv:ConsentRefused",
    EventKind.WITHDRAWN: "dpv:ConsentWithdrawn",
}
_AUTHORS: Final = {
    Author.DATA_SUBJECT: "dpv:DataSubject",
    Author.GUARDIAN: "dpv:GuardianOfDataSubject",
    Author.JOINT: "dpv:DataSubject and dpv:GuardianOfDataSubject",
    Author.AGENT: "dpv:Representative",
    Author.CONTROLLER: "dpv:DataController",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PurposeFacts:
    """What a policy set says of a purpose; durations in the form of ISO 8601."""

    text: str = ""
    uses: tuple[str, ...] = ()
    basis: str = ""
    keep: str = ""
    lasts: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFacts:
    """What a record needs beyond the events: of the controller, and of the policies in force."""

    controller: str = ""
    country: str = ""
    address: str = ""
    contact: str = ""
    notice_page: str = ""
    language: str = ""
    jurisdictions: tuple[str, ...] = ()
    storage_locations: tuple[str, ...] = ()
    withdrawal: str = ""
    purposes: Mapping[str, PurposeFacts] = field(default_factory=dict)
    data_texts: Mapping[str, str] = field(default_factory=dict)
    policy_digest: str = ""


Target: TypeAlias = tuple[str, str, str, str]
"""What a consent is about: purpose, tag, regime, controller."""


def target_of(event: ConsentEvent) -> Target:
    """What the event is about; events of one person about the same belong to one record."""
    scope = event.scope
    return scope.purpose, scope.tag, scope.regime, scope.controller


def is_of_consent(event: ConsentEvent) -> bool:
    """Whether the event is about consent itself, which is what records tell of."""
    return event.kind in _STATES


def group_events(events: Iterable[ConsentEvent]) -> list[tuple[ConsentEvent, ...]]:
    """A person's events of consent, one group for each record, in order of their first event."""
    groups: dict[Target, list[ConsentEvent]] = {}
    for event in events:
        if is_of_consent(event):
            groups.setdefault(target_of(event), []).append(event)
    return [tuple(group) for group in groups.values()]


def consent_record(events: Sequence[ConsentEvent], facts: RecordFacts) -> Json:
    """The record of one person's consent to one thing; `events` are about it, oldest first.

    `record_id` is the id of the first event. What the newest event says of data, recipients and
    notice is what the record says.
    """
    first, newest = events[0], events[-1]
    purpose = facts.purposes.get(newest.scope.purpose, PurposeFacts())
    regime = newest.scope.regime
    return {
        "@context": CONTEXT,
        "@id": f"urn:consentry:record:{first.event_id}",
        "@type": "dpv:ConsentRecord",
        "dct:conformsTo": SCHEMA + "record",
        "dct:identifier": first.event_id,
        "dct:modified": _time(newest.received_at_us),
        "dpv:hasDataSubject": {
            "@type": "dpv:DataSubject",
            "dct:identifier": newest.data_subject_id or NOT_STATED,
        },
        "dpv:hasDataController": _controller(newest, facts),
        "dpv:hasJurisdiction": _either(facts.jurisdictions or (facts.country,)),
        **({"dpv:hasApplicableLaw": regime} if regime else {}),
        "dpv:hasLegalBasis": purpose.basis or "dpv:Consent",
        "dpv:hasNotice": {
            "@type": "dpv:ConsentNotice",
            "dct:identifier": newest.notice or NOT_STATED,
            "schema:url": facts.notice_page or NOT_STATED,
            "dct:language": facts.language or NOT_STATED,
        },
        "dpv:hasProcess": _process(newest, purpose, facts),
        "dpv:hasConsentControl": {
            "@type": "dpv:WithdrawConsent",
            "dct:description": facts.withdrawal or NOT_STATED,
        },
        "dpv:hasStatus": [_status(event, purpose) for event in events],
    }


def receipt_of(
    events: Sequence[ConsentEvent], facts: RecordFacts, *, ledger_id: str, issued_at_us: int
) -> Json:
    """A receipt: an authoritative copy of the record as it stood after the last of `events`.

    It names the ledger and the event's position there, so that a lost event can be missed.
    """
    newest = events[-1]
    return {
        "@context": CONTEXT,
        "@id": f"urn:consentry:receipt:{newest.event_id}",
        "@type": "dpv:ConsentReceipt",
        "dct:conformsTo": SCHEMA + "receipt",
        "dct:identifier": newest.event_id,
        "dct:created": _time(issued_at_us),
        "dct:publisher": facts.controller or NOT_STATED,
        "schema:recipient": "dpv:DataSubject",
        "consentry:ledger": ledger_id,
        "consentry:position": newest.position,
        "consentry:policies": facts.policy_digest,
        "dpv:hasRecordOfActivity": consent_record(events, facts),
    }


def unstated_fields(record: Json) -> tuple[str, ...]:
    """Paths of what nobody said, for whoever has to complete it."""
    return tuple(_unstated(record, ""))


def _unstated(value: object, path: str) -> Iterable[str]:
    if value in (NOT_STATED, [NOT_STATED]):
        yield path
    elif isinstance(value, dict):
        for name, member in value.items():
            yield from _unstated(member, f"{path}/{name}")
    elif isinstance(value, list):
        for member in value:
            yield from _unstated(member, path)


def _controller(event: ConsentEvent, facts: RecordFacts) -> Json:
    named = event.scope.controller
    is_other = bool(named) and named != facts.controller
    return {
        "@type": "dpv:DataController",
        "dct:identifier": named or facts.controller or NOT_STATED,
        "dpv:hasName": named or facts.controller or NOT_STATED,
        "dpv:hasAddress": NOT_STATED if is_other else facts.address or facts.country or NOT_STATED,
        "dpv:hasContact": NOT_STATED if is_other else facts.contact or NOT_STATED,
    }


def _process(event: ConsentEvent, purpose: PurposeFacts, facts: RecordFacts) -> Json:
    scope = event.scope
    recipients = [r.id or r.role or r.country for r in scope.recipients]
    return {
        "@type": "dpv:Process",
        "dpv:hasPurpose": {
            "@type": "dpv:Purpose",
            "dct:identifier": scope.purpose or f"tag {scope.tag}",
            "dct:description": purpose.text or NOT_STATED,
            **({"consentry:listed": list(event.listed)} if event.listed else {}),
            **({"consentry:dataUse": list(purpose.uses)} if purpose.uses else {}),
        },
        "dpv:hasPersonalData": [
            {
                "@type": "dpv:PersonalData",
                "dct:identifier": name,
                "dct:description": facts.data_texts.get(name) or NOT_STATED,
            }
            for name in scope.data
        ]
        or [NOT_STATED],
        "dpv:hasRecipient": _either(recipients),
        "dpv:hasStorageCondition": [
            {"@type": "dpv:StorageLocation", "dpv:hasLocation": _either(facts.storage_locations)},
            {"@type": "dpv:StorageDuration", "dpv:hasDuration": purpose.keep or NOT_STATED},
        ],
        **({"consentry:channels": list(scope.channels)} if scope.channels else {}),
    }


def _status(event: ConsentEvent, purpose: PurposeFacts) -> Json:
    """One event of the lifecycle: time, validity, entity, type, state."""
    proof = event.proof
    told: Json = {
        "@type": _STATES[event.kind],
        "dct:identifier": event.event_id,
        "dpv:isIndicatedAtTime": _time(event.happened_at_us),
        "consentry:receivedAt": _time(event.received_at_us),
        "consentry:position": event.position,
        "dpv:isIndicatedBy": _AUTHORS[event.by],
        "dpv:hasIndicationMethod": proof.method or NOT_STATED,
        "consentry:expressedAs": _type(event),
        "dpv:hasDuration": _validity(event, purpose),
    }
    if event.qualities:
        told["consentry:qualities"] = sorted(event.qualities)
    for name, text in (
        ("source", proof.source),
        ("channel", proof.channel),
        ("recordedBy", proof.recorded_by),
        ("reference", proof.reference),
    ):
        if text:
            told[f"consentry:{name}"] = text
    return told


def _type(event: ConsentEvent) -> str:
    if "explicit" in event.qualities:
        return "dpv:ExplicitlyExpressedConsent"
    if "implied" in event.qualities:
        return "dpv:ImpliedConsent"
    return "dpv:ExpressedConsent"


def _validity(event: ConsentEvent, purpose: PurposeFacts) -> str:
    if event.kind is not EventKind.GIVEN:
        return NOT_STATED if event.kind is EventKind.REQUESTED else "P0D"
    if event.expires_at_us is not None:
        days = (event.expires_at_us - event.happened_at_us) // MICROS_PER_DAY
        return f"P{days}D"
    return purpose.lasts or NOT_STATED


def _either(values: Sequence[str]) -> list[str]:
    return [value for value in values if value] or [NOT_STATED]


def _time(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / 1e6, UTC).isoformat(timespec="milliseconds").replace(
        "+00:00", "Z"
    )  # fmt: skip
