"""A request as somebody picks it from lists, or pastes it as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from google.protobuf import json_format

from consentry.model.program import AttributeSpec, Owner, Program
from consentry.v1 import authorization_pb2 as wire
from consentry.v1 import decision_pb2

MAX_JSON_BYTES: Final = 48 * 1024
_PREFIX: Final = "attribute:"
_OWNERS: Final = {
    Owner.PRINCIPAL: lambda check: check.principal.attributes,
    Owner.SUBJECT: lambda check: check.subject.attributes,
    Owner.RECIPIENT: lambda check: check.recipient.attributes,
    Owner.RESOURCE: lambda check: check.resource.attributes,
    Owner.CONTEXT: lambda check: check.context,
    Owner.SIGNAL: lambda check: check.signals,
}


class NoQuestionError(Exception):
    """What was picked or pasted is no request; the text says what is wrong with it."""


def askable(program: Program) -> tuple[AttributeSpec, ...]:
    """Attributes that a request may carry and a form can ask for."""
    return tuple(spec for spec in program.attributes if spec.owner in _OWNERS)


def read_json(text: str) -> wire.CheckRequest:
    """A request in protobuf's JSON form, as every gRPC tool takes it.

    Raises:
        NoQuestionError: it is none.
    """
    if len(text.encode("utf-8", "replace")) > MAX_JSON_BYTES:
        raise NoQuestionError(f"the request is larger than {MAX_JSON_BYTES} bytes")
    try:
        return json_format.Parse(text, wire.CheckRequest(), max_recursion_depth=16)
    except json_format.ParseError:
        raise NoQuestionError(
            "this is no request: it is a CheckRequest in JSON, such as the page shows below"
        ) from None
    except (ValueError, RecursionError):
        raise NoQuestionError("this is no JSON that can be read") from None


def write_json(check: wire.CheckRequest) -> str:
    """The request to be changed and asked again."""
    return json_format.MessageToJson(check, preserving_proto_field_name=True, ensure_ascii=False)


def pick(program: Program, fields: Sequence[tuple[str, str]]) -> wire.CheckRequest:
    """The request that somebody picked.

    Raises:
        NoQuestionError: a value does not have its attribute's type.
    """
    said = dict(fields)
    check = wire.CheckRequest(
        principal=decision_pb2.Principal(
            type=said.get("principal_type", ""),
            id=said.get("principal_id", "").strip(),
            roles=_words(said.get("roles", "")),
        ),
        action=said.get("action", ""),
        data=[value for name, value in fields if name == "data" and value],
        purpose=said.get("purpose", ""),
        channel=said.get("channel", ""),
    )
    if said.get("subject_id"):
        check.subject.id = said["subject_id"].strip()
    if said.get("recipient_id"):
        check.recipient.id = said["recipient_id"].strip()
    for spec in askable(program):
        text = said.get(f"{_PREFIX}{spec.path}", "").strip()
        if text:
            value = _value(spec, text)
            _OWNERS[spec.owner](check).add(name=spec.name, value=value)
    return check


def _words(text: str) -> Iterable[str]:
    return [word for part in text.split(",") if (word := part.strip())]


def _value(spec: AttributeSpec, text: str) -> decision_pb2.Value:
    if spec.type.startswith("list of "):
        inner = AttributeSpec(owner=spec.owner, name=spec.name, type=spec.type[len("list of ") :])
        values = [_value(inner, word) for word in _words(text)]
        return decision_pb2.Value(list=decision_pb2.ValueList(values=values))
    try:
        match spec.type:
            case "flag":
                return decision_pb2.Value(flag={"true": True, "false": False}[text.lower()])
            case "number":
                return (
                    decision_pb2.Value(number=int(text))
                    if text.lstrip("-").isdigit()
                    else decision_pb2.Value(decimal=text)
                )
            case "date":
                return decision_pb2.Value(date=text)
            case "time":
                value = decision_pb2.Value()
                value.time.FromJsonString(text)
                return value
            case _:
                return decision_pb2.Value(text=text)
    except (KeyError, ValueError):
        raise NoQuestionError(f"{spec.path} is a {spec.type}") from None
