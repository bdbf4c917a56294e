"""Lowering: the functions agree with Kleene's tables, share code, and never go deep."""

from __future__ import annotations

import marshal
import types
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consentry.compiler.conditions import ConditionCompiler, ConditionRole
from consentry.compiler.symbols import Symbols
from consentry.diagnostics.span import Span
from consentry.lang.tree import And, Compare, Expr, Literal, Not, Or
from consentry.model.operators import NAMESPACE
from consentry.model.tri import Tri, tri_and, tri_not, tri_or
from tests.support.conditions_world import compile_world, compiled, expression, facts, link

SPAN = Span("t.policy", 0, 1, 1, 1)
WORLD = compile_world()
ATOMS = {
    'subject.country == "a"': ("subject", "country"),
    'principal.team == "a"': ("principal", "team"),
    'context.ticket like "a"': ("context", "ticket"),
    "subject.country == principal.team": None,
    "action == read": None,
    "action == write": None,
    "has subject.country": None,
    "consented(service)": None,
}
TREES = {text: expression(text) for text in ATOMS}
VALUES = st.sampled_from(["a", "b", None])


def chains(children: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    parts = st.lists(children, min_size=2, max_size=8).map(tuple)
    return st.one_of(
        children.map(lambda part: Not(operand=part, span=SPAN)),
        parts.map(lambda many: And(operands=many, span=SPAN)),
        parts.map(lambda many: Or(operands=many, span=SPAN)),
    )


EXPRESSIONS = st.recursive(st.sampled_from(list(TREES.values())), chains, max_leaves=30)


def naive(expr: Expr, values: dict[str, Tri]) -> Tri:
    match expr:
        case And():
            result: Tri = 2
            for part in expr.operands:
                result = tri_and(result, naive(part, values))
            return result
        case Or():
            result = 0
            for part in expr.operands:
                result = tri_or(result, naive(part, values))
            return result
        case Not():
            return tri_not(naive(expr.operand, values))
        case _:
            return values[next(text for text, tree in TREES.items() if tree == expr)]


def same(left: str | None, right: str | None) -> Tri:
    if left is None or right is None:
        return 1
    return 2 if left == right else 0


@settings(max_examples=100, deadline=None)
@given(
    expr=EXPRESSIONS, country=VALUES, team=VALUES, ticket=VALUES, other=st.sampled_from([0, 1, 2])
)
def test_functions_agree_with_the_tables_of_kleene(
    expr: Expr, country: str | None, team: str | None, ticket: str | None, other: Tri
) -> None:
    compiler = ConditionCompiler(WORLD)
    condition = compiler.compile_condition(
        whens=[expr], unlesses=[expr], regime="", role=ConditionRole.OBLIGE
    )
    single = compiler.compile_condition(
        whens=[expr], unlesses=[], regime="", role=ConditionRole.OBLIGE
    )
    run = link(compiler)
    sent: dict[str, Any] = {"consented": lambda index, words: other}
    for owner, name, value in (
        ("subject", "country", country),
        ("principal", "team", team),
        ("context", "ticket", ticket),
    ):
        sent[owner] = {} if value is None else {name: value}
    f = facts(WORLD, **sent)
    expected = naive(
        expr,
        {
            'subject.country == "a"': same(country, "a"),
            'principal.team == "a"': same(team, "a"),
            'context.ticket like "a"': same(ticket, "a"),
            "subject.country == principal.team": same(country, team),
            "action == read": 2,
            "action == write": 0,
            "has subject.country": 0 if country is None else 2,
            "consented(service)": other,
        },
    )

    assert condition is not None
    assert single is not None
    assert run(single.code, f) == expected
    assert run(condition.code, f) == tri_and(expected, tri_not(expected))


@pytest.fixture(scope="module")
def symbols() -> Symbols:
    return WORLD


@pytest.mark.parametrize("word", ["and", "or"])
def test_long_chain_is_flat_code(symbols: Symbols, word: str) -> None:
    one = TREES['subject.country == "a"']
    assert isinstance(one, Compare)
    assert isinstance(one.right, Literal)
    parts = tuple(replace(one, right=replace(one.right, value=f"c{i}")) for i in range(10_000))
    kind = And if word == "and" else Or
    compiler = ConditionCompiler(symbols)
    compiler.compile_condition(
        whens=[kind(operands=parts, span=SPAN)],
        unlesses=[],
        regime="",
        role=ConditionRole.OBLIGE,
    )
    run = link(compiler)

    assert run(0, facts(symbols, subject={"country": "c9999"})) == (2 if word == "or" else 0)
    assert run(0, facts(symbols)) == 1


def test_deep_nesting_compiles_up_to_the_limit(symbols: Symbols) -> None:
    expr = TREES["action == write"]
    good = TREES['subject.country == "a"']
    for level in range(37):
        parts = (good, expr, good)
        expr = And(operands=parts, span=SPAN) if level % 2 else Or(operands=parts, span=SPAN)
    compiler = ConditionCompiler(symbols)
    condition = compiler.compile_condition(
        whens=[expr], unlesses=[], regime="", role=ConditionRole.OBLIGE
    )
    run = link(compiler)

    assert condition is not None
    assert run(condition.code, facts(symbols, subject={"country": "a"})) == 2


def test_too_deep_a_condition_is_a_diagnostic(symbols: Symbols) -> None:
    expr = TREES["action == write"]
    for _ in range(50_000):
        expr = Not(operand=expr, span=SPAN)
    compiler = ConditionCompiler(symbols)

    condition = compiler.compile_condition(
        whens=[expr], unlesses=[], regime="", role=ConditionRole.OBLIGE
    )

    assert condition is None
    assert [d.code for d in compiler.diagnostics] == ["T316"]


def test_equal_conditions_share_their_functions(symbols: Symbols) -> None:
    compiler = ConditionCompiler(symbols)
    texts = ['subject.country == "a"', 'subject.country == "a"', 'subject.country == "b"']
    numbers = [
        condition.code
        for i, text in enumerate(texts)
        if (
            condition := compiler.compile_condition(
                whens=[expression(" " * i + text)],
                unlesses=[],
                regime="",
                role=ConditionRole.FORBID,
            )
        )
    ]

    assert numbers == [0, 0, 1]
    # Each place is warned about, shared or not.
    assert [d.code for d in compiler.diagnostics] == ["W850"] * 3


def test_no_text_of_the_author_becomes_a_name_in_the_code(symbols: Symbols) -> None:
    """Names and attributes in the generated code come from a closed list."""
    compiler = ConditionCompiler(symbols)
    for text in ('subject.country == "__import__"', 'context.ticket like "evil*"', *ATOMS):
        compiler.compile_condition(
            whens=[expression(text)], unlesses=[], regime="", role=ConditionRole.OBLIGE
        )
    code, _ = compiler.build()
    allowed = {*NAMESPACE, *vars(type(facts(symbols))), "K", "get"}

    names: set[str] = set()
    stack = [marshal.loads(code)]
    while stack:
        part: types.CodeType = stack.pop()
        names |= set(part.co_names)
        stack += [c for c in part.co_consts if isinstance(c, types.CodeType)]

    assert {n for n in names if not n.removeprefix("c").isdigit()} <= allowed


def test_true_one_and_one_point_nought_stay_apart(symbols: Symbols) -> None:
    flag, run_flag = compiled(symbols, "subject.vip == subject.vip and subject.vip")
    number, run_number = compiled(symbols, "context.tries == 1")

    assert run_flag(flag.code, facts(symbols, subject={"vip": True})) == 2
    assert run_number(number.code, facts(symbols, context={"tries": 1})) == 2
