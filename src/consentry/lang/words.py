"""What terminals of the grammar are called before authors, and which of them form one idea.

No message ever shows a terminal's own name.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

END: Final = "$END"

STARTERS: Final = frozenset(
    {
        "MISSION", "USE", "ATTRIBUTES", "SET", "TAG", "ACTION", "CHANNEL", "REASON", "DATA",
        "PURPOSE", "PERMIT", "FORBID", "MASK", "OBLIGE", "NEVER", "EXCEPTION", "REGIME", "TEST",
    }
)  # fmt: skip
RULE_STARTERS: Final = frozenset({"PERMIT", "FORBID", "MASK", "OBLIGE", "NEVER", "EXCEPTION"})
# Words that start nothing but a declaration: at the margin they end whatever was left open.
HARD_STARTERS: Final = STARTERS - {"DATA", "PURPOSE", "USE", "ACTION", "CHANNEL"}

RULE_CLAUSES: Final = frozenset(
    {
        "WHO", "MAY", "DATA", "FOR", "VIA", "TO", "BASIS", "WHEN", "UNLESS", "ON", "FROM", "UNTIL",
        "LIFTS", "KEEP", "OWNER", "CITE", "AS",
    }
)  # fmt: skip
PURPOSE_PARTS: Final = frozenset(
    {"BASIS", "KEEP", "CONSENT", "NOTICE", "REUSES", "BENEFIT", "CITE", "PURPOSE"}
)
REGIME_PARTS: Final = frozenset({"GOVERNS", "FROM", "UNTIL", "VERSION", "SET", *RULE_STARTERS})
TEST_PARTS: Final = frozenset({"GIVEN", "AT", "CHECK"})
EVENT_PARTS: Final = frozenset(
    {"BY", "UNDER", "FOR", "IS", "VIA", "TO", "DATA", "UNTIL", "RECEIVED", "ON"}
)
COMPARISONS: Final = frozenset(
    {"EQ", "NE", "LT", "LE", "GT", "GE", "IN", "WITHIN", "OVERLAPS", "IS", "LIKE", "BETWEEN"}
)
NAMES: Final = frozenset(
    {"NAME", "PATH", "DATA", "PURPOSE", "CONSENT", "BASIS", "ACTION", "CHANNEL", "USE"}
)
_LITERALS: Final = frozenset(
    {"STRING", "NUMBER", "MINUS", "DATE", "TIME", "CLOCK", "TRUE", "FALSE"}
)
_VALUES: Final = NAMES | _LITERALS | {"LBRACKET"}

# First the wide ideas: the first that fits takes its terminals away from the others.
_IDEAS: Final[tuple[tuple[frozenset[str], str], ...]] = (
    (STARTERS, "a declaration"),
    (RULE_CLAUSES, "a clause"),
    (PURPOSE_PARTS, "a clause or a purpose"),
    (REGIME_PARTS, "a clause or a rule"),
    (TEST_PARTS, "a part of a test"),
    (EVENT_PARTS, "a part of the event"),
    (_VALUES | {"NOT", "HAS", "LPAR"}, "a condition"),
    (_VALUES | {"LPAR"}, "a value"),
    (_VALUES, "a value"),
    (NAMES | _LITERALS, "a value"),
    (COMPARISONS, "an operator"),
    (frozenset({"DATE", "TIME"}), "a date or time"),
    (frozenset({"STRING", "IS", "AS", "LBRACE"}), "a text, tags or a block"),
    (frozenset({"IS", "AS", "LBRACE"}), "tags or a block"),
    (NAMES, "a name"),
    (frozenset({"NAME", "PATH"}), "a name"),
    (frozenset({"NAME", "USE"}), "a name"),
    (frozenset({"_COMMA", "RBRACKET"}), "`,` or `]`"),
    (frozenset({"_COMMA", "RBRACE"}), "`,` or `}`"),
    (frozenset({"EXPECT", "CASES"}), "`expect` or `cases`"),
    (frozenset({"EXPECT"}), "`expect`"),
    (frozenset({"LBRACE"}), "`{`"),
)
_WORDS: Final[dict[str, str]] = {
    "NAME": "a name",
    "PATH": "a path",
    "STRING": "a text in quotes",
    "NUMBER": "a number",
    "DATE": "a date",
    "TIME": "a time",
    "CLOCK": "a time of day",
    "COMMENT": "a comment",
    "SPACE": "a space",
    "LBRACE": "`{`",
    "RBRACE": "`}`",
    "LBRACKET": "`[`",
    "RBRACKET": "`]`",
    "LPAR": "`(`",
    "RPAR": "`)`",
    "_COMMA": "`,`",
    "COLON": "`:`",
    "QUESTION": "`?`",
    "ASSIGN": "`=`",
    "EQ": "`==`",
    "NE": "`!=`",
    "LE": "`<=`",
    "GE": "`>=`",
    "LT": "`<`",
    "GT": "`>`",
    "PLUS": "`+`",
    "MINUS": "`-`",
    "_OR": "`or`",
    "_AND": "`and`",
    END: "the end of the file",
}


def words_of(terminal: str) -> str:
    """How the terminal is called before authors: a keyword by itself, in backticks."""
    return _WORDS.get(terminal) or f"`{terminal.strip('_').lower()}`"


def expectation(terminals: Iterable[str]) -> str:
    """`expected a clause`: at most two things; of many, the widest idea."""
    left = set(terminals) - {END}
    ideas: list[str] = []
    for group, idea in _IDEAS:
        if group <= left:
            left -= group
            ideas.append(idea)
    singles = sorted({words_of(terminal) for terminal in left})
    wanted = [*ideas, *singles] if len(ideas) + len(singles) <= 2 else ideas[:1]
    return "expected " + " or ".join(wanted) if wanted else ""
