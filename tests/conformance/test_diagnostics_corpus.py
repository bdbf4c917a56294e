"""Runs `tests/conformance/diagnostics/*.policy`: each file says what is reported for it.

The README in that folder tells the form of the cases.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from consentry.compiler.compile import compile_policies
from consentry.diagnostics.code_samples import EXAMPLES_AT_US
from consentry.diagnostics.codes import CODES
from consentry.diagnostics.diagnostic import Diagnostic
from consentry.diagnostics.render import render_text
from consentry.diagnostics.span import Source
from consentry.lang.parse import parse_module

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(__file__).resolve().parent / "diagnostics"
PACKS = ROOT / "src" / "consentry" / "packs"
CASES = sorted(FOLDER.glob("*.policy"))

_TEXT = r'"((?:[^"\\]|\\.)*)"'
_EXPECT = re.compile(rf"# expect: ([PRTCFW]\d{{3}})(?: {_TEXT})?(?: help {_TEXT})?\s*")
_ESCAPE = re.compile(r"\\(?:u\{([0-9A-F]+)\}|(.))")


@dataclass(frozen=True, slots=True)
class Expected:
    code: str
    underlined: str | None
    help: str


def unescaped(text: str) -> str:
    def plain(match: re.Match[str]) -> str:
        if match[1]:
            return chr(int(match[1], 16))
        return "\n" if match[2] == "n" else match[2]

    return _ESCAPE.sub(plain, text)


def read_expected(text: str) -> list[Expected]:
    """The `# expect:` lines at the top; a malformed one is a mistake in the case."""
    found = []
    for line in text.split("\n"):
        if not line.startswith("# expect"):
            break
        match = _EXPECT.fullmatch(line)
        assert match is not None, f"malformed: {line}"
        code, underlined, hint = match.groups()
        shown = None if underlined is None else unescaped(underlined)
        found.append(Expected(code, shown, unescaped(hint or "")))
    return found


def diagnostics_of(source: Source, *, is_syntax_only: bool) -> tuple[Diagnostic, ...]:
    parsed = parse_module(source)
    if parsed.has_errors or is_syntax_only:
        return parsed.diagnostics
    packs = {
        path.stem: Source(f"{path.stem}.policy", path.read_text("utf-8"))
        for path in sorted(PACKS.glob("*.policy"))
    }
    result = compile_policies([source], packs, now_us=EXAMPLES_AT_US)
    # Notes are asked for; a case that expects one asks.
    return result.notes if source.name.startswith("W818") else result.diagnostics


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case_reports_what_it_says(path: Path) -> None:
    source = Source(path.name, path.read_bytes().decode("utf-8"))
    expected = read_expected(source.text)
    is_syntax_only = path.name.startswith("ok_syntax_") or any(
        one.code.startswith("P") for one in expected
    )

    found = diagnostics_of(source, is_syntax_only=is_syntax_only)

    told = render_text(found, {source.name: source})
    assert [one.code for one in found] == [one.code for one in expected], told
    for one, wanted in zip(found, expected, strict=True):
        assert (one.span is None) == (wanted.underlined is None), told
        if one.span is not None:
            assert source.text[one.span.start : one.span.end] == wanted.underlined, told
        assert wanted.help in one.help, told


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case_is_named_after_its_first_code(path: Path) -> None:
    expected = read_expected(path.read_bytes().decode("utf-8"))

    prefix = expected[0].code if expected else "ok"

    assert path.stem.startswith(f"{prefix}_")


def test_every_code_of_a_text_has_a_case(figure: Callable[[str, object], None]) -> None:
    # The limits on size and number need large texts, which unit tests make.
    made_in_unit_tests = {"P113", "P114", "T316"}

    covered = {path.stem.partition("_")[0] for path in CASES} - {"ok"}

    figure("codes with a case in the corpus", len(covered))
    figure("cases in the corpus", len(CASES))
    assert {code for code in CODES if code[0] != "F"} - covered == made_in_unit_tests
    assert len(covered) >= 60
