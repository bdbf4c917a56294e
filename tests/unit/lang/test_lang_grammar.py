"""The grammar: strict, worded, and cut into the same tokens by Lark and by our scanner."""

from __future__ import annotations

from lark import Lark

from consentry.diagnostics.span import Source
from consentry.lang.parse import START_RULE, read_grammar
from consentry.lang.problems import Problems
from consentry.lang.tokens import Scanner, build_patterns
from consentry.lang.words import RULE_CLAUSES, expectation, words_of

TEXT = """
# a comment
permit permitted "x \\" y" is tag_a, b.c as user.name { when consent.by <= 1.5 and not
  (age(x) >= 16 years) keep 3 days from 2026-01-01 }
test t { at 2026-05-01T09:00:00Z } set s = [09:00, -1, true] attributes a { b: text? = "" }
"""


def strict_grammar() -> Lark:
    return Lark(read_grammar(), parser="lalr", lexer="basic", start=START_RULE, strict=True)


def test_grammar_builds_without_any_conflict() -> None:
    assert strict_grammar().terminals


def test_every_terminal_has_words_that_are_not_its_name() -> None:
    for terminal in strict_grammar().terminals:
        words = words_of(terminal.name)

        assert terminal.name not in words, terminal.name
        assert not words.startswith("`_"), terminal.name
        assert not words.startswith("__"), terminal.name


def test_scanner_cuts_as_the_grammar_says() -> None:
    lark = strict_grammar()
    patterns = build_patterns(lark.terminals, lark.ignore_tokens)
    scanner = Scanner(Source("a", TEXT), patterns, Problems(50), [])

    ours = [(p.type, str(p), p.start_pos, p.line, p.column) for p in scanner.pieces()]

    theirs = [(t.type, str(t), t.start_pos, t.line, t.column) for t in lark.lex(TEXT)]
    assert ours == theirs


def test_many_expected_things_are_told_as_one_idea() -> None:
    assert expectation({*RULE_CLAUSES, "_COMMA", "RBRACE", "STRING"}) == "expected a clause"
    assert expectation({"_COMMA", "RBRACKET", "FROM", "UNTIL"}) == "expected `,` or `]`"
    assert expectation({"RPAR"}) == "expected `)`"
