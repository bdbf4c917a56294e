"""The question: may this principal do this action with this data of this person, for this purpose?

Plain values, decoded and size-checked by the door they came through, not yet checked against a
policy set. Attribute values have the Python types of `values.py` as sent; `engine.bind` turns them
into the declared types.

PERF: what is made anew for each question is a dataclass that is not frozen, as in `model.consent`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from consentry.model.values import Value

NO_ATTRIBUTES: Final[Mapping[str, Value]] = MappingProxyType({})


@dataclass(slots=True, kw_only=True, unsafe_hash=True)
class Principal:
    """Who asks. `kind` is `service`, `person`, `agent` or `job`; empty roles mean *not said*."""

    id: Final[str]
    kind: Final[str]
    roles: Final[frozenset[str]] = frozenset()
    controller: Final[str | None] = None
    attributes: Final[Mapping[str, Value]] = field(default_factory=lambda: NO_ATTRIBUTES)


@dataclass(slots=True, kw_only=True, unsafe_hash=True)
class DataSubject:
    """Whose data it is. The id is compared byte for byte, never folded."""

    id: Final[str]
    attributes: Final[Mapping[str, Value]] = field(default_factory=lambda: NO_ATTRIBUTES)


@dataclass(slots=True, kw_only=True, unsafe_hash=True)
class Recipient:
    """Who receives the data; every field may be unsaid."""

    id: Final[str | None] = None
    roles: Final[frozenset[str]] = frozenset()
    country: Final[str | None] = None
    attributes: Final[Mapping[str, Value]] = field(default_factory=lambda: NO_ATTRIBUTES)


@dataclass(slots=True, kw_only=True, unsafe_hash=True)
class Resource:
    """The record asked about: when, for which purposes and on which basis it was collected."""

    id: Final[str | None] = None
    collected_at_us: Final[int | None] = None
    collected_for: Final[tuple[str, ...]] = ()
    collected_on: Final[str | None] = None
    attributes: Final[Mapping[str, Value]] = field(default_factory=lambda: NO_ATTRIBUTES)


@dataclass(slots=True, kw_only=True, unsafe_hash=True)
class Request:
    """One question. `data_subject` None and `purpose` empty are answered with a DENY of their own.

    Source: decision semantics, "The question".
    """

    principal: Final[Principal]
    action: Final[str]
    data: Final[tuple[str, ...]]
    data_subject: Final[DataSubject | None]
    purpose: Final[str]
    channel: Final[str | None] = None
    recipient: Final[Recipient | None] = None
    resource: Final[Resource] = field(default_factory=Resource)
    context: Final[Mapping[str, Value]] = field(default_factory=lambda: NO_ATTRIBUTES)
    signals: Final[Mapping[str, Value]] = field(default_factory=lambda: NO_ATTRIBUTES)
    partial: Final[bool] = False
    wants_all_reasons: Final[bool] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldViolation:
    """One thing wrong with a request: the field's path on the wire, a stable code, a sentence.

    The sentence never repeats more than 64 escaped characters of the input.
    """

    field: str
    code: str
    message: str


class RequestError(Exception):
    """The caller's fault: no question could be answered. Becomes INVALID_ARGUMENT."""

    def __init__(self, *violations: FieldViolation) -> None:
        super().__init__("; ".join(f"{v.field}: {v.code}" for v in violations))
        self.violations = violations
