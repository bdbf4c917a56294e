"""Parsing: the shape of trees, recovery, limits, and texts that want to do harm."""

from __future__ import annotations

import random
from collections.abc import Sequence
from decimal import Decimal

import pytest

from consentry.diagnostics.diagnostic import Diagnostic
from consentry.diagnostics.span import Source
from consentry.lang.parse import Limits, ParseResult, parse_module
from consentry.lang.tree import (
    And,
    Arithmetic,
    Between,
    Clause,
    ClauseWord,
    Compare,
    DurationRef,
    Expr,
    Is,
    Literal,
    LiteralKind,
    Not,
    Or,
    PurposeDecl,
    Ref,
    RegimeDecl,
    RuleDecl,
    RuleWord,
)
from consentry.lang.tree import TestDecl as PolicyTest  # not for pytest to collect
from consentry.model.values import Duration

VALID = """
mission "We keep little" { controller "Acme" in "DE" contact "p@acme.example" }
use gdpr, ccpa "2026.1"  # packs
data customer { contact { email as user.contact.email } }
purpose marketing "News" is direct_marketing { basis consent consent lasts 2 years }
permit mail { who service "mailer" may contact data customer.contact.email for marketing
    when subject.country in ["DE", "AT"] and not has subject.born or age(subject.born) > 16 years }
test t { given gave marketing on 2026-03-10 at 2026-05-01T09:00:00Z
    check service "mailer" may contact customer.contact.email for marketing expect permit }
"""


def parse(text: str, limits: Limits | None = None) -> ParseResult:
    return parse_module(Source("a.policy", text), limits or Limits())


def codes(diagnostics: Sequence[Diagnostic]) -> list[str]:
    return [one.code for one in diagnostics]


def clauses(text: str) -> tuple[Clause, ...]:
    result = parse("forbid x {\n" + text + "\n}")
    assert result.diagnostics == ()
    rule = result.module.declarations[0]
    assert isinstance(rule, RuleDecl)
    return rule.clauses


def condition(text: str) -> Expr:
    value = clauses(f"when {text}")[0].value
    assert isinstance(value, Expr)
    return value


def test_whole_language_parses_without_a_message() -> None:
    result = parse(VALID)

    assert result.diagnostics == ()
    assert len(result.module.declarations) == 6
    assert [comment.text for comment in result.module.comments] == ["# packs"]
    assert not result.module.comments[0].is_own_line


def test_chains_are_flat_and_bind_as_people_read_them() -> None:
    found = condition("a and b and not c or (d or e)")

    assert isinstance(found, Or)
    assert len(found.operands) == 3
    assert isinstance(found.operands[0], And)
    assert len(found.operands[0].operands) == 3
    assert isinstance(found.operands[0].operands[2], Not)


def test_date_is_no_subtraction() -> None:
    found = condition("subject.born == 1990-04-01")

    assert isinstance(found, Compare)
    assert isinstance(found.right, Literal)
    assert found.right.kind is LiteralKind.DATE


def test_between_and_its_zone_belong_together() -> None:
    found = condition('now between 09:00 and 17:30 in "Europe/Berlin" and x')

    assert isinstance(found, And)
    between = found.operands[0]
    assert isinstance(between, Between)
    assert isinstance(between.high, Literal)
    assert between.high.value == 17 * 60 + 30
    assert between.zone is not None


def test_sums_group_from_the_left() -> None:
    found = condition("now - 1 day + 2 days < x")

    assert isinstance(found, Compare)
    assert isinstance(found.left, Arithmetic)
    assert found.left.sign == 1
    assert isinstance(found.left.left, Arithmetic)


def test_numbers_are_exact() -> None:
    found = condition("x == 0.1")

    assert isinstance(found, Compare)
    assert isinstance(found.right, Literal)
    assert found.right.value == Decimal("0.1")


def test_keyword_is_also_a_root_and_a_basis() -> None:
    data, basis, when = clauses("data customer.permit.when basis consent when consent is explicit")

    assert data.word is ClauseWord.DATA
    assert basis.word is ClauseWord.BASIS
    assert isinstance(when.value, Is)
    assert isinstance(when.value.left, Ref)
    assert when.value.left.name.text == "consent"


def test_calendar_and_exact_lengths_stay_apart() -> None:
    result = parse("purpose a { keep 90 days consent lasts 2 years }")

    purpose = result.module.declarations[0]
    assert isinstance(purpose, PurposeDecl)
    keep, lasts = purpose.clauses
    assert isinstance(keep.value, DurationRef)
    assert isinstance(lasts.value, DurationRef)
    assert keep.value.value == Duration(micros=90 * 86_400_000_000)
    assert lasts.value.value == Duration(months=24)
    assert lasts.word is ClauseWord.CONSENT_LASTS
    assert lasts.word_span.end - lasts.word_span.start == len("consent lasts")


def test_regime_keeps_clauses_sets_and_rules() -> None:
    result = parse('regime g { version "1" governs otherwise set s = [] permit p forbid q {} }')

    regime = result.module.declarations[0]
    assert isinstance(regime, RegimeDecl)
    assert (len(regime.clauses), len(regime.sets)) == (2, 1)
    assert [rule.word for rule in regime.rules] == [RuleWord.PERMIT, RuleWord.FORBID]


def test_facts_events_and_pairs_of_a_test_are_told_apart() -> None:
    result = parse(
        "test t { given subject { a = 1, } given objected on 2026-01-01 given gave m under g "
        'under notice "2" to role "x" received 2026-01-02T00:00:00Z on 2026-01-01 '
        'check anyone may read a, b for m to controller "c" { z = true } expect deny r with o }'
    )

    test = result.module.declarations[0]
    assert isinstance(test, PolicyTest)
    assert (len(test.facts), len(test.events), len(test.checks)) == (1, 2, 1)
    assert test.events[0].what is None
    assert [part.word.value for part in test.events[1].parts] == [
        "under", "under notice", "to", "received",
    ]  # fmt: skip
    check, expect = test.checks[0]
    assert check.recipient_facts[0].key.text == "z"
    assert expect.obligations[0].text == "o"


def test_every_span_covers_its_own_text() -> None:
    text = 'permit x "y" {\n    who role "a"\n}\n'

    rule = parse(text).module.declarations[0]

    assert isinstance(rule, RuleDecl)
    clause = rule.clauses[0]
    assert text[rule.span.start : rule.span.end] == text.strip()
    assert text[clause.span.start : clause.span.end] == 'who role "a"'
    assert (clause.span.line, clause.span.column) == (2, 5)
    assert text[clause.word_span.start : clause.word_span.end] == "who"


def test_windows_line_ends_keep_positions() -> None:
    result = parse("tag a\r\ntag b {\r\n")

    assert (result.diagnostics[0].span or None) is not None
    assert result.diagnostics[0].span is not None
    assert (result.diagnostics[0].span.line, result.diagnostics[0].span.column) == (2, 7)


def test_declarations_around_a_mistake_are_kept() -> None:
    result = parse("tag a\nnonsense b {\n  data x { }\n}\ntag c\nforbid d { zzzzzz x }\ntag e\n")

    assert codes(result.diagnostics) == ["P121", "P122"]
    assert len(result.module.declarations) == 3


def test_declaration_that_lacks_its_block_is_told_where_it_stops() -> None:
    for text in ("attributes subject\ntag a\n", "attributes subject\n"):
        result = parse(text)

        assert codes(result.diagnostics) == ["P120"], text


def test_closing_braces_of_a_block_given_up_say_nothing() -> None:
    result = parse("regime a {\n  permit b {\n    zzzzzz x\nforbid c {\n  when d\n}\n}\n}\ntag e\n")

    assert codes(result.diagnostics) == ["P122"]


def test_only_the_first_fifty_problems_are_kept_and_the_rest_counted() -> None:
    result = parse("tag a;\n" * 70)

    assert len(result.diagnostics) == 51
    assert result.diagnostics[-1].code == "P114"
    assert result.diagnostics[-1].title.startswith("20 more")


def test_file_over_the_size_limit_is_refused_before_it_is_read() -> None:
    assert codes(parse("#" + "x" * 1024 * 1024).diagnostics) == ["P113"]
    assert codes(parse("#" + "x" * (1024 * 1024 - 1)).diagnostics) == []


def test_size_is_counted_in_bytes() -> None:
    assert codes(parse("#äää", Limits(max_bytes=6)).diagnostics) == ["P113"]


def test_one_declaration_too_many_is_refused() -> None:
    assert codes(parse("tag a\n" * 3, Limits(max_declarations=3)).diagnostics) == []
    assert codes(parse("tag a\n" * 4, Limits(max_declarations=3)).diagnostics) == ["P113"]


@pytest.mark.parametrize(
    "text",
    [
        "(" * 2**18,
        "forbid x { when " + "(" * 2**18,
        "forbid x { when " + "not " * 2**16,
        "data x {" + "a{" * 2**17,
        "forbid x { when a" + " + b" * 2**15 + "}",
        "\x00" * 2**18,
        '"' * 2**18,
        "9" * 2**18,
        "\\" * 2**18,
        "}" * 2**16,
    ],
    ids=["brackets", "parens", "nots", "tree", "sum", "nul", "quotes", "digits", "odd", "closers"],
)
def test_hostile_text_ends_in_a_message(text: str) -> None:
    result = parse(text)

    assert result.has_errors
    assert len(result.diagnostics) <= 51


def test_long_chain_is_not_deep() -> None:
    found = condition(" and ".join(["a"] * 10_001))

    assert isinstance(found, And)
    assert len(found.operands) == 10_001


@pytest.mark.parametrize("seed", range(150))
def test_mutated_text_never_raises(seed: int) -> None:
    chance = random.Random(seed)  # a fixed seed: no run differs from another
    text = VALID
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(text))
        until = at + chance.choice([0, 1, 1, 2, 20])
        new = chance.choice(
            ["", "{", "}", '"', "(", "not ", "permit ", "\x00", "é", "#", "0", ",", "\n"]
        )
        text = text[:at] + new + text[until:]

    result = parse(text)

    assert len(result.diagnostics) <= 51
    for one in result.diagnostics:
        assert one.span is not None
        assert 0 <= one.span.start <= one.span.end <= len(text)
