"""The texts of a policy set in another language: a TOML file beside the policies.

`shop.th.toml` holds Thai texts. A table is a keyword of the language, a key is the name that the
keyword declares, a value is the text:

    [purpose]
    "marketing.email" = "…"

    [rule]
    mail_newsletter = "…"
    "gdpr.consent_valid" = "…"    # a rule of a regime

`[rule]` stands for all words that declare rules, `[benefit]` for that of a purpose. `[mission]` has
one key, `text`.

Source: language reference, "Translations".
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from consentry.diagnostics.diagnostic import Diagnostic
from consentry.diagnostics.span import Source, Span
from consentry.diagnostics.suggest import closest

KINDS: Final = (
    "mission",
    "tag",
    "action",
    "channel",
    "reason",
    "data",
    "purpose",
    "benefit",
    "regime",
    "rule",
    "test",
)
"""Tables that a translation may have."""

_NAME: Final = re.compile(r".+\.(?P<language>[a-z]{2,3}(-[A-Za-z0-9]{2,8})*)\.toml")

TextKey = tuple[str, str]
"""What a text belongs to: the table and the name, such as `("purpose", "marketing.email")`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """Texts in one language (a BCP 47 tag such as `th`) and where they were written."""

    language: str
    texts: Mapping[TextKey, str]
    source: Source

    def find_text(self, kind: str, name: str) -> str | None:
        """The text of one thing, None where it is not translated."""
        return self.texts.get((kind, name))

    def place_of(self, key: TextKey) -> Span:
        """Where a key is written; the first place that reads like it."""
        return _place_of(self.source, key[1])


def find_language(file_name: str) -> str | None:
    """The language that a file's name tells (`th` of `shop.th.toml`); None: no translation."""
    match = _NAME.fullmatch(file_name)
    return match["language"] if match else None


def parse_translation(
    source: Source, language: str
) -> tuple[Translation | None, tuple[Diagnostic, ...]]:
    """The translation that a TOML text holds, or what is wrong with it; never both.

    Whether its names are those of a policy set is another question: `compiler.texts`.
    """
    try:
        tables = tomllib.loads(source.text)
    except tomllib.TOMLDecodeError as error:
        return None, (_unreadable(source, error),)
    texts: dict[TextKey, str] = {}
    found: list[Diagnostic] = []
    for kind, table in tables.items():
        if kind not in KINDS:
            nearest = closest(kind, KINDS)
            help_ = f"did you mean `[{nearest}]`?" if nearest else ""
            title = f"`[{kind}]` is no table of a translation"
            found.append(_wrong(source, kind, title, help_))
            continue
        if not isinstance(table, dict):
            found.append(_wrong(source, kind, f"`{kind}` is not a table", f"write `[{kind}]`"))
            continue
        for name, text in table.items():
            if isinstance(text, str) and text.strip():
                texts[kind, name] = text
            else:
                advice = "quote a dotted name" if isinstance(text, dict) else "write a text"
                found.append(_wrong(source, name, f"`{name}` has no text", advice))
    if found:
        return None, tuple(found)
    return Translation(language=language, texts=texts, source=source), ()


def _unreadable(source: Source, error: tomllib.TOMLDecodeError) -> Diagnostic:
    # The parser's words tell the place as text: "… (at line 3, column 7)".
    why, _, place = str(error).partition(" (at ")
    match = re.search(r"line (\d+), column (\d+)", place)
    lines = source.text.split("\n")
    line, column = (int(match[1]), int(match[2])) if match else (len(lines), 1)
    start = sum(len(text) + 1 for text in lines[: line - 1]) + column - 1
    start = min(start, len(source.text))
    return Diagnostic(
        code="F540",
        title=f"`{source.name}` is not TOML",
        span=Span(source.name, start, min(start + 1, len(source.text)), line, column),
        label=why[:1].lower() + why[1:],
    )


def _wrong(source: Source, word: str, title: str, advice: str) -> Diagnostic:
    return Diagnostic(code="F541", title=title, span=_place_of(source, word), help=advice)


def _place_of(source: Source, word: str) -> Span:
    start = max(source.text.find(word), 0)
    line = source.text.count("\n", 0, start) + 1
    column = start - (source.text.rfind("\n", 0, start) + 1) + 1
    return Span(source.name, start, start + len(word), line, column)
