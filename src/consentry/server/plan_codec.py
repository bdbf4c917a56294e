"""Plans on the wire."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from consentry.model.values import Scalar, datetime_of, time_us
from consentry.plan.filters import Every, Filter, Holds, Op, Some, scalars
from consentry.plan.planner import Duties
from consentry.plan.sql import Dialect, Parameter, Sql, Table
from consentry.server.codec import wire_mask
from consentry.server.faults import Faults
from consentry.server.text_checks import find_text_fault
from consentry.server.wire_values import timestamp_of
from consentry.v1 import decision_pb2 as shapes
from consentry.v1 import plan_pb2 as wire

_DIALECTS: Final = {
    wire.SQL_DIALECT_SQLITE: Dialect.SQLITE,
    wire.SQL_DIALECT_POSTGRESQL: Dialect.POSTGRESQL,
}
_MAX_COLUMNS: Final = 64


def decode_target(target: wire.SqlTarget, faults: Faults) -> tuple[Table, Dialect]:
    """Whose table it is to be SQL for; what is wrong goes to `faults`."""
    dialect = _DIALECTS.get(target.dialect)
    if dialect is None:
        faults.add("sql.dialect", "unknown_value")
    named = {
        "sql.id_column": target.id_column,
        "sql.alias": target.alias,
        "sql.members_table": target.members_table,
    }
    if len(target.columns) > _MAX_COLUMNS:
        faults.add("sql.columns", "too_many")
    else:
        for attribute, column in target.columns.items():
            named |= {"sql.columns": column, f"sql.columns[{attribute[:64]}]": attribute}
            if not column:
                faults.add("sql.columns", "required")
    for field, text in named.items():
        if text and (fault := find_text_fault(text, 128)) is not None:
            faults.add(field, fault)
    table = Table(
        id_column=target.id_column or "id",
        columns=dict(target.columns),
        alias=target.alias,
        members=target.members_table or "consentry_members",
    )
    return table, dialect or Dialect.SQLITE


def encode_members(members: Iterable[tuple[str, int]]) -> bytes:
    """One message of members."""
    part = wire.Members()
    for data_subject_id, number in members:
        entry = part.members.add(subject=data_subject_id)
        setattr(entry, "class", number)
    return wire.PlanResponse(members=part).SerializeToString()


def encode_plan(
    *,
    filters: Iterable[Filter],
    sql: Sql | None,
    duties: Duties,
    reasons: Iterable[str],
    digest: str,
    position: int,
    at_us: int,
    valid_until_us: int | None,
) -> bytes:
    """The last message: the plan itself."""
    plan = wire.QueryPlan(
        filters=[encode_filter(one) for one in filters],
        sql=None if sql is None else _encode_sql(sql),
        masks=[
            wire.LeafMask(data=leaf, mask=wire_mask(mask))
            for leaf, mask in sorted(duties.masks.items())
        ],
        obligations=[shapes.Obligation(name=o.name, text=o.text) for o in duties.obligations],
        reasons=reasons,
        policy_digest=digest,
        ledger_position=position,
        at=timestamp_of(at_us),
        valid_until=None if valid_until_us is None else timestamp_of(valid_until_us),
    )
    return wire.PlanResponse(plan=plan).SerializeToString()


def encode_filter(filter_: Filter) -> wire.Filter:
    """A filter as a tree of messages."""
    match filter_:
        case Every(items):
            return wire.Filter(every=wire.FilterList(filters=[encode_filter(i) for i in items]))
        case Some(items):
            return wire.Filter(some=wire.FilterList(filters=[encode_filter(i) for i in items]))
    return wire.Filter(test=_encode_test(filter_))


def _encode_test(test: Holds) -> wire.FilterTest:
    value = None
    if test.op in (Op.LIKE, Op.NOT_LIKE):
        value = shapes.Value(text="*".join(str(part) for part in scalars(test.value)))
    elif isinstance(test.value, tuple):
        values = [_encode_scalar(test.type, one) for one in test.value]
        value = shapes.Value(list=shapes.ValueList(values=values))
    elif test.value is not None:
        value = _encode_scalar(test.type, test.value)
    return wire.FilterTest(
        attribute=test.attribute, type=test.type, op=test.op.value, value=value, other=test.other
    )


def _encode_sql(sql: Sql) -> wire.Sql:
    return wire.Sql(text=sql.text, parameters=[_encode_parameter(one) for one in sql.parameters])


def _encode_scalar(type_name: str, value: Scalar) -> shapes.Value:
    if type_name == "time" and isinstance(value, int):
        return _encode_parameter(datetime_of(value))
    assert isinstance(value, str | int | Decimal | date)
    return _encode_parameter(value)


def _encode_parameter(value: Parameter) -> shapes.Value:
    match value:
        case bool():
            return shapes.Value(flag=value)
        case int() if -(1 << 63) <= value < 1 << 63:
            return shapes.Value(number=value)
        case str():
            return shapes.Value(text=value)
        case datetime():
            return shapes.Value(time=timestamp_of(time_us(value)))
        case date():
            return shapes.Value(date=value.isoformat())
    return shapes.Value(decimal=str(value))
