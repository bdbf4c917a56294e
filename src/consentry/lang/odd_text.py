"""Text that is no token: what to tell the author, and what to go on with.

Each function reports one diagnostic and gives the kind and text to go on with; an empty kind means
that the text is stepped over.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from consentry.diagnostics.span import Span
from consentry.lang import literals
from consentry.lang.problems import Problems
from consentry.lang.text_checks import code_point, is_forbidden

_WORDISH: Final = re.compile(r"[\w.]*\w")
_NUMBERISH: Final = re.compile(r"[0-9][\w.:]*(?:-[0-9][\w.:]*)*", re.ASCII)
_DATE_LIKE: Final = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}")
_TIME_LIKE: Final = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}[Tt_].*")
_ZONE: Final = re.compile(r"[+-][0-9]{2}(?::?[0-9]{2})?")
_CLOCK_LIKE: Final = re.compile(r"[0-9]{1,2}:[0-9]{1,2}(?::[0-9]+)?")
_ODD_RUN: Final = re.compile(r"[^\w\s{}()\[\],:?=<>+\-.\"#']+", re.ASCII)
_SINGLE_QUOTED: Final = re.compile(r"'[^'\n]*'?")
_HINTS: Final[dict[str, str]] = {
    ";": "leave it out: line breaks and semicolons mean nothing here",
    "&&": "write `and`",
    "&": "write `and`",
    "||": "write `or`",
    "|": "write `or`",
    "!": "write `not`",
    "//": "a comment starts with `#`",
    "/*": "a comment starts with `#`",
    "*": "write `anything` to mean all data, or leave the clause out of a forbid",
    "$": "names are words of `a`-`z`, `0`-`9` and `_`",
    "@": "names are words of `a`-`z`, `0`-`9` and `_`",
    ".": "a dot stands only between the words of a path, without spaces",
}


_SHOWN_LENGTH: Final = 30


def cut(text: str) -> str:
    """The text for a title: long ones are cut."""
    return text if len(text) <= _SHOWN_LENGTH else text[:_SHOWN_LENGTH] + "..."


def _part(span: Span, start: int, end: int) -> Span:
    """The stretch of a one-line span between two offsets from its start."""
    return Span(span.file, span.start + start, span.start + end, span.line, span.column + start)


def word(text: str, span: Span, kind: str, value: str, problems: Problems) -> tuple[str, str]:
    """A word that runs on into letters which names do not have."""
    match = _WORDISH.match(text, span.start)
    whole = match.group() if match else value
    if len(whole) <= len(value):
        return kind, value
    for place, letter in enumerate(whole):
        if not letter.isascii():
            problems.error(
                "P103",
                f"the letter {code_point(letter)} cannot stand in a word of the language",
                _part(span, place, place + 1),
                label="this is not a letter from `a` to `z`",
                try_this=_ascii_help(whole),
            )
            break
    else:
        problems.error(
            "P115",
            f"`{cut(whole)}` is written with capitals",
            _part(span, 0, len(whole)),
            label="words of the language are lower case",
            try_this=f"write `{cut(_snake(whole))}`",
        )
    return ("PATH" if "." in whole else "NAME"), whole


def _ascii_help(whole: str) -> str:
    plain = unicodedata.normalize("NFKD", whole).encode("ascii", "ignore").decode()
    if plain and len(plain) >= len(whole):
        return f"write `{cut(plain.lower())}`; other letters belong into strings"
    return "names are words of `a`-`z`, `0`-`9` and `_`; other letters belong into strings"


def _snake(whole: str) -> str:
    """`OrderId` and `ORDER_ID` as `order_id`."""
    if whole.isupper():
        return whole.lower()
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", whole).lower()


def number(text: str, span: Span, kind: str, value: str, problems: Problems) -> tuple[str, str]:
    """A number, date or time that may be none."""
    match = _NUMBERISH.match(text, span.start)
    whole = match.group() if match else value
    if _TIME_LIKE.fullmatch(whole):
        zone = _ZONE.match(text, span.start + len(whole))
        whole += zone.group() if zone else ""
    elif not _DATE_LIKE.match(whole):
        whole = whole.partition("-")[0]
    whole = whole.rstrip(":.") if kind == "NUMBER" else whole
    here = _part(span, 0, len(whole))
    if _TIME_LIKE.fullmatch(whole):
        if kind != "TIME" or len(whole) > len(value) or literals.find_time(value) is None:
            label = (
                "there is no such moment"
                if kind == "TIME"
                else "a time is written in UTC and ends in `Z`"
            )
            problems.error(
                "P109",
                f"bad time `{cut(whole)}`",
                here,
                label=label,
                try_this="write it like `2026-04-01T09:00:00Z`",
            )
        return "TIME", whole
    if _DATE_LIKE.fullmatch(whole):
        if kind != "DATE" or literals.find_date(value) is None:
            label = "the calendar has no such day" if kind == "DATE" else ""
            problems.error(
                "P108",
                f"bad date `{cut(whole)}`",
                here,
                label=label,
                try_this="" if kind == "DATE" else "write it like `2026-04-01`",
            )
        return "DATE", whole
    if _CLOCK_LIKE.fullmatch(whole):
        if kind != "CLOCK" or len(whole) > len(value) or literals.find_clock(value) is None:
            problems.error(
                "P109",
                f"bad time of day `{cut(whole)}`",
                here,
                label="a day goes from `00:00` to `23:59`",
            )
        return "CLOCK", whole
    return _plain_number(whole, here, problems)


def _plain_number(whole: str, here: Span, problems: Problems) -> tuple[str, str]:
    problem = literals.number_problem(whole)
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", whole) is None:
        glued = re.fullmatch(r"([0-9]+)([a-z]+)", whole)
        is_unit = glued is not None and glued.group(2) in literals.UNIT_WORDS
        problem = "a number is digits, with a point for the fraction"
        if glued is not None and is_unit:
            problem = f"a space is missing: `{glued.group(1)} {glued.group(2)}`"
    if problem is not None:
        problems.error("P107", f"bad number `{cut(whole)}`", here, label=problem)
    return "NUMBER", whole


def unterminated(span: Span, value: str, problems: Problems) -> tuple[str, str]:
    """A string whose line ends before it does; reported where it starts."""
    problems.error(
        "P105",
        "this string does not end on its line",
        _part(span, 0, 1),
        label="it starts here",
        try_this='close it with `"`; a line break in a text is written `\\n`',
    )
    return "STRING", value


def character(text: str, span: Span, value: str, problems: Problems) -> tuple[str, str]:
    """A character that starts no token."""
    if is_forbidden(value):  # reported for the whole text before
        return "", value
    if value.isalpha() or value == "_" or value.isdigit():
        return word(text, span, "NAME", "", problems)
    if value == "'":
        match = _SINGLE_QUOTED.match(text, span.start)
        whole = match.group() if match else value
        problems.error(
            "P104",
            "unexpected character `'`",
            _part(span, 0, 1),
            label='a string stands in double quotes, `"`',
        )
        return "STRING", whole
    if value.isascii():
        return _odd_run(text, span, value, problems)
    plain = unicodedata.normalize("NFKC", value)
    problems.error(
        "P104",
        f"unexpected character {code_point(value)}",
        _part(span, 0, 1),
        label="this only looks like a space" if value.isspace() else "",
        try_this=(f"write a plain `{plain}`" if plain.isascii() and plain.strip() else "")
        or ("write a plain space" if value.isspace() else ""),
    )
    return "", value


def _odd_run(text: str, span: Span, value: str, problems: Problems) -> tuple[str, str]:
    match = _ODD_RUN.match(text, span.start)
    run = match.group() if match else value
    hint = _HINTS.get(run) or _HINTS.get(run[:2]) or _HINTS.get(run[:1], "")
    problems.error(
        "P104", f"unexpected character `{cut(run)}`", _part(span, 0, len(run)), try_this=hint
    )
    if run.startswith(("//", "/*")):
        end = text.find("\n", span.start)
        return "", text[span.start : end if end >= 0 else len(text)]
    return "", run
