"""The part of the chart's schema that says what can be set, told from the settings themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from consentry.app.settings import Settings

CHART_SCHEMA = Path(__file__).resolve().parents[1] / "deploy/helm/consentry/values.schema.json"
# Values lie in a cluster for many to read: what is secret comes from a Secret.
_SECRETS = frozenset({"conninfo"})
# What a program reads fails where it is wrong; a checker need not know its form.
_LEFT_OUT = frozenset({"title", "default", "format", "writeOnly"})


def chart_schema() -> str:
    """The schema with `config` and `$defs` as the settings are; the rest is kept by hand."""
    schema = json.loads(CHART_SCHEMA.read_text())
    told = _bare(Settings.model_json_schema())
    for section in told["$defs"].values():
        for secret in _SECRETS & section.get("properties", {}).keys():
            del section["properties"][secret]
    schema["properties"]["config"] = {
        "description": "Settings of the program, as in docs/operators/configuration.md.",
        "type": "object",
        "additionalProperties": False,
        "properties": told["properties"],
    }
    schema["$defs"] = told["$defs"]
    return json.dumps(schema, indent=2) + "\n"


def _bare(told: Any) -> Any:
    if isinstance(told, list):
        return [_bare(part) for part in told]
    if not isinstance(told, dict):
        return told
    kept = {key: part for key, part in told.items() if key not in _LEFT_OUT}
    if isinstance(told.get("properties"), dict):  # names of settings, not words of the schema
        kept["properties"] = {key: _bare(part) for key, part in told["properties"].items()}
    return {key: part if key == "properties" else _bare(part) for key, part in kept.items()}
