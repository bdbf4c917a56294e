"""What a scenario file may say, and everything that is wrong with one that says something else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_validator

from tests.conformance.legal.words import (
    EFFECTS,
    FLAGS,
    PACKS,
    SERVICES,
    SPECIAL_CONDITIONS,
    STATES,
    TCF_PURPOSES,
)

Flag = bool | str | None
Key = TypeVar("Key", str, int)
VERSION = 1


class FileError(Exception):
    """The file is not one of scenarios; each line tells one thing that is wrong."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Controller(_Strict):
    id: str = "acme"
    establishment: str
    charity: bool | None = None


class Subject(_Strict):
    id: str = "s-1"
    residence: str | None = None
    age: int | None = Field(default=None, ge=0, le=150)
    resolved: bool = True
    incapacitated: bool | None = None


class SoftOptIn(_Strict):
    customer: bool = False
    supporter: bool = False
    own_similar: bool = False
    optout_at_collection: bool = False


class Activity(_Strict):
    purpose: str
    basis: str | None = None
    categories: list[str] = []
    effects: list[str] = []
    departments: list[str] = []
    recipients: list[str] = []
    channels: list[str] = []
    retention_days: int | None = Field(default=None, ge=0)
    legal_hold: str | None = None
    art9: str | None = None
    soft_opt_in: SoftOptIn | None = None
    channels_optout_ok: bool | None = None
    adm_safeguards: Flag = None
    annex1: Flag = None
    best_interest: Flag = None
    counselling: Flag = None
    economic_gain: Flag = None
    financial_incentive: Flag = None
    iss: Flag = None
    minor_may_act_alone: Flag = None
    notice_given: Flag = None
    research_safeguards: Flag = None
    separate_consent: Flag = None
    strictly_necessary: Flag = None

    @field_validator("effects")
    @classmethod
    def _known_effects(cls, effects: list[str]) -> list[str]:
        return [_known("effect", effect, EFFECTS) for effect in effects]

    @field_validator("art9")
    @classmethod
    def _known_condition(cls, condition: str | None) -> str | None:
        return condition and _known("condition", condition, SPECIAL_CONDITIONS)

    def flags(self) -> list[str]:
        """The flags that are set."""
        return [name for name in FLAGS if getattr(self, name) not in (None, False)]


class Consent(_Strict):
    purpose: str
    state: str
    at: AwareDatetime
    received_at: AwareDatetime | None = None
    expires_at: AwareDatetime | None = None
    channels: list[str] = []
    categories: list[str] = []
    recipients: list[str] = []
    countries: list[str] = []
    type: Literal["expressed", "explicit", "implied"] = "expressed"
    notice: str | int | None = None
    listed: list[str] = []
    by: Literal["subject", "guardian", "joint", "agent", "controller"] = "subject"
    conditional: bool = False
    preticked: bool = False
    risks_informed: bool = False
    proof: str | None = "recorded"
    subject: str | None = None
    controller: str | None = None

    @field_validator("state")
    @classmethod
    def _known_state(cls, state: str) -> str:
        return _known("state", state, STATES)


class Objection(_Strict):
    purpose: str
    at: AwareDatetime
    direct_marketing: bool = False
    compelling_grounds: str | None = None


class OptOut(_Strict):
    kind: Literal["sale_share", "limit_sensitive"]
    at: AwareDatetime


class OptIn(_Strict):
    kind: Literal["sale_share"]
    at: AwareDatetime
    by: Literal["subject", "guardian", "agent"] = "subject"
    after_conflict_notice: bool = False


class Restriction(_Strict):
    purpose: int
    type: int
    vendors: list[int]

    @field_validator("purpose")
    @classmethod
    def _known_purpose(cls, purpose: int) -> int:
        return _known("TCF purpose", purpose, TCF_PURPOSES)


class Tcf(_Strict):
    version: int
    is_service_specific: bool
    created: AwareDatetime
    purpose_consents: list[int]
    purpose_li: list[int]
    vendor_consents: list[int]
    vendor_li: list[int]
    disclosed_vendors: list[int]
    pub_restrictions: list[Restriction]

    @field_validator("purpose_consents", "purpose_li")
    @classmethod
    def _known_purposes(cls, purposes: list[int]) -> list[int]:
        return [_known("TCF purpose", purpose, TCF_PURPOSES) for purpose in purposes]


class Gpp(_Strict):
    section: str
    SaleOptOutNotice: int
    SaleOptOut: int
    SharingOptOutNotice: int
    SharingOptOut: int
    Gpc: bool
    created: AwareDatetime


class Signals(_Strict):
    sec_gpc: str | None = None
    tcf: Tcf | None = None
    gpp: Gpp | None = None


class Rights(_Strict):
    erased_at: AwareDatetime | None = None
    restricted_at: AwareDatetime | None = None


class Collection(_Strict):
    at: AwareDatetime | None = None
    purposes: list[str] = []
    basis: str | None = None
    compatible_with: list[str] = []


class Notice(_Strict):
    current: int | str
    material_since: int | str


class Incentive(_Strict):
    programme: str
    asked_to_withdraw: bool
    affirmed_withdrawal: bool


class Stores(_Strict):
    consent: Literal["up", "down"] = "up"


class Service(_Strict):
    kind: str | None = None

    @field_validator("kind")
    @classmethod
    def _known_kind(cls, kind: str | None) -> str | None:
        return kind and _known("kind of service", kind, SERVICES)


class Facts(_Strict):
    at: AwareDatetime
    controller: Controller
    subject: Subject
    packs: list[str]
    activity: Activity | None = None
    consents: list[Consent] = []
    objections: list[Objection] = []
    optouts: list[OptOut] = []
    optins: list[OptIn] = []
    signals: Signals = Signals()
    rights: Rights = Rights()
    collection: Collection = Collection()
    notice: Notice | None = None
    stores: Stores = Stores()
    service: Service = Service()
    incentive: Incentive | None = None
    tags: dict[str, list[str]] = {}

    @field_validator("packs")
    @classmethod
    def _known_packs(cls, packs: list[str]) -> list[str]:
        return [_known("pack", pack, PACKS) for pack in packs]


class Actor(_Strict):
    id: str = "svc"
    controller: str | None = None
    role: str = "controller"
    department: str | None = None
    instructed_for: list[str] | None = None


class Recipient(_Strict):
    id: str | None = None
    role: str | None = None
    country: str | None = None
    contract: bool | None = None
    safeguard: str | None = None
    assessed: bool | None = None
    dpf_certified: bool | None = None


class Asked(_Strict):
    actor: Actor
    purpose: str | None
    action: str
    data: list[str]
    channel: str | None = None
    recipient: Recipient | None = None
    partial: bool = False
    known_consumer: bool = False


class Expected(_Strict):
    decision: Literal["permit", "deny"]
    obligations: list[str]
    valid_until: AwareDatetime | None = None


class Scenario(_Strict):
    """One situation, with what is the same for all of a file filled in."""

    id: str
    regime: str
    title: str
    facts: Facts
    request: Asked
    expected: Expected
    reason_code: str
    source: str
    note: str = ""
    tags: list[Literal["boundary", "as_of", "cache"]] = []


def read_scenarios(path: Path) -> list[Scenario]:
    """The scenarios of a file.

    Raises:
        FileError: it cannot be read, is no YAML, or says something that a scenario cannot say.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise FileError(f"{path}: cannot be read as UTF-8 text: {problem}") from None
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as problem:
        raise FileError(f"{path}: is not YAML: {problem}") from None
    return scenarios_of(content, str(path))


def scenarios_of(content: Any, name: str) -> list[Scenario]:
    """The scenarios of a file's content; `name` is the file's, for messages."""
    if not isinstance(content, Mapping) or not isinstance(content.get("scenarios"), list):
        raise FileError(f"{name}: has no list `scenarios`")
    if content.get("version") != VERSION:
        raise FileError(f"{name}: `version` is not {VERSION}, the one that this program reads")
    defaults = content.get("defaults") or {}
    found: list[Scenario] = []
    problems: list[str] = []
    for place, row in enumerate(content["scenarios"], start=1):
        if not isinstance(row, Mapping):
            problems.append(f"{name}: scenario {place} is not a map")
            continue
        whole = dict(row)
        for part in ("facts", "request"):
            whole[part] = _merged(defaults.get(part) or {}, row.get(part) or {})
        try:
            found.append(Scenario.model_validate(whole))
        except ValidationError as problem:
            told = row.get("id", f"number {place}")
            problems += [f"{name}: scenario {told}: {_told(error)}" for error in problem.errors()]
    seen: set[str] = set()
    for scenario in found:
        if scenario.id in seen:
            problems.append(f"{name}: scenario {scenario.id} stands there twice")
        seen.add(scenario.id)
    if problems:
        raise FileError("\n".join(problems))
    return found


def _merged(below: Any, above: Any) -> Any:
    """Maps merge; lists and plain values replace."""
    if not (isinstance(below, Mapping) and isinstance(above, Mapping)):
        return above
    merged = dict(below)
    for key, value in above.items():
        merged[key] = _merged(below[key], value) if key in below else value
    return merged


def _known(what: str, word: Key, known: Mapping[Key, object]) -> Key:
    if word not in known:
        raise ValueError(f"`{word}` is no {what}; there are {', '.join(map(str, known))}")
    return word


def _told(error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"])
    message = error["msg"].removeprefix("Value error, ")
    return f"`{where}`: {message}"
