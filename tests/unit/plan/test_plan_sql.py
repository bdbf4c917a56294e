"""Filters as SQL: quoted names, values as parameters only, and exactness or refusal."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import date
from decimal import Decimal

import pytest

from consentry.model.values import midnight_us
from consentry.plan.filters import ALWAYS, NEVER, Filter, Holds, Op
from consentry.plan.sql import Dialect, SqlError, Table, where

SQLITE, POSTGRESQL = Dialect.SQLITE, Dialect.POSTGRESQL
TIER = Holds("tier", "text", Op.EQ, "x'; DROP TABLE customers; --")


def test_no_value_becomes_text() -> None:
    for dialect in Dialect:
        sql = where([TIER], Table(), dialect)
        assert "DROP" not in sql.text
        assert sql.parameters == (TIER.value,)


def test_names_are_quoted() -> None:
    table = Table(columns={"tier": 'a"b'}, alias="c d", members='m"')
    sql = where([TIER, ALWAYS], table, POSTGRESQL)
    assert '"c d"."a""b"' in sql.text
    assert '"m"""' in sql.text


@pytest.mark.parametrize("name", ["", "a\x00b"])
def test_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(SqlError):
        where([TIER], Table(columns={"tier": name}), SQLITE)


@pytest.mark.parametrize(
    ("filters", "text"),
    [
        ([NEVER], "1 = 0"),
        ([ALWAYS], "(1 = 1)"),
        ([NEVER, NEVER], "1 = 0"),
    ],
)
def test_everybody_and_nobody_need_no_members(filters: list[Filter], text: str) -> None:
    assert where(filters, Table(), SQLITE).text == text


def test_members_have_the_filter_of_their_class_and_all_others_the_first() -> None:
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("CREATE TABLE c (id TEXT, tier TEXT)")
        database.executemany("INSERT INTO c VALUES (?, ?)", [(n, "gold") for n in "abcd"])
        database.execute("CREATE TABLE consentry_members (data_subject TEXT, class INTEGER)")
        database.execute("INSERT INTO consentry_members VALUES ('a', 1), ('b', 2), ('c', 3)")
        gold, tin = (Holds("tier", "text", Op.EQ, name) for name in ("gold", "tin"))
        sql = where([gold, NEVER, tin, ALWAYS], Table(), SQLITE)
        found = database.execute(f"SELECT id FROM c WHERE {sql.text}", sql.parameters)
        assert {row[0] for row in found} == {"c", "d"}


@pytest.mark.parametrize(
    ("type_name", "value", "sqlite", "postgresql"),
    [
        ("flag", True, 1, True),
        ("date", date(2026, 5, 1), "2026-05-01", date(2026, 5, 1)),
        ("number", Decimal("2.5"), 2.5, Decimal("2.5")),
        ("number", Decimal("3.0"), 3, Decimal("3.0")),
        ("number", 7, 7, 7),
    ],
)
def test_values_stand_as_each_database_holds_them(
    type_name: str, value: object, sqlite: object, postgresql: object
) -> None:
    test = Holds("v", type_name, Op.EQ, value)  # type: ignore[arg-type]
    assert where([test], Table(), SQLITE).parameters == (sqlite,)
    assert where([test], Table(), POSTGRESQL).parameters == (postgresql,)


def test_time_is_microseconds_or_an_aware_moment() -> None:
    test = Holds("v", "time", Op.LT, midnight_us(date(2026, 5, 1)))
    assert where([test], Table(), SQLITE).parameters == (1_777_593_600_000_000,)
    (moment,) = where([test], Table(), POSTGRESQL).parameters
    assert str(moment) == "2026-05-01 00:00:00+00:00"


@pytest.mark.parametrize(
    "test",
    [
        Holds("v", "number", Op.EQ, 1 << 63),
        Holds("v", "number", Op.EQ, Decimal("0.12345678901234567890123")),
        Holds("v", "text", Op.EQ, "a\x00b"),
        Holds("v", "text", Op.LIKE, ("a\x00", "")),
        Holds("v", "duration", Op.EQ, 1),
        Holds("v", "text", Op.IN, tuple(str(number) for number in range(30_001))),
    ],
)
def test_what_cannot_be_said_exactly_is_refused(test: Holds) -> None:
    with pytest.raises(SqlError):
        where([test], Table(), SQLITE)


@pytest.mark.parametrize(
    ("pattern", "sqlite", "postgresql"),
    [
        (("a", ""), "a*", "a%"),
        (("?[", "x"), "?[[]*x", "_[%x"),
        (("50%_\\",), "50%_\\", "50\\%\\_\\\\"),
    ],
)
def test_patterns_keep_their_meaning(
    pattern: tuple[str, ...], sqlite: str, postgresql: str
) -> None:
    test = Holds("v", "text", Op.LIKE, pattern)
    assert where([test], Table(), SQLITE).parameters == (sqlite,)
    assert where([test], Table(), POSTGRESQL).parameters == (postgresql,)
