"""What a policy set says that consent records tell of: controller, purposes, fields."""

from __future__ import annotations

from dataclasses import dataclass

from consentry.consent.records import PurposeFacts, RecordFacts
from consentry.model.program import Program
from consentry.model.values import MICROS_PER_DAY, MICROS_PER_SECOND, Duration


@dataclass(frozen=True, slots=True, kw_only=True)
class HouseFacts:
    """What no policy says, and records have to tell; the operator's words."""

    address: str = ""
    language: str = ""
    jurisdictions: tuple[str, ...] = ()
    storage_locations: tuple[str, ...] = ()
    withdrawal: str = ""


def record_facts(program: Program, house: HouseFacts) -> RecordFacts:
    """Everything a consent record needs beyond the events."""
    mission = program.mission
    return RecordFacts(
        controller=mission.controller if mission else "",
        country=mission.country if mission else "",
        contact=mission.contact if mission else "",
        notice_page=mission.page if mission else "",
        address=house.address,
        language=house.language,
        jurisdictions=house.jurisdictions,
        storage_locations=house.storage_locations,
        withdrawal=house.withdrawal,
        purposes={
            node.path: PurposeFacts(
                text=node.text,
                uses=node.uses,
                basis=node.basis or "",
                keep=iso_duration(node.keep),
                lasts=iso_duration(node.consent_lasts),
            )
            for node in program.purposes
        },
        data_texts={node.path: node.text for node in program.data},
        policy_digest=program.digest,
    )


def iso_duration(length: Duration | None) -> str:
    """A duration in the form of ISO 8601; empty where there is none."""
    if length is None:
        return ""
    if length.months:
        return f"P{length.months}M"
    days, rest = divmod(length.micros, MICROS_PER_DAY)
    return f"P{days}D" if not rest else f"PT{length.micros // MICROS_PER_SECOND}S"
