"""From an expression to a formula: every operator typed, every name resolved, limits kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from consentry.compiler.conditions_compare import Comparisons, _loads
from consentry.compiler.conditions_consent import Consents
from consentry.compiler.conditions_ir import (
    ALWAYS,
    FACTS,
    NEVER,
    Atom,
    Binary,
    Chain,
    Constant,
    Known,
    Logic,
    Operator,
    Touch,
    chain,
    negate,
)
from consentry.compiler.conditions_limits import find_excess
from consentry.compiler.conditions_names import ConditionRole, Names, type_text
from consentry.compiler.conditions_polarity import check_polarity
from consentry.compiler.conditions_problems import Problems
from consentry.compiler.conditions_sets import Memberships
from consentry.compiler.conditions_values import Values
from consentry.compiler.expressions import names_in
from consentry.compiler.symbols import Symbols
from consentry.diagnostics.span import Span
from consentry.diagnostics.suggest import closest
from consentry.lang.tree import (
    And,
    Between,
    Call,
    Compare,
    CompareOp,
    Expr,
    Has,
    Is,
    Like,
    Literal,
    LiteralKind,
    Not,
    Or,
    Ref,
    Text,
)
from consentry.model.tri import FALSE, TRUE

MAX_PATTERN: Final = 256
_IS_WORDS: Final = frozenset({"purpose", "data", "action", "channel"})


class Checker:
    """Checks the conditions of one rule."""

    def __init__(
        self, symbols: Symbols, problems: Problems, regime: str, role: ConditionRole
    ) -> None:
        self.names = Names(symbols, problems, regime, role)
        self._problems = problems
        self._role = role
        self._values = Values(self.names, problems)
        self._comparisons = Comparisons(self._values)
        self._memberships = Memberships(self._values, self._comparisons)
        self._consents = Consents(self.names, problems, role)
        self._has: set[str] = set()
        self._is_positive = True

    def whole(self, whens: Sequence[Expr], unlesses: Sequence[Expr]) -> Logic | None:
        """Every `when` and no `unless`; None where something is wrong."""
        parts: list[Logic | None] = []
        for expr, is_when in [(e, True) for e in whens] + [(e, False) for e in unlesses]:
            if (excess := find_excess(expr)) is not None:
                self._problems.error("T316", excess[0], excess[1], "", "name a part in a `set`")
                parts.append(None)
                continue
            self._is_positive = is_when
            logic = self.truth(expr)
            # A law speaks of purposes and data that a house need not have.
            if isinstance(logic, Known) and not self.names.regime:
                self._problems.warning(
                    "W851",
                    f"this is always {'true' if logic.value == TRUE else 'false'}",
                    expr.span,
                    "",
                    "leave it out" if (logic.value == TRUE) is is_when else "",
                )
            parts.append(logic if logic is None or is_when else negate(logic))
        good = [part for part in parts if part is not None]
        return chain(tuple(good), is_all=True) if len(good) == len(parts) else None

    def warn_optional(self) -> None:
        """A warning for each attribute that may be absent and that no `has` speaks of."""
        for name, span in self.names.optional_uses.items():
            if name not in self._has:
                self._problems.warning(
                    "W850",
                    f"`{name}` may be absent",
                    span,
                    _absence(self._role),
                    f"say `has {name}` too, or give the attribute a default",
                )

    def truth(self, expr: Expr) -> Logic | None:
        """The formula of an expression that must be true or false."""
        match expr:
            case And() | Or():
                parts = [self.truth(part) for part in expr.operands]
                good = tuple(part for part in parts if part is not None)
                if len(good) < len(parts):
                    return None
                return chain(good, is_all=isinstance(expr, And))
            case Not():
                self._is_positive = not self._is_positive
                logic = self.truth(expr.operand)
                self._is_positive = not self._is_positive
                return None if logic is None else negate(logic)
            case _:
                logic = self._atom(expr)
                if logic is None:
                    self._tell_the_rest(expr)
                    return None
                return logic if self._is_allowed(logic, expr.span) else None

    def _tell_the_rest(self, expr: Expr) -> None:
        """Where one part is wrong, what else is: names that could be nothing."""
        for name in names_in(expr):
            if not self._problems.has_told(name.span):
                self.names.tell_unknown(name.text, name.span)

    def _is_allowed(self, logic: Logic, span: Span) -> bool:
        # `between` is two comparisons, with a place of their own.
        atoms = logic.items if isinstance(logic, Chain) else (logic,)
        return all(
            check_polarity(atom, self._role, span, self._problems, is_positive=self._is_positive)
            for atom in atoms
        )

    def _atom(self, expr: Expr) -> Logic | None:
        match expr:
            case Compare():
                return self._compare(expr)
            case Is():
                return self._is(expr)
            case Has():
                return self._has_name(expr)
            case Like():
                return self._like(expr)
            case Between():
                return self._between(expr)
            case Call() if expr.function.text == "consented":
                return self._consents.consented(expr)
            case Literal() if expr.kind is LiteralKind.FLAG:
                return ALWAYS if expr.value else NEVER
            case Ref() if self.names.find_set(expr.name.text) is None:
                return self._flag(expr)
            case _:
                self._not_a_truth(expr)
                return None

    def _not_a_truth(self, expr: Expr) -> None:
        found = self._values.operand(expr)
        if found is not None:
            self._problems.error(
                "T302",
                "a condition must be true or false",
                expr.span,
                f"this is {type_text(found.type)}",
            )

    def _flag(self, expr: Ref) -> Logic | None:
        found = self.names.operand(expr.name.text, expr.span)
        if found is None:
            return None
        if found.type != "flag":
            help_ = f"write `has {expr.name.text}` to ask whether it is there"
            self._problems.error(
                "T302",
                "a condition must be true or false",
                expr.span,
                f"this is {type_text(found.type)}",
                help_ if found.can_be_absent else "",
            )
            return None
        loads, (value,) = _loads(found)
        flawless = TRUE if found.touch in (Touch.CONSENT, Touch.JOINT) else None
        if found.touch is Touch.SAID_NO:
            flawless = FALSE
        return Atom(loads, value, touch=found.touch, sense=found.sense, flawless=flawless)

    def _compare(self, expr: Compare) -> Logic | None:
        if expr.op is CompareOp.IN:
            return self._memberships.contains(expr)
        if expr.op in (CompareOp.WITHIN, CompareOp.OVERLAPS):
            return self._memberships.relates(expr)
        if (flag := self._comparisons.flag_equals(expr)) is not None:
            other, is_meant = flag
            if isinstance(other, Ref):
                logic = self._flag(other)
                return logic if logic is None or is_meant else negate(logic)
        return self._comparisons.compare(expr)

    def _is(self, expr: Is) -> Logic | None:
        left = expr.left.name.text if isinstance(expr.left, Ref) else ""
        name = expr.name.text
        if left == "consent":
            return self._consents.quality(name, expr.name.span, expr.left.span)
        if left == "consent.data":
            return self._consents.names_data(name, expr.name.span, expr.left.span)
        if left not in _IS_WORDS:
            near = closest(left, (*_IS_WORDS, "consent"))
            self._problems.error(
                "T306",
                "`is` asks about a `purpose`, `data`, `action`, `channel` or a `consent`",
                expr.left.span,
                "",
                f"did you mean `{near}`?" if near else "compare other values with `==`",
            )
            return None
        found = self.names.operand(left, expr.left.span)
        members = self.names.members(name, left, expr.name.span) if found is not None else None
        if found is None or members is None:
            return None
        loads, (value,) = _loads(found)
        if not members and not loads:
            return NEVER
        if len(members) == 1:
            return Atom(loads, Binary("==", value, Constant(left, next(iter(members)))))
        return Atom(loads, Binary("in", value, Constant(f"set of {left}", members)))

    def _has_name(self, expr: Has) -> Logic | None:
        name, span = expr.name.text, expr.name.span
        found = self.names.operand(name, span, is_asked_for=True)
        if found is None:
            return None
        self._has.add(name)
        if found.touch is Touch.RIGHT and found.type == "time":
            track = name.partition(".")[2].removesuffix("_at")
            test: Operator | Binary = Operator("right_active", (FACTS, Constant("text", track)))
            return Atom((), test, touch=Touch.RIGHT, sense=found.sense)
        if not found.can_be_absent:
            self._problems.error(
                "T322", f"`{name}` is always there", span, "", "leave the `has` out"
            )
            return None
        test = Binary("is not", found.px, Constant("nothing", None))
        flawless = TRUE if found.touch is Touch.CONSENT else None
        return Atom((), test, touch=found.touch, flawless=flawless)

    def _like(self, expr: Like) -> Logic | None:
        left = self._values.operand(expr.left)
        if left is None:
            return None
        if left.type not in ("text", "notice"):
            self._problems.error(
                "T307", "`like` looks at text", left.span, f"this is {type_text(left.type)}"
            )
            return None
        pattern = expr.pattern.value
        if len(pattern) > MAX_PATTERN:
            self._problems.error(
                "T307", f"a pattern has at most {MAX_PATTERN} characters", expr.pattern.span
            )
            return None
        pieces = pattern.split("*")
        parts = (pieces[0], *(p for p in pieces[1:-1] if p), *pieces[1:][-1:])
        loads, (value,) = _loads(left)
        test = Operator("like_match", (value, Constant("pattern", parts)))
        return Atom(loads, test, touch=left.touch)

    def _between(self, expr: Between) -> Logic | None:
        clocks = [
            part
            for part in (expr.low, expr.high)
            if isinstance(part, Literal) and part.kind is LiteralKind.CLOCK
        ]
        if clocks or expr.zone is not None:
            return self._clock(expr, clocks)
        parts: list[Logic | None] = []
        for op, bound in ((">=", expr.low), ("<", expr.high)):
            sides = self._comparisons.pair(expr.value, bound)
            if sides is None:
                return None
            parts.append(self._comparisons.relate(op, *sides, expr.span))
        low, high = parts
        return None if low is None or high is None else chain((low, high), is_all=True)

    def _clock(self, expr: Between, clocks: list[Literal]) -> Logic | None:
        value = self._values.operand(expr.value)
        if value is None:
            return None
        is_now = isinstance(expr.value, Ref) and value.clock is not None
        if len(clocks) < 2 or not is_now:
            self._problems.error(
                "T309",
                "a time of day is asked of `now`",
                expr.value.span if not is_now else expr.span,
                "",
                'write `now between 09:00 and 17:00 in "Europe/Berlin"`',
            )
            return None
        if expr.zone is None:
            self._problems.error(
                "T309",
                "a time of day needs a time zone",
                expr.span,
                "",
                'add for example `in "Europe/Berlin"`',
            )
            return None
        low, high = (clock.value for clock in clocks)
        if low == high:
            self._problems.error("T309", "this span of time is empty", expr.span)
            return None
        zone = self._zone(expr.zone)
        if zone is None:
            return None
        bounds = [Constant("number", int(str(edge))) for edge in (low, high)]
        return Atom((), Operator("clock_between", (FACTS, zone, *bounds)))

    def _zone(self, zone: Text) -> Constant | None:
        try:
            return Constant("zone", zone.value, ZoneInfo(zone.value))
        except (ZoneInfoNotFoundError, ValueError, OSError):
            known = available_timezones()
            self._problems.unknown("T310", "time zone", zone.value, zone.span, known)
            return None


def _absence(role: ConditionRole) -> str:
    if role in (ConditionRole.PERMIT, ConditionRole.EXCEPTION):
        return f"where it is, this `{role.value}` does not apply"
    return f"where it is, this `{role.value}` applies"
