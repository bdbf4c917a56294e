"""The tutorial's ten steps: folders that compile, are tested, and are what the page shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from consentry.author.policy_tests import run_policy_tests
from consentry.compiler.compile import CompileResult, compile_policies
from consentry.diagnostics.code_samples import EXAMPLES_AT_US
from consentry.diagnostics.span import Source
from consentry.lang.parse import parse_module
from consentry.lang.printer import format_module
from consentry.pdp.sources import read_packs, read_policy_folder
from tests.support.snippets import snippets_of

PAGE = Path(__file__).resolve().parents[2] / "docs" / "policy-authors" / "tutorial.md"
FOLDERS = sorted(path for path in PAGE.with_suffix("").iterdir() if path.is_dir())
SHOWN = [s for s in snippets_of(PAGE) if s.option("file")]


def compiled(folder: Path) -> CompileResult:
    sources, unread = read_policy_folder(folder)
    assert unread == ()
    return compile_policies(sources, read_packs(), now_us=EXAMPLES_AT_US)


def test_there_are_ten_steps_and_the_page_tells_each() -> None:
    headings = re.findall(r"^## (\d+)\. ", PAGE.read_text(), re.MULTILINE)

    assert [folder.name[:2] for folder in FOLDERS] == [f"{n:02}" for n in range(1, 11)]
    assert headings == [str(n) for n in range(1, 11)]
    assert {s.option("file").split("/")[1] for s in SHOWN} == {f.name for f in FOLDERS}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_step_compiles_without_a_message_and_its_tests_pass(folder: Path) -> None:
    result = compiled(folder)

    report = run_policy_tests(result)

    assert result.diagnostics == ()
    assert report.outcomes
    assert report.is_passed, report


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_step_is_in_the_canonical_format(folder: Path) -> None:
    for file in folder.glob("*.policy"):
        text = file.read_text()
        assert format_module(parse_module(Source(file.name, text)).module) == text, file


@pytest.mark.parametrize("snippet", SHOWN, ids=lambda snippet: snippet.option("file"))
def test_page_shows_what_stands_in_the_folder(snippet: object) -> None:
    name, body = snippet.option("file"), snippet.body  # type: ignore[attr-defined]  # a Snippet

    assert body == (PAGE.parent / name).read_text()
