"""The grammar as a page: the parser's own file, with every token as authors write it."""

from __future__ import annotations

import re
from typing import Final

from consentry.lang.parse import read_grammar

_RULE: Final = re.compile(r"^\??([a-z_]+):(.*)$")
_TOKEN: Final = re.compile(r"^(_?[A-Z_]+)(?:\.\d+)?: (.*)$")
_WORDS: Final = {
    "NAME": "name",
    "PATH": "path",
    "STRING": "text",
    "NUMBER": "number",
    "DATE": "date",
    "TIME": "time",
    "CLOCK": "clock",
}
_SHAPES: Final = {
    "name": "small letters, digits and `_`, not starting with a digit; no reserved word",
    "path": "names joined by `.`, in which any word may be a segment",
    "text": '`"…"` on one line, with the escapes `\\"`, `\\\\`, `\\n`, `\\t`, `\\u{20AC}`',
    "number": "digits, with a point for the fraction",
    "date": "`2026-04-01`",
    "time": "`2026-04-01T09:00:00Z`",
    "clock": "`09:00`",
}
# The language's own brackets, out of the way of those that mean "optional".
_OPEN: Final = "\x01"
_CLOSE: Final = "\x02"
_INTRODUCTION: Final = """\
Told from the grammar that the parser is built of. `x?` may be left out, `x*` may stand any number
of times, `x+` at least once, `|` separates choices. A file is any number of declarations. A `#`
starts a comment; spaces and line ends mean nothing. What each construct means stands in
[the reference](language.md)."""


def grammar_page(made: str) -> str:
    """The whole page."""
    rules, tokens = _read(read_grammar())
    lines = [made, "", "# Grammar", "", _INTRODUCTION, "", "```text"]
    width = max(map(len, rules)) + 1
    for name, body in rules.items():
        first, *more = _alternatives(_told(body, tokens))
        lines.append(f"{name:<{width}}= {first}")
        lines += [f"{'':<{width}}| {choice}" for choice in more]
    lines += ["```", "", "| token | what it is |", "| --- | --- |"]
    lines += [f"| {name} | {shape} |" for name, shape in _SHAPES.items()]
    keywords = sorted(text for text in tokens.values() if text.isalpha())
    lines += ["", "## Reserved words", "", ", ".join(f"`{word}`" for word in keywords), ""]
    return "\n".join(lines)


def _read(grammar: str) -> tuple[dict[str, str], dict[str, str]]:
    """Rules by name, and the texts of fixed tokens by theirs."""
    rules: dict[str, str] = {}
    tokens: dict[str, str] = {}
    last = ""
    for line in grammar.split("\n"):
        if line.startswith("//") or not line.strip():
            last = ""
        elif match := _RULE.match(line):
            last = match[1].strip("_")
            rules[last] = match[2]
        elif last and line.startswith(" "):
            rules[last] += " " + line.strip()
        elif (match := _TOKEN.match(line)) and match[2].startswith('"'):
            tokens[match[1]] = match[2].strip('"')
    return rules, tokens


def _told(body: str, tokens: dict[str, str]) -> str:
    """A rule's body as authors write: no aliases, tokens in quotes."""
    body = re.sub(r" *-> [a-z_]+", "", body)
    body = re.sub(r"\b_?[A-Z]+\b", lambda m: _token(m[0], tokens), body)
    # Lark's `[x]` is what everybody else writes as `(x)?`.
    while (plain := re.sub(r"\[([^\[\]]*)\]", _optional, body)) != body:
        body = plain
    body = body.replace(_OPEN, "[").replace(_CLOSE, "]")
    return re.sub(r" +", " ", re.sub(r"\b_marks\b", "marks", body)).strip()


def _optional(match: re.Match[str]) -> str:
    inner = match[1]
    return f"{inner}?" if " " not in inner else f"({inner})?"


def _token(name: str, tokens: dict[str, str]) -> str:
    if name in _WORDS:
        return _WORDS[name]
    text = tokens[name].replace("[", _OPEN).replace("]", _CLOSE)
    return f'"{text}"'


def _alternatives(body: str) -> list[str]:
    """The choices of the outermost level."""
    parts, depth, start, in_quotes = [], 0, 0, False
    for at, character in enumerate(body):
        if character == '"':
            in_quotes = not in_quotes
        elif not in_quotes and character in "()":
            depth += 1 if character == "(" else -1
        elif not in_quotes and character == "|" and depth == 0:
            parts.append(body[start:at].strip())
            start = at + 1
    return [*parts, body[start:].strip()]
