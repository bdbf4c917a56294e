"""The settings told as a JSON Schema, and as what a reference page or a person reads of them."""

from __future__ import annotations

import json
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel

from consentry.app.settings import ENV_PREFIX, Settings

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table of the file: its heading as in TOML, and whether variables reach its keys."""

    heading: str
    section: type[BaseModel]
    variables: str = ""


def json_schema() -> str:
    """The JSON Schema of the file, as text: an editor completes keys by it, and checks them."""
    schema = Settings.model_json_schema()
    told = {
        "$schema": _DIALECT,
        "title": "The configuration of a Consentry sidecar",
        "description": "Checks the TOML file that --config names.",
    }
    return json.dumps(_plain(told | {k: v for k, v in schema.items() if k not in told}), indent=2)


def tables() -> Iterator[Table]:
    """Every table of the file, in order."""
    for name, field in Settings.model_fields.items():
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield Table(heading=f"[{name}]", section=annotation, variables=name.upper())
            yield from _inner(annotation, name)
        elif (inner := _model_in(annotation)) is not None:
            is_named = typing.get_origin(annotation) is dict
            heading = f"[{name}.NAME]" if is_named else f"[[{name}]]"
            yield Table(heading=heading, section=inner)
            yield from _inner(inner, f"{name}.NAME" if is_named else name)


def variable(section: str, key: str) -> str:
    """The environment variable of a setting."""
    return f"{ENV_PREFIX}{section}__{key.upper()}"


def allowed(section: type[BaseModel], key: str) -> str:
    """What values a setting takes, in few words; empty where its type says it all."""
    schema = section.model_json_schema()
    node = schema["properties"][key]
    kinds = [kind for kind in node.get("anyOf", [node]) if kind.get("type") != "null"]
    return "; ".join(told for kind in kinds if (told := _allowed(schema, kind)))


def _allowed(schema: dict[str, Any], node: dict[str, Any]) -> str:
    if "$ref" in node:
        return "table"
    if "anyOf" in node:
        kinds = [_allowed(schema, kind) or kind.get("type", "") for kind in node["anyOf"]]
        return " or ".join(kinds)
    if "enum" in node:
        return ", ".join(node["enum"])
    if node.get("type") == "array":
        return f"list of {_allowed(schema, node['items']) or node['items'].get('type', 'values')}"
    lower, upper = node.get("minimum"), node.get("maximum")
    above = node.get("exclusiveMinimum")
    if lower is not None and upper is not None:
        return f"{lower:g} to {upper:_g}" if upper < 10_000 else f"{lower:g} to {upper:_}"
    if above is not None:
        return f"above {above:g}" + (f", to {upper:_}" if upper is not None else "")
    if lower is not None:
        return f"{lower:g} or more"
    return {"boolean": "true, false"}.get(str(node.get("type")), "")


def _inner(section: type[BaseModel], path: str) -> Iterator[Table]:
    """Tables that stand inside of a table."""
    for key, field in section.model_fields.items():
        if (inner := _model_in(field.annotation)) is not None:
            yield Table(heading=f"{path}.{key}, as a table", section=inner)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in typing.get_args(annotation):
        if (found := _model_in(argument)) is not None:
            return found
    return None


def _plain(node: Any) -> Any:
    """`node` without the titles that are made from names and say nothing."""
    if isinstance(node, dict):
        return {
            key: _plain(value)
            for key, value in node.items()
            if not (key == "title" and "type" in node and "$schema" not in node)
        }
    return [_plain(entry) for entry in node] if isinstance(node, list) else node
