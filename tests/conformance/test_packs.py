"""Claims about every law pack: whole, tested, documented; and that the code holds no law."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from consentry.app.main import run
from consentry.compiler.load import STRICT_PACK
from consentry.compiler.pack_contents import read_contents
from consentry.pdp.sources import read_packs

CONTENTS = [read_contents(name, source) for name, source in read_packs().items()]
LAWS = {pack.name: pack for pack in CONTENTS if pack.regimes and pack.name != STRICT_PACK}
PAGES = Path(__file__).resolve().parents[2] / "docs" / "packs"
NOT_SEARCHED = ("packs", "v1", "app", "consent/signals")
"""Packs are law. Help names it in examples; formats of signals have sections that are called so."""
NAMES_OF_LAWS = re.compile(
    r"(?i)\b(gdpr|dsgvo|ccpa|cpra|coppa|lgpd|pdpa|modpa|pecr|eprivacy|dpdp|hipaa|2016/679"
    r"|california\w*|maryland|colorado|brazil\w*|thai(land)?|german\w*|france|french|denmark)\b"
)


@pytest.mark.parametrize("name", LAWS)
def test_every_rule_says_what_it_does_and_where_that_is_written(name: str) -> None:
    rules = LAWS[name].rules

    assert rules
    assert [rule.name for rule in rules if not rule.text] == []
    assert [rule.name for rule in rules if not rule.cite] == []


@pytest.mark.parametrize("name", LAWS)
def test_every_law_has_a_version_and_a_day_on_which_it_began(name: str) -> None:
    for regime in LAWS[name].regimes:
        assert re.fullmatch(r"20\d\d\.\d+", regime.version), regime.name
        assert regime.from_ is not None, regime.name


@pytest.mark.parametrize("name", LAWS)
def test_the_tests_of_a_pack_reach_all_of_it(
    name: str, capsys: pytest.CaptureFixture[str], figure: Callable[[str, object], None]
) -> None:
    status = run(["test", "--pack", name, "--min", "100", "--json"])

    told = capsys.readouterr().out
    report = json.loads(told)
    assert status == 0, told[:2000]
    ways = report["coverage"]["conditions"]
    reached = f"{ways['covered']} of {ways['total']} ways of conditions"
    figure(f"tests of pack {name}", f"{report['passed']} tests, {reached}")


@pytest.mark.parametrize("name", LAWS)
def test_every_pack_has_a_page_that_says_what_counsel_must_check(
    name: str,
) -> None:
    text = (PAGES / f"{name}.md").read_text()

    for heading in ("covers", "does not cover", "What counsel must check"):
        assert f"## {'What it ' if heading[0] != 'W' else ''}{heading}" in text
    assert f"]({name}.md)" in (PAGES / "README.md").read_text()


def words_of_code(text: str) -> list[tuple[int, str]]:
    """Names and texts with their lines; comments and docstrings may give examples."""
    found = []
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Expr(value=ast.Constant()):
                node.value.value = ""
            case ast.Constant(value=str(word)):
                found.append((node.lineno, word))
            case ast.Name(id=word) | ast.Attribute(attr=word) | ast.arg(arg=word):
                found.append((node.lineno, word))
            case ast.FunctionDef(name=word) | ast.ClassDef(name=word):
                found.append((node.lineno, word))
    return [(line, word.replace("_", " ")) for line, word in found]


def test_no_law_stands_in_the_code(project_root: Path) -> None:
    code = project_root / "src/consentry"
    searched = [
        path
        for path in sorted(code.rglob("*.py"))
        if not path.relative_to(code).as_posix().startswith(NOT_SEARCHED)
    ]
    found = [
        f"{path.relative_to(code)}:{line}: {match[0]}"
        for path in searched
        for line, word in words_of_code(path.read_text())
        if (match := NAMES_OF_LAWS.search(word))
    ]

    assert len(searched) > 150
    assert found == []


@pytest.mark.parametrize(
    "code",
    ['x = country == "Thailand"', "def check_ccpa(): pass", "LAWS = ['GDPR']", "a.lgpd_ages"],
)
def test_a_law_in_the_code_would_be_noticed(code: str) -> None:
    assert any(NAMES_OF_LAWS.search(word) for _, word in words_of_code(code))


def test_figures_of_the_packs(figure: Callable[[str, object], None]) -> None:
    for pack in CONTENTS:
        lines, rules, cites = pack.line_count, len(pack.rules), len(pack.citations)
        told = f"{lines} lines, {rules} rules, {cites} citations, {pack.unchecked_count} unchecked"
        figure(f"pack {pack.name}", told)
