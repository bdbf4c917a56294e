r"""Characters that must not stand in a policy text, whatever the grammar says.

Source: text that reads differently from what it means is an attack on the reader (bidirectional
controls, look-alike letters), so policies are plain: such a character is an error everywhere, in
comments and strings too, where an escape (`\u{202E}`) says it openly.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from consentry.diagnostics.span import Source, Span
from consentry.lang.problems import Problems

_BIDI: Final = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_CONTROL: Final = "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff"
_FORBIDDEN: Final = re.compile(f"[{_BIDI}{_CONTROL}]")
_BIDI_ONE: Final = re.compile(f"[{_BIDI}]")


def code_point(character: str) -> str:
    """`U+00A0 (no-break space)`: the code point and, where it has one, the name."""
    name = unicodedata.name(character, "").lower()
    return f"U+{ord(character):04X}" + (f" ({name})" if name else "")


def is_forbidden(character: str) -> bool:
    """Whether `check_text` has reported the character already."""
    return _FORBIDDEN.match(character) is not None


def check_text(source: Source, problems: Problems) -> None:
    """Reports control characters and bidirectional controls, wherever they stand.

    A byte order mark at the very start is let pass: some editors write it.
    """
    line, line_start, last = 1, 0, 0
    matches = _FORBIDDEN.finditer(source.text)
    for match in matches:
        start = match.start()
        if start == 0 and match.group() == "\ufeff":
            continue
        if problems.is_full:
            problems.count_more(1 + sum(1 for _ in matches))
            return
        # Only the text since the last match is looked at, so that the whole stays linear.
        if breaks := source.text.count("\n", last, start):
            line += breaks
            line_start = source.text.rindex("\n", last, start) + 1
        last = start
        span = Span(source.name, start, start + 1, line, start - line_start + 1)
        point = code_point(match.group())
        if _BIDI_ONE.match(match.group()):
            problems.error(
                "P102",
                f"the text holds the direction control {point}",
                span,
                label="this changes the order in which the line is shown",
                try_this=f"take it out, or write `\\u{{{ord(match.group()):X}}}` in a string",
            )
        else:
            problems.error(
                "P101",
                f"the text holds the control character {point}",
                span,
                label="this cannot be seen",
                try_this="take it out",
            )
