"""Claims about kept trees: what did not change is not parsed again, and nothing else differs."""

from __future__ import annotations

import pytest

from consentry.compiler import kept
from consentry.compiler.compile import compile_policies
from consentry.compiler.kept import KeptTrees
from consentry.diagnostics.span import Source
from consentry.lang.parse import ParseResult, parse_module
from consentry.pdp.sources import read_packs

WORDS = Source("words.policy", "data customer { email }\npurpose news { basis consent }\n")
RULE = Source("rule.policy", 'permit p { who service "mailer" may use data customer for news }\n')
OTHER = Source("rule.policy", 'permit q { who service "mailer" may use data customer for news }\n')
BROKEN = Source("rule.policy", "permit p { who nobody knows }\n")


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are parsed, in order."""
    names: list[str] = []

    def parse(source: Source) -> ParseResult:
        names.append(source.name)
        return parse_module(source)

    monkeypatch.setattr(kept, "parse_module", parse)
    return names


def ask(trees: KeptTrees, *sources: Source) -> None:
    for source in sources:
        trees.parse(source)
    trees.turn()


def test_only_the_changed_file_is_parsed_again(parsed: list[str]) -> None:
    trees = KeptTrees()

    ask(trees, WORDS, RULE)
    ask(trees, WORDS, OTHER)

    assert parsed == ["words.policy", "rule.policy", "rule.policy"]


def test_what_the_last_set_did_not_have_is_forgotten(parsed: list[str]) -> None:
    trees = KeptTrees()

    for sources in ((WORDS, RULE), (WORDS,), (WORDS, RULE)):
        ask(trees, *sources)

    assert parsed.count("rule.policy") == 2
    assert parsed.count("words.policy") == 1


def test_same_text_in_another_file_is_another_file() -> None:
    trees = KeptTrees()
    ask(trees, RULE)

    moved = trees.parse(Source("moved.policy", RULE.text))

    assert moved.module.file == "moved.policy"


def test_text_beyond_the_bound_is_not_kept(parsed: list[str]) -> None:
    trees = KeptTrees(max_characters=len(WORDS.text))

    for _ in range(2):
        ask(trees, WORDS, RULE)

    assert parsed == ["words.policy", "rule.policy", "rule.policy"]


@pytest.mark.parametrize("last", [RULE, OTHER, BROKEN])
def test_program_and_problems_are_those_of_a_compiler_that_keeps_nothing(last: Source) -> None:
    packs, trees = read_packs(), KeptTrees()
    for sources in ((WORDS, RULE), (WORDS, BROKEN), (WORDS, RULE)):
        compile_policies(sources, packs, parse=trees.parse)
        trees.turn()

    result = compile_policies((WORDS, last), packs, parse=trees.parse)

    fresh = compile_policies((WORDS, last), packs)
    assert result.diagnostics == fresh.diagnostics
    assert result.modules == fresh.modules
    assert (result.program is None) == (fresh.program is None) == (last is BROKEN)
    if result.program is not None and fresh.program is not None:
        assert result.program.digest == fresh.program.digest
        assert result.program.rules == fresh.program.rules
