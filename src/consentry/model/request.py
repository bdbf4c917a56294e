"""The question: may this principal do this action with this data of this person, for this purpose?

Plain values, decoded and size-checked by the door they came through, not yet checked against a
policy set. Attribute values have the Python types of `values.py` as sent; `engine.bind` turns them
into the declared types.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from consentry.model.values import Value

NO_ATTRIBUTES: Final[Mapping[str, Value]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who asks. `kind` is `service`, `person`, `agent` or `job`; empty roles mean *not said*."""

    id: str
    kind: str
    roles: frozenset[str] = frozenset()
    controller: str | None = None
    attributes: Mapping[str, Value] = field(default_factory=lambda: NO_ATTRIBUTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSubject:
    """Whose data it is. The id is compared byte for byte, never folded."""

    id: str
    attributes: Mapping[str, Value] = field(default_factory=lambda: NO_ATTRIBUTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """Who receives the data; every field may be unsaid."""

    id: str | None = None
    roles: frozenset[str] = frozenset()
    country: str | None = None
    attributes: Mapping[str, Value] = field(default_factory=lambda: NO_ATTRIBUTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """The record asked about: when, for which purposes and on which basis it was collected."""

    id: str | None = None
    collected_at_us: int | None = None
    collected_for: tuple[str, ...] = ()
    collected_on: str | None = None
    attributes: Mapping[str, Value] = field(default_factory=lambda: NO_ATTRIBUTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One question. `data_subject` None and `purpose` empty are answered with a DENY of their own.

    Source: decision semantics, "The question".
    """

    principal: Principal
    action: str
    data: tuple[str, ...]
    data_subject: DataSubject | None
    purpose: str
    channel: str | None = None
    recipient: Recipient | None = None
    resource: Resource = field(default_factory=Resource)
    context: Mapping[str, Value] = field(default_factory=lambda: NO_ATTRIBUTES)
    signals: Mapping[str, Value] = field(default_factory=lambda: NO_ATTRIBUTES)
    partial: bool = False
    wants_all_reasons: bool = False


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
