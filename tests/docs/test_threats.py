"""Each claim of the threat model points to a test that exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "operators" / "threats.md"
TESTS = sorted(set(re.findall(r"`(tests/[\w/]+\.py(?:::\w+)?)`", PAGE.read_text())))


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
