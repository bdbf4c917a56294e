"""Holds a request against a program: what it names, what it lacks, what its attributes are.

Three outcomes. A wrong shape raises: no question was asked. A question about something that the
program does not know is answered with a DENY of its own. All else becomes `Facts`.

Source: decision semantics, order 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from consentry.engine.attributes import AttributeTable, shown
from consentry.engine.link import LinkedProgram
from consentry.model.facts import Facts
from consentry.model.program import Program
from consentry.model.request import NO_ATTRIBUTES, FieldViolation, Request, RequestError
from consentry.model.trees import DataNode
from consentry.model.values import MAX_TIME_US, MIN_TIME_US
from consentry.model.vocabulary import (
    ACTION_UNKNOWN,
    CATEGORY_UNKNOWN,
    CHANNEL_UNKNOWN,
    PRINCIPAL_KINDS,
    PURPOSE_MISSING,
    PURPOSE_UNKNOWN,
    SUBJECT_UNRESOLVED,
)

_KINDS_TEXT: Final = ", ".join(sorted(PRINCIPAL_KINDS))


def check_shape(linked: LinkedProgram, request: Request) -> Facts:
    """The facts of the request, without purpose, leaf and consent.

    Raises:
        RequestError: something required is absent or has a wrong type; all of it is named.
    """
    violations: list[FieldViolation] = []
    principal = request.principal
    if not principal.id:
        violations.append(_required("principal.id"))
    if principal.kind not in PRINCIPAL_KINDS:
        violations.append(_kind_violation(principal.kind))
    if not request.action:
        violations.append(_required("action"))
    if not request.data:
        violations.append(_required("data"))
    collected_at_us = request.resource.collected_at_us
    if collected_at_us is not None and not MIN_TIME_US <= collected_at_us <= MAX_TIME_US:
        message = "the time is outside the years 1970 to 9999"
        violations.append(
            FieldViolation(field="resource.collected_at", code="out_of_range", message=message)
        )
    facts = Facts()
    facts.principal_id = principal.id
    facts.principal_kind = principal.kind
    roles = principal.roles
    if roles:
        facts.principal_roles = tuple(sorted(roles)) if len(roles) > 1 else tuple(roles)
    facts.principal_controller = principal.controller or None
    facts.action = request.action
    facts.channel = request.channel or None
    resource = request.resource
    facts.resource_id = resource.id or None
    facts.collected_at_us = collected_at_us
    facts.collected_for = resource.collected_for or None
    facts.collected_on = resource.collected_on or None
    if request.data_subject is not None:
        facts.subject_id = request.data_subject.id
    recipient = request.recipient
    if recipient is not None:
        facts.recipient_id = recipient.id or None
        facts.recipient_roles = tuple(sorted(recipient.roles)) or None
        facts.recipient_country = recipient.country or None
    facts.controller = linked.controller
    if linked.attributes.is_needed:
        _bind_attributes(linked, request, facts, violations)
    if violations:
        raise RequestError(*violations)
    return facts


def find_unknowns(program: Program, request: Request) -> list[str]:
    """Reasons to deny before any rule is asked, in their own order; usually none."""
    reasons = []
    if not request.purpose:
        reasons.append(PURPOSE_MISSING)
    elif request.purpose not in program.purpose_names:
        reasons.append(PURPOSE_UNKNOWN)
    data_names = program.data_names
    for name in request.data:
        if name not in data_names:
            reasons.append(CATEGORY_UNKNOWN)
            break
    if request.data_subject is None or not request.data_subject.id:
        reasons.append(SUBJECT_UNRESOLVED)
    if request.action not in program.actions:
        reasons.append(ACTION_UNKNOWN)
    if request.channel and request.channel not in program.channels:
        reasons.append(CHANNEL_UNKNOWN)
    return reasons


def leaves_of(program: Program, names: Sequence[str]) -> list[DataNode]:
    """The leaves that the named nodes stand for, in the order of the tree, each once."""
    data = program.data
    if len(names) == 1:
        node = data[program.data_names[names[0]]]
        if not node.children:
            return [node]
    indices = {leaf for name in names for leaf in data[program.data_names[name]].leaves}
    return [data[index] for index in sorted(indices)]


def _bind_attributes(
    linked: LinkedProgram, request: Request, facts: Facts, violations: list[FieldViolation]
) -> None:
    table = linked.attributes
    if table.principal is not None:
        facts.principal = table.principal.bind(request.principal.attributes, violations)
    if table.subject is not None:
        subject = request.data_subject
        facts.subject = (
            table.subject.bind(NO_ATTRIBUTES, violations, may_lack=True)
            if subject is None
            else table.subject.bind(subject.attributes, violations)
        )
    if table.recipient is not None:
        recipient = request.recipient
        facts.recipient = (
            table.recipient.bind(NO_ATTRIBUTES, violations, may_lack=True)
            if recipient is None
            else table.recipient.bind(recipient.attributes, violations)
        )
    _bind_moment(table, request, facts, violations)


def _bind_moment(
    table: AttributeTable, request: Request, facts: Facts, violations: list[FieldViolation]
) -> None:
    """Attributes of the record, the context and signals."""
    if table.resource is not None:
        facts.resource = table.resource.bind(request.resource.attributes, violations)
    if table.context is not None:
        facts.context = table.context.bind_known(request.context, violations)
    if table.signal is not None:
        facts.signal = table.signal.bind_known(request.signals, violations)


def bind_rest(linked: LinkedProgram, request: Request, facts: Facts) -> bool:
    """Sets the facts of the person, the record, the context and signals; false if one is wrong."""
    person = request.data_subject
    if person is None or not person.id:
        return False
    facts.subject_id = person.id
    resource = request.resource
    if resource.id:
        facts.resource_id = resource.id
    if resource.collected_at_us is not None:
        if not MIN_TIME_US <= resource.collected_at_us <= MAX_TIME_US:
            return False
        facts.collected_at_us = resource.collected_at_us
    facts.collected_for = resource.collected_for or None
    facts.collected_on = resource.collected_on or None
    table = linked.attributes
    if not table.is_needed:
        return True
    violations: list[FieldViolation] = []
    if table.subject is not None:
        facts.subject = table.subject.bind_known(person.attributes, violations)
    _bind_moment(table, request, facts, violations)
    return not violations


def _required(field: str) -> FieldViolation:
    return FieldViolation(field=field, code="required", message=f"`{field}` must not be empty")


def _kind_violation(kind: str) -> FieldViolation:
    if not kind:
        return _required("principal.type")
    message = f"{shown(kind)} is none of {_KINDS_TEXT}"
    return FieldViolation(field="principal.type", code="unknown_value", message=message)
