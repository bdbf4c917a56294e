"""Diagnostic codes about text and syntax (P1xx), reported by the parser."""

from __future__ import annotations

from typing import Final

from consentry.diagnostics.code_info import CodeInfo

CODES: Final[tuple[CodeInfo, ...]] = (
    CodeInfo(
        code="P101",
        title="control character in the text",
        explanation=(
            "A policy is plain text: characters that cannot be seen (NUL, escape, form feed, "
            "a byte order mark inside the text) may not stand anywhere in it, comments "
            "included. They are often left by a broken editor or a copy from another program. "
            "Take the character out."
        ),
        bad='tag loyalty "Points\x07"\n',
        good='tag loyalty "Points"\n',
    ),
    CodeInfo(
        code="P102",
        title="direction control in the text",
        explanation=(
            "Unicode has characters that change the direction in which text is shown. They "
            "can make a policy read differently from what it says, so they are refused "
            "everywhere, in comments and texts too. Where one is truly meant, write it as an "
            "escape such as `\\u{202E}` in a text."
        ),
        bad="# reviewed \u202e by legal\ntag loyalty\n",
        good="# reviewed by legal\ntag loyalty\n",
    ),
    CodeInfo(
        code="P103",
        title="letter outside of a to z in a word",
        explanation=(
            "Words of the language and names are made of `a` to `z`, `0` to `9` and `_`. "
            "Letters of other alphabets can look exactly like these and be different, so that "
            "two names look the same. In texts between quotes every letter is welcome."
        ),
        bad='tag l\u043eyalty "Points"\n',
        good='tag loyalty "Points"\n',
    ),
    CodeInfo(
        code="P104",
        title="unexpected character",
        explanation=(
            "The character has no meaning in the language. Semicolons are not needed, strings "
            "stand in double quotes, comments start with `#`, and conditions are joined with "
            "the words `and`, `or` and `not`."
        ),
        bad="tag loyalty;\n",
        good="tag loyalty\n",
    ),
    CodeInfo(
        code="P105",
        title="string without an end",
        explanation=(
            "A string stands on one line and ends with a double quote. A line break inside a "
            "text is written `\\n`."
        ),
        bad='tag loyalty "Points\n',
        good='tag loyalty "Points"\n',
    ),
    CodeInfo(
        code="P106",
        title="bad escape in a string",
        explanation=(
            'A backslash in a string starts an escape. There are five: `\\"`, `\\\\`, `\\n`, `\\t` '
            "and `\\u{...}` with the number of a character."
        ),
        bad='tag loyalty "Points \\x"\n',
        good='tag loyalty "Points \\\\x"\n',
    ),
    CodeInfo(
        code="P107",
        title="bad number",
        explanation=(
            "Numbers are written in digits, with a point for the fraction and without leading "
            "zeros, at most 64 digits long. There is no exponent. Between a number and a unit "
            "stands a space, and lengths of time and masks take whole numbers."
        ),
        bad="set limits = [007]\n",
        good="set limits = [7]\n",
    ),
    CodeInfo(
        code="P108",
        title="bad date",
        explanation=(
            "A date is written as year, month and day, like `2026-04-01`, and the day must exist."
        ),
        bad="set closing_days = [2026-02-30]\n",
        good="set closing_days = [2026-02-28]\n",
    ),
    CodeInfo(
        code="P109",
        title="bad time",
        explanation=(
            "A moment is written in UTC and ends in `Z`, like `2026-04-01T09:00:00Z`; a time "
            "of day goes from `00:00` to `23:59`. A local time without a zone would mean a "
            "different moment on each machine."
        ),
        bad="set starts = [2026-04-01T09:00:00]\n",
        good="set starts = [2026-04-01T09:00:00Z]\n",
    ),
    CodeInfo(
        code="P110",
        title="unknown unit of time",
        explanation=(
            "A length of time is a whole number and a unit: seconds, minutes, hours, days, "
            "weeks, months or years, in the singular or the plural."
        ),
        bad="set terms = [3 dayz]\n",
        good="set terms = [3 days]\n",
    ),
    CodeInfo(
        code="P111",
        title="reserved word as a name",
        explanation=(
            "Words that start a declaration, a clause or an operator, and a few that stand "
            "inside of them, are reserved: they cannot be names. As a segment of a dotted "
            "path any word may stand."
        ),
        bad='tag permit "May be used"\n',
        good='tag permitted "May be used"\n',
    ),
    CodeInfo(
        code="P112",
        title="nested too deep",
        explanation=(
            "Parentheses, blocks and `not` may be nested 64 levels deep. No policy that "
            "people read comes near this; a program that writes policies may. Chains of `and` "
            "and `or` count as one level however long they are."
        ),
        bad="forbid deep {\n    when " + "(" * 65 + "true" + ")" * 65 + "\n}\n",
        good="forbid deep {\n    when (true)\n}\n",
    ),
    CodeInfo(
        code="P113",
        title="file too large",
        explanation=(
            "A policy file has at most 1 MiB of text and 20,000 declarations. Split it: all "
            "files of a folder form one policy set."
        ),
        bad="tag a\n" * 20001,
        good="tag a\n",
    ),
    CodeInfo(
        code="P114",
        title="more problems than are shown",
        explanation=(
            "Of one file the first fifty problems are shown and the others only counted. Mend "
            "the first ones and check again."
        ),
        bad="tag a;\n" * 51,
        good="tag a\n",
    ),
    CodeInfo(
        code="P115",
        title="capitals in a word",
        explanation=(
            "Words of the language and names are lower case, with `_` between their parts."
        ),
        bad='tag LoyaltyCard "Points"\n',
        good='tag loyalty_card "Points"\n',
    ),
    CodeInfo(
        code="P120",
        title="unexpected word or sign",
        explanation=(
            "Something stands where the language has no place for it, or something is missing "
            "before it. The label says what was expected."
        ),
        bad='set partners = ["a" "b"]\n',
        good='set partners = ["a", "b"]\n',
    ),
    CodeInfo(
        code="P121",
        title="unknown declaration",
        explanation=(
            "A declaration starts with a word of the language, such as `permit`, `purpose` or "
            "`data`. This word is none of them; often it is misspelt."
        ),
        bad='tga loyalty "Points"\n',
        good='tag loyalty "Points"\n',
    ),
    CodeInfo(
        code="P122",
        title="unknown clause",
        explanation=(
            "A clause starts with a word of the language, such as `who`, `may` or `when`. "
            "This word is none of them: it is misspelt, or a comma is missing in the list "
            "before it."
        ),
        bad="forbid export {\n    wen true\n}\n",
        good="forbid export {\n    when true\n}\n",
    ),
    CodeInfo(
        code="P123",
        title="block not closed",
        explanation=(
            "A block that was opened with `{` is not closed before the next declaration or "
            "the end of the file. Names inside of it cannot be told from names outside."
        ),
        bad="forbid export {\n    when true\n\ntag loyalty\n",
        good="forbid export {\n    when true\n}\n\ntag loyalty\n",
    ),
    CodeInfo(
        code="P124",
        title="second moment in a test",
        explanation=(
            "A policy test asks its questions at one moment, which its `at` gives. For "
            "another moment write another test."
        ),
        bad="test twice {\n    at 2026-04-01\n    at 2026-04-02\n}\n",
        good="test once {\n    at 2026-04-01\n}\n",
    ),
)
