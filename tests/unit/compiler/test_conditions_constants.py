"""Constants of a wanted type: defaults, items of sets, facts of tests."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from ipaddress import ip_address

import pytest

from consentry.compiler.conditions import ConditionCompiler
from consentry.compiler.symbols import Symbols
from consentry.lang.tree import Compare, Expr
from consentry.model.values import Duration, Value, midnight_us
from tests.support.conditions_world import compile_world, expression


@pytest.fixture(scope="module")
def symbols() -> Symbols:
    return compile_world()


def right_side(text: str) -> Expr:
    compare = expression(f"subject.country == {text}")
    assert isinstance(compare, Compare)
    return compare.right


@pytest.mark.parametrize(
    ("text", "type_name", "value"),
    [
        ('"x"', "text", "x"),
        ("1", "number", 1),
        ("1.5", "number", Decimal("1.5")),
        ("true", "flag", True),
        ("2026-01-01", "date", date(2026, 1, 1)),
        ("2026-01-01", "time", midnight_us(date(2026, 1, 1))),
        ("2 years", "duration", Duration(months=24)),
        ("2 days", "duration", Duration(micros=2 * 86_400_000_000)),
        ('"10.0.0.1"', "ip", ip_address("10.0.0.1")),
        ('"::ffff:10.0.0.1"', "ip", ip_address("10.0.0.1")),
        ('["a", "b"]', "list of text", ("a", "b")),
        ("[]", "list of number", ()),
    ],
)
def test_constant_has_the_value_of_its_type(
    symbols: Symbols, text: str, type_name: str, value: Value
) -> None:
    compiler = ConditionCompiler(symbols)

    found = compiler.constant(right_side(text), type_name)

    assert found == value
    assert type(found) is type(value)
    assert compiler.diagnostics == []


@pytest.mark.parametrize(
    ("text", "type_name", "code"),
    [
        ('"1"', "number", "T317"),
        ("1", "text", "T317"),
        ("true", "number", "T317"),
        ("1", "flag", "T317"),
        ('"2026-01-01"', "date", "T317"),
        ("2026-01-01T00:00:00Z", "date", "T317"),
        ("3", "duration", "T317"),
        ('"10.0.0"', "ip", "T319"),
        ('"fe80::1%eth0"', "ip", "T319"),
        ('["a", 1]', "list of text", "T317"),
        ('"a"', "list of text", "T317"),
        ('["a"]', "text", "T317"),
        ("subject.country", "text", "T317"),
        ("now", "time", "T317"),
    ],
)
def test_wrong_constant_is_a_diagnostic(
    symbols: Symbols, text: str, type_name: str, code: str
) -> None:
    compiler = ConditionCompiler(symbols)

    assert compiler.constant(right_side(text), type_name) is None
    assert [d.code for d in compiler.diagnostics] == [code]
