"""A question about everybody: which rows of a table of your own a job may touch.

    plan = consentry.plan(
        principal=job("newsletter"),
        action="contact",
        data="customer.contact.email",
        purpose="marketing.email",
        channel="email",
        sql=SqlTable("sqlite", columns={"country": "country_code"}),
    )
    plan.save_members(connection)          # a DB-API connection to the database of the table
    rows = connection.execute(f"SELECT * FROM customers WHERE {plan.where}", plan.parameters)

A plan is as of one moment. A job that goes on for longer checks each person before it acts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias, Unpack

from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from consentry.client.decision import Mask, Obligation, mask_of
from consentry.client.errors import ConsentryError
from consentry.client.questions import PlanFields, question
from consentry.v1 import authorization_pb2, decision_pb2, plan_pb2

Parameter: TypeAlias = str | int | float | bool | Decimal | date | datetime
_MEMBERS_TABLE: Final = "consentry_members"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DIALECTS: Final = {
    "sqlite": plan_pb2.SQL_DIALECT_SQLITE,
    "postgresql": plan_pb2.SQL_DIALECT_POSTGRESQL,
}


@dataclass(frozen=True, slots=True)
class SqlTable:
    """Your table of people: whose SQL, and where each attribute of a person stands.

    `columns` names those that do not stand in the column of their own name. Placeholders are `?`
    for SQLite and `$1` for PostgreSQL (psycopg: `RawCursor`). `members_table` is filled from
    `Plan.members`.
    """

    dialect: Literal["sqlite", "postgresql"]
    id_column: str = "id"
    columns: Mapping[str, str] = field(default_factory=dict)
    alias: str = ""
    members_table: str = _MEMBERS_TABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Whom a job may touch, as of `ledger_position` and `at`.

    `filters` are the protocol's own messages, by class: the first is for everybody whom `members`
    does not name. `where` and `parameters` say the same in SQL, where that was asked for. `masks`
    and `obligations` hold for the data of everybody selected. `reasons` say why it is nobody, where
    the question names something that the policies do not know.
    """

    filters: tuple[plan_pb2.Filter, ...]
    members: Mapping[str, int]
    where: str
    parameters: tuple[Parameter, ...]
    masks: Mapping[str, Mask]
    obligations: tuple[Obligation, ...]
    reasons: tuple[str, ...]
    policy_digest: str
    ledger_position: int
    at: datetime
    valid_until: datetime | None
    members_table: str = _MEMBERS_TABLE

    def save_members(self, connection: Any) -> None:
        """Makes the table of members anew in SQLite, through a connection of `sqlite3`.

        For PostgreSQL make the table yourself and copy `members` into it.
        """
        name = '"' + self.members_table.replace('"', '""') + '"'
        connection.execute(f"DROP TABLE IF EXISTS {name}")
        connection.execute(
            f"CREATE TABLE {name} (data_subject TEXT PRIMARY KEY, class INTEGER) WITHOUT ROWID"
        )
        connection.executemany(f"INSERT INTO {name} VALUES (?, ?)", self.members.items())  # noqa: S608 - a quoted name


def plan_bytes(sql: SqlTable | None, **fields: Unpack[PlanFields]) -> bytes:
    """A PlanRequest.

    Raises:
        TypeError, ValueError: the question cannot be written.
    """
    asked = question(subject="", **fields)
    asked.ClearField("subject")
    request = authorization_pb2.PlanRequest(question=asked)
    if sql is not None:
        request.sql.CopyFrom(
            plan_pb2.SqlTarget(
                dialect=_DIALECTS[sql.dialect],
                id_column=sql.id_column,
                columns=sql.columns,
                alias=sql.alias,
                members_table=sql.members_table,
            )
        )
    return request.SerializeToString()


class PlanReader:
    """Takes the messages of one plan in their order."""

    def __init__(self, sql: SqlTable | None) -> None:
        self._sql: Final = sql
        self._members: dict[str, int] = {}
        self._plan: plan_pb2.QueryPlan | None = None

    def add(self, raw: bytes) -> None:
        """The next message.

        Raises:
            ConsentryError: it cannot be read.
        """
        try:
            message = plan_pb2.PlanResponse.FromString(raw)
        except DecodeError:
            raise ConsentryError("the answer cannot be read") from None
        for member in message.members.members:
            self._members[member.subject] = getattr(member, "class")
        if message.HasField("plan"):
            self._plan = message.plan

    def read(self) -> Plan:
        """The whole plan.

        Raises:
            ConsentryError: it did not come to its end, so that nothing is planned.
        """
        told = self._plan
        if told is None:
            raise ConsentryError("the plan broke off")
        convert = _for_sqlite if self._sql and self._sql.dialect == "sqlite" else _for_postgresql
        return Plan(
            filters=tuple(told.filters),
            members=self._members,
            where=told.sql.text,
            parameters=tuple(convert(value) for value in told.sql.parameters),
            masks={entry.data: mask_of(entry.mask) for entry in told.masks},
            obligations=tuple(Obligation(name=o.name, text=o.text) for o in told.obligations),
            reasons=tuple(told.reasons),
            policy_digest=told.policy_digest,
            ledger_position=told.ledger_position,
            at=_moment(told.at),
            valid_until=_moment(told.valid_until) if told.HasField("valid_until") else None,
            members_table=self._sql.members_table if self._sql else _MEMBERS_TABLE,
        )


def read_all(sql: SqlTable | None, messages: Iterable[bytes]) -> Plan:
    """The plan in all its messages.

    Raises:
        ConsentryError: it is not whole.
    """
    reader = PlanReader(sql)
    for raw in messages:
        reader.add(raw)
    return reader.read()


def _for_sqlite(value: decision_pb2.Value) -> Parameter:
    return float(value.decimal) if value.WhichOneof("kind") == "decimal" else _plain(value)


def _for_postgresql(value: decision_pb2.Value) -> Parameter:
    return Decimal(value.decimal) if value.WhichOneof("kind") == "decimal" else _plain(value)


_PLAIN: Final[Mapping[str, Callable[[decision_pb2.Value], Parameter]]] = {
    "text": lambda value: value.text,
    "number": lambda value: value.number,
    "flag": lambda value: value.flag,
    "date": lambda value: date.fromisoformat(value.date),
    "time": lambda value: _moment(value.time),
}


def _plain(value: decision_pb2.Value) -> Parameter:
    read = _PLAIN.get(value.WhichOneof("kind") or "")
    if read is None:
        raise ConsentryError("the plan has a value of an unknown kind")
    return read(value)


def _moment(stamp: Timestamp) -> datetime:
    return _EPOCH + timedelta(seconds=stamp.seconds, microseconds=stamp.nanos // 1_000)
