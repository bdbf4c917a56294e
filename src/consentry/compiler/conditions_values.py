"""Values in conditions: literals, arithmetic on times, and constants of a wanted type."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from consentry.compiler.conditions_ir import (
    OPPOSITE,
    Clock,
    Constant,
    Operand,
    Operator,
    Px,
    Sense,
)
from consentry.compiler.conditions_names import WORD_TYPES, Names, type_text
from consentry.compiler.conditions_problems import Problems
from consentry.diagnostics.span import Span
from consentry.diagnostics.suggest import closest
from consentry.lang.tree import (
    Arithmetic,
    Call,
    Expr,
    ListLiteral,
    Literal,
    LiteralKind,
    Ref,
)
from consentry.model.operators_time import elapsed, shift, shift_date, sum_durations
from consentry.model.values import Duration, Scalar, Value, midnight_us

LENGTHS: Final = frozenset({"duration", "months", "exact"})
MOMENTS: Final = frozenset({"date", "time"})
TYPES: Final = ("text", "number", "flag", "date", "time", "duration", "ip")
"""Types an attribute may have, or a list be of."""
_FUNCTIONS: Final[dict[str, Callable[..., Value | None]]] = {
    "shift": shift,
    "shift_date": shift_date,
    "sum_durations": sum_durations,
}
_RESULTS: Final = {"shift": "time", "shift_date": "date", "sum_durations": "duration"}


def constant(type_name: str, value: Value, span: Span) -> Operand:
    """A value known now."""
    return Operand(type=type_name, px=Constant(type_name, value), span=span, constant=value)


def parse_ip(text: str) -> IPv4Address | IPv6Address | None:
    """The address; an IPv4-mapped IPv6 address becomes IPv4; None if it is not one."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.scope_id:
            return None
        return address.ipv4_mapped or address
    return address


def literal_type(literal: Literal) -> str:
    """The type of a literal; lengths tell calendar months from exact time."""
    if literal.kind is LiteralKind.DURATION and isinstance(literal.value, Duration):
        return "months" if literal.value.months else "exact"
    return literal.kind.value


class Values:
    """Types the values of one condition."""

    def __init__(self, names: Names, problems: Problems) -> None:
        self.names = names
        self.problems = problems

    def operand(self, expr: Expr, expected: str | None = None) -> Operand | None:
        """The typed value, or None with a diagnostic. `expected` resolves words and addresses."""
        match expr:
            case Literal():
                return self._literal(expr, expected)
            case Ref():
                return self._ref(expr, expected)
            case Arithmetic():
                return self._arithmetic(expr)
            case Call():
                return self._call(expr)
            case ListLiteral():
                self.problems.error(
                    "T305", "a list stands only beside `in`, `within` or `overlaps`", expr.span
                )
            case _:
                self.problems.error(
                    "T302", "a condition is not a value", expr.span, "this is true or false"
                )
        return None

    def _literal(self, literal: Literal, expected: str | None) -> Operand | None:
        value = literal.value
        if expected == "ip" and isinstance(value, str):
            address = parse_ip(value)
            if address is None:
                self._bad_ip(value, literal.span)
                return None
            return constant("ip", address, literal.span)
        if expected in WORD_TYPES and isinstance(value, str):
            self.problems.error(
                "T303",
                f"{type_text(expected)} is a word, not text",
                literal.span,
                "quoted",
                f"write `{value}` without quotes" if value.isidentifier() else "",
            )
            return None
        if expected == "notice" and isinstance(value, str):
            return constant("notice", value, literal.span)
        return constant(literal_type(literal), value, literal.span)

    def _bad_ip(self, text: str, span: Span) -> None:
        network = "`in` takes a network such as `10.0.0.0/8`" if "/" in text else ""
        self.problems.error("T319", f"`{text[:64]}` is not an ip address", span, "", network)

    def _ref(self, ref: Ref, expected: str | None) -> Operand | None:
        name = ref.name.text
        is_value = name == "now" or self.names.find_type(name) is not None
        if expected in WORD_TYPES and not is_value and not name.startswith(("consent.", "rights.")):
            return self.names.word(name, expected, ref.span)
        if not is_value and (found := self.names.find_set(name)) is not None:
            self.problems.error(
                "T305",
                f"`{found.name}` is a set",
                ref.span,
                "a set is not one value",
                f"write `in {found.name}`",
            )
            return None
        return self.names.operand(name, ref.span)

    def _call(self, call: Call) -> Operand | None:
        name = call.function.text
        if name == "consented":
            self.problems.error("T302", "`consented(…)` is true or false, not a value", call.span)
            return None
        if name != "age":
            self.problems.unknown(
                "T314", "function", name, call.function.span, ("age", "consented", "not")
            )
            return None
        if len(call.arguments) != 1:
            self.problems.error(
                "T313", "`age` takes one date", call.span, "", "write `age(subject.born)`"
            )
            return None
        born = self.operand(call.arguments[0])
        if born is None:
            return None
        if born.type != "date" or born.clock is not None:
            self.problems.error(
                "T313", "`age` takes a date", born.span, f"this is {type_text(born.type)}"
            )
            return None
        return Operand(
            type="age",
            px=born.px,
            span=call.span,
            can_be_absent=born.can_be_absent,
            touch=born.touch,
            sense=born.sense,
        )

    def _arithmetic(self, expr: Arithmetic) -> Operand | None:
        left, right = self.operand(expr.left), self.operand(expr.right)
        if left is None or right is None:
            return None
        sign = 1 if expr.sign > 0 else -1
        if sign > 0 and left.type in LENGTHS and right.type in MOMENTS:
            left, right = right, left
        if left.type in MOMENTS and right.type in LENGTHS:
            return self._moved(left, right, sign, expr.span)
        if sign < 0 and left.type in MOMENTS and right.type in MOMENTS:
            return self._difference(left, right, expr.span)
        if left.type in LENGTHS and right.type in LENGTHS:
            return self._sum(left, right, sign, expr.span)
        wrong = right if left.type in MOMENTS | LENGTHS else left
        word = "+" if sign > 0 else "-"
        self.problems.error(
            "T311",
            f"`{word}` works on dates, times and lengths of time",
            wrong.span,
            f"this is {type_text(wrong.type)}",
        )
        return None

    def _moved(self, at: Operand, length: Operand, sign: int, span: Span) -> Operand | None:
        if at.clock is not None:
            if at.clock.length is not None or at.clock.since is not None or length.clock:
                self._too_much_now(span)
                return None
            clock = Clock(length=length, sign=sign)
            return Operand(
                type="time",
                px=at.px,
                span=span,
                can_be_absent=length.can_be_absent,
                clock=clock,
                touch=length.touch,
                sense=_both(length.sense),
            )
        if length.clock is not None:
            self._too_much_now(span)
            return None
        if at.type == "date" and length.type == "months":
            return self._applied("shift_date", at, length, sign=sign, span=span)
        return self._applied("shift", as_time(at), length, sign=sign, span=span)

    def _applied(
        self,
        operator: str,
        left: Operand,
        right: Operand,
        *,
        sign: int,
        span: Span,
    ) -> Operand | None:
        """The operator on two operands, computed now where both are known."""
        type_name = left.type if left.type == right.type else _RESULTS[operator]
        if left.constant is not None and right.constant is not None:
            result = _FUNCTIONS[operator](left.constant, right.constant, sign)
            if result is None:
                self.problems.error("T320", "this leaves the calendar", span)
                return None
            return constant(type_name, result, span)
        touch = left.touch or right.touch
        sense = left.sense if right.sense is Sense.FREE else Sense.NEITHER
        arguments = (left.px, right.px, Constant("number", sign))
        return Operand(
            type=type_name,
            px=Operator(operator, arguments),
            span=span,
            can_be_absent=True,
            touch=touch,
            sense=sense,
        )

    def _difference(self, end: Operand, start: Operand, span: Span) -> Operand | None:
        if end.clock is not None and start.clock is not None:
            self._too_much_now(span)
            return None
        for moving, other, sign in ((end, start, 1), (start, end, -1)):
            if moving.clock is None:
                continue
            if moving.clock.length is not None or moving.clock.since is not None:
                self._too_much_now(span)
                return None
            clock = Clock(since=as_time(other), sign=sign)
            return Operand(
                type="exact",
                px=moving.px,
                span=span,
                can_be_absent=other.can_be_absent,
                clock=clock,
                touch=other.touch,
                sense=OPPOSITE[other.sense] if sign > 0 else other.sense,
            )
        left, right = as_time(end), as_time(start)
        if left.constant is not None and right.constant is not None:
            result = elapsed(_micros(left), _micros(right))
            return None if result is None else constant("exact", result, span)
        sense = _both(left.sense) if left.sense is not Sense.FREE else _both(right.sense)
        return Operand(
            type="exact",
            px=Operator("elapsed", (left.px, right.px)),
            span=span,
            can_be_absent=True,
            touch=left.touch or right.touch,
            sense=sense,
        )

    def _sum(self, left: Operand, right: Operand, sign: int, span: Span) -> Operand | None:
        if left.clock is not None or right.clock is not None:
            self._too_much_now(span)
            return None
        kinds = {left.type, right.type}
        if kinds == {"months", "exact"}:
            self.problems.error(
                "T312",
                "calendar months and an exact length do not add up",
                right.span,
                f"this is {type_text(right.type)}",
                "add them to a date one after the other",
            )
            return None
        return self._applied("sum_durations", left, right, sign=sign, span=span)

    def _too_much_now(self, span: Span) -> None:
        self.problems.error(
            "T315",
            "`now` may stand once in a comparison, with one length beside it",
            span,
            "",
            "move the other lengths to the other side",
        )

    def scalar(self, expr: Expr, type_name: str) -> Scalar | None:
        """The constant value of `type_name` that `expr` is, or None with a diagnostic."""
        wanted = "duration" if type_name in LENGTHS else type_name
        if isinstance(expr, Literal):
            found = self._literal(expr, wanted)
            if found is None:
                return None
            if found.type == wanted or (wanted == "duration" and found.type in LENGTHS):
                return _scalar(found.constant)
            if wanted == "time" and isinstance(found.constant, date):
                return midnight_us(found.constant)
            label = f"this is {type_text(found.type)}"
        else:
            label = "not a constant"
        help_ = "dates are written without quotes" if type_name in MOMENTS else ""
        if wanted == "flag" and isinstance(expr, Ref):
            near = closest(expr.name.text, ("true", "false"))
            help_ = f"did you mean `{near}`?" if near else ""
        self.problems.error("T317", f"expected {type_text(type_name)}", expr.span, label, help_)
        return None


def as_time(operand: Operand) -> Operand:
    """A date as its midnight UTC; a time as it is."""
    if operand.type != "date":
        return operand
    if isinstance(operand.constant, date):
        return constant("time", midnight_us(operand.constant), operand.span)
    return Operand(
        type="time",
        px=Operator("midnight", (operand.px,)),
        span=operand.span,
        can_be_absent=operand.can_be_absent,
        touch=operand.touch,
        sense=operand.sense,
    )


def _both(sense: Sense) -> Sense:
    return Sense.FREE if sense is Sense.FREE else Sense.NEITHER


def _micros(operand: Operand) -> int | None:
    return operand.constant if isinstance(operand.constant, int) else None


def _scalar(value: Value | None) -> Scalar | None:
    return None if isinstance(value, tuple) else value


def minus(px: Px, length: Operand, sign: int) -> Px:
    """`px` moved against `sign * length`."""
    return Operator("shift", (px, length.px, Constant("number", -sign)))
