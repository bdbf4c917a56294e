"""A filter for people to read, and as plain values for JSON."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any, Final

from consentry.model.values import Scalar, datetime_of
from consentry.plan.filters import Every, Filter, Holds, Op, scalars

_INDENT: Final = "    "


def filter_json(filter_: Filter) -> dict[str, Any]:
    """`{"every": […]}`, `{"some": […]}` or one test; of no items: everybody, nobody."""
    if isinstance(filter_, Holds):
        told: dict[str, Any] = {"attribute": filter_.attribute, "op": filter_.op.value}
        if filter_.other:
            return told | {"other": filter_.other}
        if filter_.op in (Op.LIKE, Op.NOT_LIKE):
            return told | {"value": _pattern(filter_)}
        values = [_plain(filter_, value) for value in scalars(filter_.value)]
        if filter_.op in (Op.IN, Op.NOT_IN):
            return told | {"value": values}
        return told | ({"value": values[0]} if values else {})
    word = "every" if isinstance(filter_, Every) else "some"
    return {word: [filter_json(item) for item in filter_.items]}


def filter_text(filter_: Filter, depth: int = 0) -> str:
    """The filter over several lines, in the words of the policy language where it has any."""
    margin = _INDENT * depth
    if isinstance(filter_, Holds):
        return f"{margin}{_test(filter_)}"
    is_every = isinstance(filter_, Every)
    if not filter_.items:
        return f"{margin}{'everybody' if is_every else 'nobody'}"
    head = f"{margin}{'all of' if is_every else 'any of'}"
    return "\n".join([head, *(filter_text(item, depth + 1) for item in filter_.items)])


def _test(test: Holds) -> str:
    name = f"subject.{test.attribute}"
    if test.op is Op.PRESENT:
        return f"has {name}"
    if test.op is Op.ABSENT:
        return f"not has {name}"
    if test.other:
        return f"{name} {test.op} subject.{test.other}"
    if test.op in (Op.LIKE, Op.NOT_LIKE):
        return f'{name} {test.op} "{_pattern(test)}"'
    values = [_shown(test, value) for value in scalars(test.value)]
    listed = f"[{', '.join(values)}]" if test.op in (Op.IN, Op.NOT_IN) else values[0]
    return f"{name} {test.op} {listed}"


def _pattern(test: Holds) -> str:
    return "*".join(str(part) for part in scalars(test.value))


def _plain(test: Holds, value: Scalar) -> str | int | bool:
    if test.type == "time" and isinstance(value, int):
        return datetime_of(value).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    assert isinstance(value, str | int)
    return value


def _shown(test: Holds, value: Scalar) -> str:
    plain = _plain(test, value)
    if isinstance(plain, bool):
        return str(plain).lower()
    return f'"{plain}"' if test.type == "text" else str(plain)
