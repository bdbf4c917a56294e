"""Every policy of the project formats to one stable text that means the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from consentry.diagnostics.span import Source
from consentry.lang.parse import parse_module
from consentry.lang.printer import format_module

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("policies", "src/consentry/packs", "tests/conformance/diagnostics")
CASES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.policy"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: str(path.relative_to(ROOT)))
def test_format_keeps_meaning_and_is_stable(path: Path) -> None:
    result = parse_module(Source(path.name, path.read_bytes().decode("utf-8")))
    if result.has_errors:
        assert "diagnostics" in path.parts, result.diagnostics
        return

    formatted = format_module(result.module)

    again = parse_module(Source(path.name, formatted))
    assert again.diagnostics == ()
    assert again.module == result.module
    assert len(again.module.comments) == len(result.module.comments)
    assert format_module(again.module) == formatted
