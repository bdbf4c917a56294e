"""The statement in Markdown (CommonMark), with an anchor for every entry."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from consentry.publish.entries import Entry, Line, Statement

_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]<>#|&~!])")
_MAX_LEVEL: Final = 6


def render_markdown(statement: Statement, phrase: Callable[[str], str]) -> str:
    """The whole statement; ends in a newline."""
    return "\n".join(_lines(statement, phrase)) + "\n"


def escaped(text: str) -> str:
    """Text in which nothing is markup, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _lines(statement: Statement, phrase: Callable[[str], str]) -> Iterator[str]:
    yield f"# {escaped(statement.title)}"
    yield ""
    if statement.mission:
        yield f"> {escaped(statement.mission)}"
        yield ""
    yield from _facts(statement.facts)
    for section in statement.sections:
        yield f"## {escaped(section.title)}"
        yield ""
        if section.intro:
            yield escaped(section.intro)
            yield ""
        for entry in section.entries:
            yield from _entry(entry, 3)
    yield f"## {escaped(phrase('rights'))}"
    yield ""
    yield from (f"- {escaped(right)}" for right in statement.rights)
    yield ""
    yield from _changes(statement, phrase)
    yield "---"
    yield ""
    yield f"{escaped(phrase('digest'))} `{statement.digest}`"
    yield ""
    yield escaped(phrase("digest_note"))
    if statement.missing:
        yield ""
        yield escaped(phrase("untranslated"))


def _changes(statement: Statement, phrase: Callable[[str], str]) -> Iterator[str]:
    yield f"## {escaped(phrase('changes'))}"
    yield ""
    if statement.changes is None:
        yield escaped(phrase("first_version"))
    elif not statement.changes:
        yield escaped(phrase("nothing_changed"))
    for change in statement.changes or ():
        kind = phrase("material" if change.is_material else "editorial")
        text = escaped(change.text)
        told = f"**{text}**" if change.is_material else text
        yield f"- {told} ({escaped(kind)})"
    yield ""


def _entry(entry: Entry, level: int) -> Iterator[str]:
    name = f" (`{entry.name}`)" if entry.text != entry.name else ""
    yield f'<a id="{entry.anchor}"></a>'
    yield ""
    yield f"{'#' * min(level, _MAX_LEVEL)} {escaped(entry.text)}{name}"
    yield ""
    yield from _facts(entry.lines)
    for child in entry.children:
        yield from _entry(child, level + 1)


def _facts(lines: tuple[Line, ...]) -> Iterator[str]:
    for line in lines:
        values = [
            f"[{escaped(value.text)}](#{value.anchor})" if value.anchor else escaped(value.text)
            for value in line.values
        ]
        yield f"- {escaped(line.label)}: {', '.join(values)}"
    if lines:
        yield ""
