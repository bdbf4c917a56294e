"""A statement as values: entries with anchors, in sections, in one language.

An `Entry` is one declared thing: a purpose, a field or group of fields, a rule, a promise, a law.
It has an anchor of its own; wherever else it is named, it is a reference to that anchor.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from consentry.lang.translations import TextKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Ref:
    """A thing named in passing: an entry by its anchor, a place outside by `href`, or words."""

    text: str
    anchor: str = ""
    href: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A label and what stands behind it."""

    label: str
    values: tuple[Ref, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One declared thing. `kind` is purpose, data, rule, promise or law; `depth` is of a tree."""

    kind: str
    name: str
    anchor: str
    text: str
    lines: tuple[Line, ...] = ()
    depth: int = 0
    children: tuple[Entry, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of the page."""

    anchor: str
    title: str
    entries: tuple[Entry, ...]
    intro: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeLine:
    """One difference to the version before."""

    text: str
    is_material: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """The whole; `changes` is None where there was nothing to compare with."""

    language: str
    title: str
    mission: str
    facts: tuple[Line, ...]
    sections: tuple[Section, ...]
    rights: tuple[str, ...]
    changes: tuple[ChangeLine, ...] | None
    digest: str
    missing: tuple[TextKey, ...]

    def entries(self) -> Iterator[Entry]:
        """Every entry of every section, those within others too."""
        for section in self.sections:
            yield from _flat(section.entries)


def _flat(entries: Iterable[Entry]) -> Iterator[Entry]:
    for entry in entries:
        yield entry
        yield from _flat(entry.children)
