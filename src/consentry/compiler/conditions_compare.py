"""Comparisons: which types may meet, and the formula each pair becomes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from consentry.compiler.conditions_ir import (
    FACTS,
    NEVER,
    OPPOSITE,
    Atom,
    Binary,
    Constant,
    Loaded,
    Logic,
    Operand,
    Operator,
    Px,
    Sense,
    Touch,
    negate,
)
from consentry.compiler.conditions_names import WORD_TYPES, type_text
from consentry.compiler.conditions_values import LENGTHS, MOMENTS, Values, as_time, minus
from consentry.diagnostics.span import Span
from consentry.lang.tree import Compare, CompareOp, Expr, Literal, Ref
from consentry.model.operators import notice_order
from consentry.model.operators_time import duration_order
from consentry.model.values import Duration

_FLIPPED: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_NOW: Final = {"<": "now_lt", "<=": "now_le", ">": "now_gt", ">=": "now_ge"} | {
    "==": "now_eq",
    "!=": "now_ne",
}
_ORDERS: Final = frozenset({"<", "<=", ">", ">="})
_ORDERED: Final = MOMENTS | LENGTHS | {"number", "notice", "age"}
_TESTS: Final[dict[str, Callable[[int], bool]]] = {
    "<": lambda order: order < 0,
    "<=": lambda order: order <= 0,
    ">": lambda order: order > 0,
    ">=": lambda order: order >= 0,
    "==": lambda order: order == 0,
    "!=": lambda order: order != 0,
}


class Comparisons:
    """Types and translates comparisons of single values."""

    def __init__(self, values: Values) -> None:
        self._values = values
        self._problems = values.problems

    def pair(self, left: Expr, right: Expr) -> tuple[Operand, Operand] | None:
        """Both sides, each read in the light of the other's type."""
        one, other = self._type_ahead(left), self._type_ahead(right)
        first = self._values.operand(left, None if one else other)
        if first is None and isinstance(right, Ref) and "." not in right.name.text:
            # A word, whose meaning hangs on the other side: one cause, one error.
            return None
        second = self._values.operand(right, one)
        return None if first is None or second is None else (first, second)

    def _type_ahead(self, expr: Expr) -> str | None:
        found = self._values.names.find_type(expr.name.text) if isinstance(expr, Ref) else None
        return found if found in WORD_TYPES or found in ("ip", "notice") else None

    def compare(self, expr: Compare) -> Logic | None:
        """`left OP right`, with OP one of the six comparisons."""
        sides = self.pair(expr.left, expr.right)
        if sides is None:
            return None
        return self.relate(expr.op.value, *sides, expr.operator_span)

    def flag_equals(self, expr: Compare) -> tuple[Expr, bool] | None:
        """For `x == true` and the like: x, and whether it is meant as it stands."""
        for literal, other in ((expr.right, expr.left), (expr.left, expr.right)):
            if (
                isinstance(literal, Literal)
                and isinstance(literal.value, bool)
                and expr.op in (CompareOp.EQ, CompareOp.NE)
            ):
                return other, literal.value is (expr.op is CompareOp.EQ)
        return None

    def relate(self, op: str, left: Operand, right: Operand, op_span: Span) -> Logic | None:
        """The formula of a comparison of two operands."""
        if not self._is_comparable(op, left, right, op_span):
            return None
        if "age" in (left.type, right.type):
            return self._age(op, left, right)
        if left.clock is not None or right.clock is not None:
            return self._with_now(op, left, right)
        if left.type in LENGTHS:
            return self._lengths(op, left, right)
        if left.type == "notice" or right.type == "notice":
            return self._ordered(op, "notice_order", notice_order, left, right)
        if left.type in MOMENTS and (left.type != right.type or left.touch or right.touch):
            left, right = as_time(left), as_time(right)
        if Touch.RIGHT in (left.touch, right.touch) and left.type in MOMENTS:
            test = Operator("right_compare", (Constant("text", op), left.px, right.px))
            return Atom((), test, is_tri=True, touch=Touch.RIGHT, sense=_sense(op, left, right))
        return _plain(op, left, right)

    def _is_comparable(self, op: str, left: Operand, right: Operand, op_span: Span) -> bool:
        for side in (left, right):
            if side.type.startswith("list ") or side.type in ("purposes", "leaves", "clock"):
                help_ = 'write `between … and … in "Europe/Berlin"`'
                self._problems.error(
                    "T303",
                    f"{type_text(side.type)} cannot be compared with `{op}`",
                    side.span,
                    "",
                    help_ if side.type == "clock" else "use `in`, `within` or `overlaps`",
                )
                return False
        if not _is_same_kind(left.type, right.type):
            self._mismatch(left, right)
            return False
        if op in _ORDERS and left.type not in _ORDERED and right.type not in _ORDERED:
            self._problems.error(
                "T304",
                f"{type_text(left.type)} has no order",
                op_span,
                f"`{op}` needs a number, a date, a time or a length of time",
            )
            return False
        return True

    def _mismatch(self, left: Operand, right: Operand) -> None:
        wrong, other = (left, right) if left.constant is not None else (right, left)
        kinds = {left.type, right.type}
        code, help_ = "T303", ""
        if kinds == {"months", "exact"}:
            code = "T312"
            months = left if left.type == "months" else right
            help_ = "add the calendar length to a date: `subject.joined + 2 years < now`"
            wrong, other = months, right if months is left else left
        elif "age" in kinds:
            code, help_ = "T313", "write an age in years: `age(subject.born) < 16 years`"
            wrong, other = (right, left) if left.type == "age" else (left, right)
        elif kinds & MOMENTS and "text" in kinds:
            help_ = "dates are written without quotes"
        self._problems.error(
            code,
            f"{type_text(other.type)} and {type_text(wrong.type)} cannot be compared",
            wrong.span,
            f"this is {type_text(wrong.type)}",
            help_,
        )

    def _age(self, op: str, left: Operand, right: Operand) -> Logic | None:
        if left.type != "age":
            op, left, right = _FLIPPED[op], right, left
        length = right.constant
        if right.type == "age" or not isinstance(length, Duration) or length.months % 12:
            self._problems.error(
                "T313",
                "an age is compared with a whole number of years",
                right.span,
                "",
                "compare dates for anything finer: `subject.born + 18 months <= now`",
            )
            return None
        loads, values = _loads(left)
        arguments = (FACTS, Constant("text", op), *values, Constant("number", length.months))
        return Atom(loads, Operator("age_compare", arguments))

    def _with_now(self, op: str, left: Operand, right: Operand) -> Logic | None:
        if left.clock is None:
            op, left, right = _FLIPPED[op], right, left
        clock = left.clock
        if clock is None or right.clock is not None:
            self._problems.error(
                "T315",
                "`now` stands on both sides",
                right.span,
                "",
                "compare it with something else",
            )
            return None
        sense, touch = _sense(op, left, right), left.touch or right.touch
        if clock.since is not None:
            flipped = op if clock.sign > 0 else _FLIPPED[op]
            found = self._since(flipped, clock.since, clock.sign, right)
            return found and replace(found, sense=sense, touch=touch)
        other = as_time(right)
        length = clock.length
        if length is None:
            return replace(_now_atom(op, other.px), sense=sense, touch=touch)
        if isinstance(length.constant, Duration) and not length.constant.months:
            atom = _now_atom(op, minus(other.px, length, clock.sign))
            return replace(atom, sense=sense, touch=touch)
        loads: tuple[Px, ...] = (length.px, other.px)
        arguments = (FACTS, Constant("text", op), Loaded(0), Constant("number", clock.sign))
        loads = (*loads, Operator("shifted_now", (*arguments, Loaded(1))))
        return Atom(loads, Loaded(2), touch=touch, sense=sense)

    def _since(self, op: str, since: Operand, sign: int, length: Operand) -> Atom | None:
        """`now - since OP length`, as a comparison of now with `since + sign * length`."""
        if length.type == "months":
            self._problems.error(
                "T312",
                "an exact length and calendar months cannot be compared",
                length.span,
                "months and years differ in length",
                "add it to the date instead: `subject.joined + 2 years < now`",
            )
            return None
        moved = Operator("shift", (since.px, length.px, Constant("number", sign)))
        checks: tuple[Px, ...] = ()
        if length.type == "duration":
            checks = (Operator("exact_micros", (length.px,)),)
        return _now_atom(op, moved, checks)

    def _lengths(self, op: str, left: Operand, right: Operand) -> Logic | None:
        return self._ordered(op, "duration_order", duration_order, left, right)

    def _ordered(
        self,
        op: str,
        name: str,
        function: Callable[..., int | None],
        left: Operand,
        right: Operand,
    ) -> Logic:
        if left.constant is not None and right.constant is not None:
            order = function(left.constant, right.constant)
            return NEVER if order is None or not _TESTS[op](order) else negate(NEVER)
        load = Operator(name, (left.px, right.px))
        return Atom(
            (load,),
            Binary(op, Loaded(0), Constant("number", 0)),
            touch=left.touch or right.touch,
            sense=_sense(op, left, right),
        )


def _now_atom(op: str, at: Px, checks: tuple[Px, ...] = ()) -> Atom:
    """`now OP at`, unknown where one of `checks` is absent."""
    if isinstance(at, Constant):
        return Atom(checks, Operator(_NOW[op], (FACTS, at)))
    test = Operator(_NOW[op], (FACTS, Loaded(len(checks))))
    return Atom((*checks, at), test)


def _loads(*operands: Operand) -> tuple[tuple[Px, ...], tuple[Px, ...]]:
    """The loads that may be absent, and how the test names all values."""
    loads: list[Px] = []
    values: list[Px] = []
    for operand in operands:
        if operand.can_be_absent:
            values.append(Loaded(len(loads)))
            loads.append(operand.px)
        else:
            values.append(operand.px)
    return tuple(loads), tuple(values)


def _plain(op: str, left: Operand, right: Operand) -> Logic:
    if left.constant is not None and right.constant is not None:
        return _folded(op, left.constant, right.constant)
    loads, (one, other) = _loads(left, right)
    touch = left.touch or right.touch
    return Atom(loads, Binary(op, one, other), touch=touch, sense=_sense(op, left, right))


def _folded(op: str, left: object, right: object) -> Logic:
    if op in ("==", "!="):
        is_true = (left == right) is (op == "==")
    else:
        # Checked before: both are numbers, or both are moments of one type.
        order = (left > right) - (left < right)  # type: ignore[operator]
        is_true = _TESTS[op](order)
    return negate(NEVER) if is_true else NEVER


def _is_same_kind(left: str, right: str) -> bool:
    if left == right:
        return True
    kinds = {left, right}
    if kinds <= MOMENTS or kinds == {"notice", "text"}:
        return True
    if kinds <= LENGTHS:
        return kinds != {"months", "exact"}
    return kinds == {"age", "months"}


def _sense(op: str, left: Operand, right: Operand) -> Sense:
    """What the comparison's truth does when a right's time moves later, or a flag turns on."""
    senses: list[Sense] = []
    for side, is_left in ((left, True), (right, False)):
        if side.sense is Sense.FREE:
            continue
        if op in ("==", "!=") or side.type == "flag":
            senses.append(Sense.NEITHER)
        else:
            grows = (op in (">", ">=")) is is_left
            senses.append(side.sense if grows else OPPOSITE[side.sense])
    if not senses:
        return Sense.FREE
    return senses[0] if len(set(senses)) == 1 else Sense.NEITHER
