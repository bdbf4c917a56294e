"""Each claim of the threat model and of the hardening guide points to a test that exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OPERATORS = ROOT / "docs" / "operators"
PAGE = OPERATORS / "threats.md"
TOLD = PAGE.read_text() + (OPERATORS / "hardening.md").read_text()
TESTS = sorted(set(re.findall(r"`(tests/[\w/]+\.py::\w+)`", TOLD)))


@pytest.mark.parametrize("node", TESTS)
def test_test_that_shows_a_claim_exists(node: str) -> None:
    file, _, name = node.partition("::")
    tree = ast.parse((ROOT / file).read_text())

    assert name in {each.name for each in tree.body if isinstance(each, ast.FunctionDef)}


def test_every_attack_has_a_test() -> None:
    tables = re.findall(
        r"^\| (?!it tries|they try|what|---)(.*) \|$", PAGE.read_text(), re.MULTILINE
    )
    claims = [row for row in tables if row.count(" | ") == 2]

    assert len(claims) > 25
    assert [row for row in claims if "`tests/" not in row] == []
