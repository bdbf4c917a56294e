"""Reads the settings: defaults, a TOML file, environment variables, flags; the later wins.

Nothing unknown is silent: a key that no setting has is refused, with the nearest one that is there.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_settings import EnvSettingsSource
from pydantic_settings import SettingsError as SourceError

from consentry.app.settings import ENV_PREFIX, Settings
from consentry.diagnostics.suggest import closest

CONFIG_VARIABLE: Final = "CONSENTRY_CONFIG"
DEFAULT: Final = "default"
# What services in the same pod or shell use to find the sidecar; not ours to read or refuse.
_OF_CALLERS: Final = ("CONSENTRY_TARGET", "CONSENTRY_HTTP")
# Kubernetes gives every pod variables for every Service; one that is named `consentry` must not
# keep the sidecar from starting.
_SERVICE_LINK: Final = re.compile(r"CONSENTRY_(SERVICE_HOST|SERVICE_PORT.*|PORT|PORT_\d+_.*)")
_MAX_FILE_BYTES: Final = 1024 * 1024


class SettingsError(Exception):
    """The configuration is wrong; one sentence for each thing."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """What one source says, nested like the sections."""

    origin: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The settings, and where each comes from; `layers` go from the first to the last to win."""

    settings: Settings
    layers: tuple[Layer, ...]

    def origin_of(self, path: Sequence[str]) -> str:
        """Which source had the last word on a setting; `DEFAULT` where none said a word."""
        for layer in reversed(self.layers):
            if _has(layer.values, path):
                return layer.origin
        return DEFAULT


def load_settings(flags: Mapping[str, Any], config: Path | None = None) -> Settings:
    """The settings of this process; `flags` are nested like the sections.

    Raises:
        SettingsError: a file cannot be read, a key is unknown or a value is wrong.
    """
    return load_layers(flags, config).settings


def load_layers(flags: Mapping[str, Any], config: Path | None = None) -> Loaded:
    """As `load_settings`, with where each setting comes from.

    Raises:
        SettingsError: a file cannot be read, a key is unknown or a value is wrong.
    """
    _refuse_unknown(os.environ)
    if config is None and os.environ.get(CONFIG_VARIABLE):
        config = Path(os.environ[CONFIG_VARIABLE])
    try:
        layers = (
            *([] if config is None else [Layer(origin=str(config), values=_read(config))]),
            Layer(origin="environment", values=EnvSettingsSource(Settings)()),
            Layer(origin="flag", values=flags),
        )
        merged: dict[str, Any] = {}
        for layer in layers:
            merged = _merge(merged, layer.values)
        return Loaded(settings=Settings(**merged), layers=layers)
    except SourceError as problem:  # such as a list in the environment that is not JSON
        raise SettingsError((str(problem),)) from problem
    except ValidationError as problem:
        raise SettingsError(_told(problem)) from problem


def variables() -> Iterator[str]:
    """Every environment variable that says something."""
    yield CONFIG_VARIABLE
    for section, field in Settings.model_fields.items():
        name = f"{ENV_PREFIX}{section.upper()}"
        yield name
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from (f"{name}__{key.upper()}" for key in annotation.model_fields)


def _read(config: Path) -> dict[str, Any]:
    if not config.is_file():
        raise SettingsError((f"{config}: no such file",))
    try:
        if config.stat().st_size > _MAX_FILE_BYTES:
            raise SettingsError((f"{config}: larger than {_MAX_FILE_BYTES:,} bytes",))
        return tomllib.loads(config.read_bytes().decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError, OSError) as problem:
        raise SettingsError((f"{config}: {problem}",)) from problem


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        before = merged.get(key)
        is_both = isinstance(before, Mapping) and isinstance(value, Mapping)
        merged[key] = _merge(before, value) if is_both else value  # type: ignore[arg-type]
    return merged


def _has(values: Mapping[str, Any], path: Sequence[str]) -> bool:
    found: Any = values
    for part in path:
        if not isinstance(found, Mapping):
            return True  # said in short, as one word for a whole table
        if part not in found:
            return False
        found = found[part]
    return True


def _told(problem: ValidationError) -> tuple[str, ...]:
    schema = Settings.model_json_schema()
    told = []
    for error in problem.errors(include_input=False, include_url=False):
        path = ".".join(str(part) for part in error["loc"])
        message = error["msg"].removeprefix("Value error, ")
        if error["type"] == "extra_forbidden":
            *above, key = error["loc"]
            near = closest(str(key), _keys_at(schema, above))
            message = "no such setting" + (f"; did you mean {near}?" if near else "")
        told.append(f"{path}: {message}" if path else message)
    return tuple(told)


def _keys_at(schema: Mapping[str, Any], path: Sequence[Any]) -> list[str]:
    """The keys that may stand at `path`, as the JSON schema has them."""
    node: Mapping[str, Any] = schema
    for part in path:
        node = _table(schema, node)
        if isinstance(part, int):
            node = node.get("items", {})
        else:
            named = node.get("properties", {}).get(part)
            others = node.get("patternProperties", {}).values()  # names that somebody chose
            node = named or next(iter(others), {})
    return list(_table(schema, node).get("properties", {}))


def _table(schema: Mapping[str, Any], node: Mapping[str, Any]) -> Mapping[str, Any]:
    """`node` itself, what it refers to, or of several kinds the one that has keys."""
    if "$ref" in node:
        found: Mapping[str, Any] = schema["$defs"][node["$ref"].rpartition("/")[2]]
        return found
    for kind in node.get("anyOf", ()):
        table = _table(schema, kind)
        if "properties" in table:
            return table
    return node


def _refuse_unknown(present: Mapping[str, str]) -> None:
    # Pydantic ignores variables it does not know; a misspelled one must not be silent.
    known = {*variables(), *_OF_CALLERS}
    problems = []
    for name in sorted(present):
        if not name.startswith(ENV_PREFIX) or name in known or _SERVICE_LINK.fullmatch(name):
            continue
        near = closest(name.lower(), [each.lower() for each in known])
        problems.append(
            f"{name}: no such setting" + (f"; did you mean {near.upper()}?" if near else "")
        )
    if problems:
        raise SettingsError(tuple(problems))
