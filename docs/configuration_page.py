"""The reference of the configuration, told from the settings themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import Enum
from typing import Any

from pydantic import BaseModel, SecretStr
from pydantic_core import PydanticUndefined

from consentry.app.settings_schema import Table, allowed, tables, variable

INTRODUCTION = """\
Defaults, then a TOML file (`--config FILE`, or `CONSENTRY_CONFIG`), then environment variables,
then flags: the later wins. An unknown key is refused, in the file and in the environment, with the
nearest one that there is. Units stand in the names: `_s` seconds, `_bytes` bytes. Lists and tables
in the environment are JSON; `CONSENTRY_TOKENS` and `CONSENTRY_IDENTITIES` are given as a whole.

```sh not-run
consentry config check --config consentry.toml    # what is wrong with it, and with files it names
consentry config show --config consentry.toml     # what counts, and where each value comes from
consentry config schema > consentry.schema.json   # for editors: a JSON Schema of the file
```

[configuration.schema.json](configuration.schema.json) is that schema. Every limit below is
enforced; none can be switched off."""


def configuration_page(made: str) -> str:
    """All settings, table by table."""
    lines = [made, "", "# Configuration", "", INTRODUCTION]
    for table in tables():
        is_reached = bool(table.variables)
        lines += ["", f"## {table.heading}", "", str(table.section.__doc__).strip(), ""]
        head = "| key | default | takes | meaning |"
        lines += [head + (" environment |" if is_reached else "")]
        lines += ["| --- | --- | --- | --- |" + (" --- |" if is_reached else "")]
        lines += rows(table)
    return "\n".join([*lines, ""])


def rows(table: Table) -> Iterator[str]:
    """One row a setting."""
    for key, field in table.section.model_fields.items():
        usual = field.get_default(call_default_factory=True)
        default = "required" if field.is_required() else f"`{shown(usual)}`"
        row = f"| `{key}` | {default} | {allowed(table.section, key)} | {field.description} |"
        if table.variables:
            row += f" `{variable(table.variables, key)}` |"
        yield row


def shown(value: object) -> str:
    """A default as a TOML file would have it."""
    match value:
        case None:
            return "none"
        case bool():
            return str(value).lower()
        case dict() if not value:
            return "{}"
        case tuple():
            return json.dumps([plain(entry) for entry in value])
        case int() | float():
            return f"{value:g}" if value < 10_000 else f"{int(value):_}"
        case SecretStr():
            return json.dumps(value.get_secret_value())
        case _:
            return json.dumps(str(value))


def plain(entry: Any) -> Any:
    """An entry of a list: of a table that says one thing only, that thing."""
    if isinstance(entry, BaseModel):
        said = entry.model_dump(exclude_defaults=True)
        return next(iter(said.values())) if len(said) == 1 else said
    assert entry is not PydanticUndefined
    return entry.value if isinstance(entry, Enum) else entry
