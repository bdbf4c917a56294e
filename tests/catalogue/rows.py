"""The rows of both catalogues, read from their files: what happens, what holds, who shows it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

FOLDER: Final = Path(__file__).resolve().parent
ROOT: Final = FOLDER.parents[1]
CATALOGUES: Final = {"inputs": "Bad inputs", "faults": "Faults"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row: `shown_by` are tests (a file, with a test, with a case) that run it.

    `needs` says what a machine must give; `absent` says why nothing shows it.
    """

    catalogue: str
    group: str
    name: str
    what: str
    holds: str
    shown_by: tuple[str, ...] = ()
    needs: str = ""
    absent: str = ""

    def is_shown_by(self, node: str) -> bool:
        """Whether a test of this name belongs to the row."""
        return any(
            node == each or node.startswith((f"{each}[", f"{each}::")) for each in self.shown_by
        )


@cache
def rows() -> tuple[Row, ...]:
    """All rows of both catalogues, in their order."""
    return tuple(row for name in CATALOGUES for row in _read(name))


def _read(catalogue: str) -> list[Row]:
    groups: dict[str, list[dict[str, Any]]] = yaml.safe_load(
        (FOLDER / f"{catalogue}.yaml").read_text(encoding="utf-8")
    )
    return [_row(catalogue, group, entry) for group, entries in groups.items() for entry in entries]


def _row(catalogue: str, group: str, entry: dict[str, Any]) -> Row:
    shown_by = entry.pop("by", ())
    paths = (shown_by,) if isinstance(shown_by, str) else tuple(shown_by)
    return Row(
        catalogue=catalogue, group=group, shown_by=tuple(f"tests/{p}" for p in paths), **entry
    )
