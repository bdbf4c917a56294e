"""A filter as a condition of SQL: text with placeholders, and the values for them.

No value ever becomes text, and a column's name only as a quoted identifier. What a dialect cannot
say exactly is refused.

| type   | SQLite                              | PostgreSQL                                 |
| ------ | ----------------------------------- | ------------------------------------------ |
| text   | TEXT                                | text, varchar; a deterministic collation   |
| number | INTEGER or REAL                     | integer types, numeric                     |
| flag   | INTEGER, 0 or 1                     | boolean                                    |
| date   | TEXT, `2026-05-01`                  | date                                       |
| time   | INTEGER, microseconds since 1970    | timestamptz                                |

A NULL is an absent attribute.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final, TypeAlias

from consentry.model.values import Scalar, datetime_of
from consentry.plan.filters import ALWAYS, NEVER, Every, Filter, Holds, Op, scalars

Parameter: TypeAlias = str | int | float | bool | date | datetime | Decimal

MAX_PARAMETERS: Final = 30_000
"""Values in one condition; both databases take as many."""
_WORDS: Final[Mapping[Op, str]] = {
    Op.EQ: "=",
    Op.NE: "<>",
    Op.LT: "<",
    Op.LE: "<=",
    Op.GT: ">",
    Op.GE: ">=",
    Op.IN: "IN",
    Op.NOT_IN: "NOT IN",
}


class Dialect(StrEnum):
    """Whose SQL it is, and with it what stands for a value: `?` or `$1`."""

    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"


class SqlError(ValueError):
    """The filter cannot be said in this dialect, or a column is missing; the text says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The caller's own table.

    `columns` names the column of each attribute of the data subject; an attribute that it leaves
    out stands in the column of its own name. `id_column` holds who the row is about. `alias`, where
    given, stands before each. `members` is the table with what the ledger says: columns
    `data_subject` and `class`.
    """

    id_column: str = "id"
    columns: Mapping[str, str] = field(default_factory=dict)
    alias: str = ""
    members: str = "consentry_members"

    def column(self, attribute: str) -> str:
        """The quoted column of an attribute."""
        name = self.id_column if attribute == "id" else self.columns.get(attribute, attribute)
        quoted = quote(name)
        return f"{quote(self.alias)}.{quoted}" if self.alias else quoted


@dataclass(frozen=True, slots=True)
class Sql:
    """A condition for a WHERE, and the values of its placeholders in order."""

    text: str
    parameters: tuple[Parameter, ...]


def quote(identifier: str) -> str:
    """A name as SQL's quoted identifier.

    Raises:
        SqlError: it is empty or holds a NUL.
    """
    if not identifier or "\x00" in identifier:
        raise SqlError("a column or table needs a name")
    return '"' + identifier.replace('"', '""') + '"'


def where(filters: Sequence[Filter], table: Table, dialect: Dialect) -> Sql:
    """Selects the rows of everybody whom his own filter selects.

    `filters[0]` is for people whom `members` does not name, `filters[n]` for those of class `n`.

    Raises:
        SqlError: the dialect cannot say it.
    """
    writer = _Writer(table, dialect)
    who = table.column("id")
    # Quoted names only, and no value.
    named = f"SELECT 1 FROM {quote(table.members)} AS m WHERE m.data_subject = {who}"  # noqa: S608
    parts = []
    for number, filter_ in enumerate(filters):
        if filter_ == NEVER:
            continue
        if number:
            known = f"EXISTS ({named} AND m.class = {number})"
        else:
            known = f"NOT EXISTS ({named})" if len(filters) > 1 else ""
        said = "" if filter_ == ALWAYS else writer.write(filter_)
        parts.append(" AND ".join(f"({part})" for part in (known, said) if part) or "1 = 1")
    text = " OR ".join(f"({part})" for part in parts) if parts else "1 = 0"
    return Sql(text, tuple(writer.parameters))


class _Writer:
    def __init__(self, table: Table, dialect: Dialect) -> None:
        self.parameters: list[Parameter] = []
        self._table = table
        self._dialect = dialect

    def write(self, filter_: Filter) -> str:
        if isinstance(filter_, Holds):
            return self._test(filter_)
        if not filter_.items:
            return "1 = 1" if isinstance(filter_, Every) else "1 = 0"
        word = " AND " if isinstance(filter_, Every) else " OR "
        return word.join(f"({self.write(item)})" for item in filter_.items)

    def _test(self, test: Holds) -> str:
        column = self._table.column(test.attribute)
        match test.op:
            case Op.PRESENT:
                return f"{column} IS NOT NULL"
            case Op.ABSENT:
                return f"{column} IS NULL"
            case Op.LIKE | Op.NOT_LIKE:
                return self._like(column, test)
            case Op.IN | Op.NOT_IN:
                values = scalars(test.value)
                if not values:
                    return "1 = 0" if test.op is Op.IN else f"{column} IS NOT NULL"
                listed = ", ".join(self._value(test, value) for value in values)
                return f"{self._binary(column, test)} {_WORDS[test.op]} ({listed})"
        (value,) = scalars(test.value) or ("",)
        other = self._table.column(test.other) if test.other else self._value(test, value)
        return f"{self._binary(column, test)} {_WORDS[test.op]} {other}"

    def _binary(self, column: str, test: Holds) -> str:
        """The column, compared character by character whatever it was declared with."""
        is_text = test.type == "text" and self._dialect is Dialect.SQLITE
        return f"{column} COLLATE BINARY" if is_text else column

    def _like(self, column: str, test: Holds) -> str:
        parts = [str(part) for part in scalars(test.value)]
        negation = "NOT " if test.op is Op.NOT_LIKE else ""
        if self._dialect is Dialect.SQLITE:
            # GLOB tells small letters from capitals, and its wildcards are the language's own.
            pattern = "*".join(part.replace("[", "[[]") for part in parts)
            return f"{column} {negation}GLOB {self._place(self._text(pattern))}"
        escaped = [part.translate(_ESCAPED).replace("?", "_") for part in parts]
        place = self._place(self._text("%".join(escaped)))
        return f"{column} {negation}LIKE {place} ESCAPE '\\'"

    def _value(self, test: Holds, value: Scalar) -> str:
        return self._place(self._shown(test, value))

    def _place(self, value: Parameter) -> str:
        self.parameters.append(value)
        if len(self.parameters) > MAX_PARAMETERS:
            raise SqlError(f"the condition names more than {MAX_PARAMETERS} values")
        return "?" if self._dialect is Dialect.SQLITE else f"${len(self.parameters)}"

    def _text(self, text: str) -> str:
        if "\x00" in text:
            raise SqlError("a text with a NUL cannot stand in a column")
        return text

    def _shown(self, test: Holds, value: Scalar) -> Parameter:
        is_sqlite = self._dialect is Dialect.SQLITE
        match test.type, value:
            case "text", str():
                return self._text(value)
            case "flag", bool():
                return int(value) if is_sqlite else value
            case "date", date():
                return value.isoformat() if is_sqlite else value
            case "time", int():
                return value if is_sqlite else datetime_of(value)
            case "number", int():
                return self._whole(value)
            case "number", Decimal():
                return self._fraction(value) if is_sqlite else value
        raise SqlError(f"a {test.type} cannot be compared in {self._dialect.value}")

    def _whole(self, value: int) -> Parameter:
        if -(1 << 63) <= value < 1 << 63:
            return value
        if self._dialect is Dialect.SQLITE:
            raise SqlError(f"{value} is beyond what SQLite can compare exactly")
        return Decimal(value)

    def _fraction(self, value: Decimal) -> Parameter:
        """As the binary number that a REAL column holds for it, if that tells it apart."""
        if value == value.to_integral_value():
            return self._whole(int(value))
        if Decimal(repr(float(value))) != value:
            raise SqlError(f"{value} is finer than SQLite can compare")
        return float(value)


_ESCAPED: Final = {ord(character): f"\\{character}" for character in "\\%_"}
