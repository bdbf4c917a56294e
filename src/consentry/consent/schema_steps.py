"""The numbered steps of a schema: SQL files beside the code, one folder for each kind of store."""

from __future__ import annotations

from importlib import resources


def steps_in(folder: str) -> tuple[tuple[int, str], ...]:
    """Number and text of each step, in order."""
    found = [
        (int(entry.name.split("_")[0]), entry.read_text("utf-8"))
        for entry in (resources.files("consentry.consent") / folder).iterdir()
        if entry.name.endswith(".sql")
    ]
    return tuple(sorted(found))
