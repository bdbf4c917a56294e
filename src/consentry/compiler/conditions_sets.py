"""Membership: `in`, `overlaps` and `within` on sets, lists and networks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final

from consentry.compiler.conditions_compare import Comparisons, _loads
from consentry.compiler.conditions_ir import (
    FACTS,
    NEVER,
    Atom,
    Binary,
    Constant,
    Fact,
    Logic,
    Operand,
    Operator,
    Px,
    Sense,
    negate,
)
from consentry.compiler.conditions_names import WORD_TYPES, type_text
from consentry.compiler.conditions_values import LENGTHS, Values, parse_ip
from consentry.compiler.symbols import SetItem
from consentry.diagnostics.span import Span
from consentry.lang.tree import Compare, CompareOp, Expr, ListLiteral, Literal, Ref
from consentry.model.operators import Network, Windows
from consentry.model.values import Scalar, midnight_us

_TREES: Final = frozenset({"purpose", "data"})
_CONVERTED: Final = frozenset({("time", "date"), ("ip", "text")})
_Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Table:
    """A constant set: its values with their dates of effect (none: always)."""

    items: dict[object, Windows]
    networks: tuple[Network, ...] = ()

    @property
    def is_dated(self) -> bool:
        """Whether some item carries dates of effect."""
        return any(self.items.values())

    def plain(self, kind: str) -> Constant:
        """The values as a frozen set."""
        return Constant(f"set of {kind}", frozenset(self.items))

    def dated(self, kind: str) -> Constant:
        """Values with the windows in which each is in effect."""
        always: Windows = ((None, None),)
        table = {value: windows or always for value, windows in self.items.items()}
        return Constant(f"dated set of {kind}", tuple(table.items()), table)


class Memberships:
    """Types and translates tests of membership."""

    def __init__(self, values: Values, comparisons: Comparisons) -> None:
        self._values = values
        self._names = values.names
        self._problems = values.problems
        self._comparisons = comparisons

    def contains(self, expr: Compare) -> Logic | None:
        """`left in right`."""
        expected = self._element_of(expr.right)
        left = self._values.operand(expr.left, expected if expected in WORD_TYPES else None)
        if left is None:
            return None
        if left.clock is not None or left.type in LENGTHS | {"age", "flag", "clock"}:
            self._problems.error(
                "T305", f"`in` does not take {type_text(left.type)}", left.span, "", ""
            )
            return None
        if left.type.startswith("list ") or left.type in ("purposes", "leaves"):
            self._problems.error(
                "T305",
                "a list is not in a list",
                left.span,
                "this is a list",
                "write `within` (all of them) or `overlaps` (some of them)",
            )
            return None
        if (table := self._table(expr.right, left.type)) is not None:
            return None if isinstance(table, bool) else self._in_table(left, table)
        right = self._values.operand(expr.right)
        return None if right is None else self._in_list(left, right)

    def _element_of(self, expr: Expr) -> str | None:
        if not isinstance(expr, Ref):
            return None
        found = self._names.find_type(expr.name.text)
        if found in ("purposes", "leaves"):
            return "purpose" if found == "purposes" else "data"
        return found.removeprefix("list of ") if found and found.startswith("list ") else None

    def _in_table(self, left: Operand, table: Table) -> Logic:
        if left.constant is not None and not table.is_dated and not table.networks:
            return negate(NEVER) if left.constant in table.items else NEVER
        loads, (value,) = _loads(left)
        if table.networks:
            test: Px = Operator("in_networks", (FACTS, value, Constant("net", table.networks)))
        elif table.is_dated:
            test = Operator("in_dated", (FACTS, value, table.dated(left.type)))
        elif len(table.items) == 1:
            test = Binary("==", value, Constant(left.type, next(iter(table.items))))
        else:
            test = Binary("in", value, table.plain(left.type))
        return Atom(loads, test, touch=left.touch, sense=_of_membership(left))

    def _in_list(self, left: Operand, right: Operand) -> Logic | None:
        wanted = {"purposes": "purpose", "leaves": "data"}.get(
            right.type, right.type.removeprefix("list of ")
        )
        is_list = right.type in ("purposes", "leaves") or right.type.startswith("list ")
        if not is_list or wanted != left.type:
            label = f"this is {type_text(right.type)}"
            self._problems.error("T305", f"no list of {left.type} to look into", right.span, label)
            return None
        touch = left.touch or right.touch
        if right.type == "purposes" and left.constant is None:
            loads, (value,) = _loads(right)
            test: Px = Operator("lies_in", (Fact("purpose", "lineage"), value))
            return Atom(loads, test, touch=touch)
        loads, (one, other) = _loads(left, right)
        return Atom(loads, Binary("in", one, other), touch=touch, sense=_of_membership(left))

    def relates(self, expr: Compare) -> Logic | None:
        """`left overlaps right`, `left within right`."""
        is_within = expr.op is CompareOp.WITHIN
        element = self._element_of(expr.left) or self._element_of(expr.right)
        if element is None:
            for side in (expr.left, expr.right):
                if isinstance(side, Ref) and self._values.operand(side) is None:
                    return None  # an unknown name, which is told by itself
            wrong = expr.left if not isinstance(expr.left, ListLiteral) else expr.right
            self._problems.error(
                "T308",
                f"`{expr.op.value}` compares lists",
                wrong.span,
                "one side must be an attribute that is a list",
                "for a single value write `in`",
            )
            return None
        sides: list[Operand | Table] = []
        for side in (expr.left, expr.right):
            found = self._side(side, element)
            if found is None:
                return None
            sides.append(found)
        left, right = sides
        if isinstance(left, Table) and isinstance(right, Table):
            return NEVER
        if isinstance(left, Operand) and isinstance(right, Operand):
            return self._two_lists(left, right, is_within=is_within)
        return self._list_and_table(left, right, element, is_within=is_within)

    def _side(self, expr: Expr, element: str) -> Operand | Table | None:
        table = self._table(expr, element)
        if isinstance(table, bool):
            return None
        if table is not None:
            return table
        operand = self._values.operand(expr)
        if operand is None:
            return None
        own = self._element_of(expr)
        if own != element:
            self._problems.error(
                "T308",
                f"expected a list of {element}",
                expr.span,
                f"this is {type_text(operand.type)}",
            )
            return None
        return operand

    def _two_lists(self, left: Operand, right: Operand, *, is_within: bool) -> Logic:
        loads, (one, other) = _loads(left, right)
        if right.type == "purposes":
            lineages = tuple(p.lineage for p in self._names.symbols.purposes)
            other = Operator("below", (other, Constant("lineages", lineages)))
        test = Operator("within" if is_within else "overlaps", (one, other))
        return Atom(loads, test, touch=left.touch or right.touch)

    def _list_and_table(
        self, left: Operand | Table, right: Operand | Table, element: str, *, is_within: bool
    ) -> Logic | None:
        table = left if isinstance(left, Table) else right
        operand = right if isinstance(left, Table) else left
        if not isinstance(table, Table) or not isinstance(operand, Operand):
            return None
        loads, (value,) = _loads(operand)
        if table.is_dated:
            name = "any_dated"
            if is_within:
                name = "covers_dated" if table is left else "all_dated"
            test = Operator(name, (FACTS, value, table.dated(element)))
        else:
            pair = (table.plain(element), value) if table is left else (value, table.plain(element))
            test = Operator("within" if is_within else "overlaps", pair)
        return Atom(loads, test, touch=operand.touch)

    def _table(self, expr: Expr, element: str) -> Table | bool | None:
        """The constant set that `expr` is; None if it is none; False with a diagnostic."""
        if element == "ip" and isinstance(expr, Literal):
            network = self._network(expr.value, expr.span)
            return False if network is None else Table({}, (_network_row(network, ()),))
        if isinstance(expr, ListLiteral):
            return self._literal_table(expr, element)
        if not isinstance(expr, Ref):
            return None
        name = expr.name.text
        found = self._names.find_set(name)
        if found is None:
            return False if name in self._names.symbols.poisoned else None
        is_word = element in WORD_TYPES
        if (found.type == "name") is not is_word and not (element == "ip" and found.type == "text"):
            self._problems.error(
                "T305",
                f"the set `{name}` holds no {type_text(element).split(' ', 1)[-1]}",
                expr.span,
                f"its items are {'names' if found.type == 'name' else found.type}",
            )
            return False
        is_fitting = found.type == element or (element, found.type) in _CONVERTED
        if not is_word and not is_fitting:
            self._problems.error(
                "T305", f"the set `{name}` holds {found.type}, not {element}", expr.span
            )
            return False
        return self._fill([(item, expr.span) for item in found.items], element)

    def _literal_table(self, expr: ListLiteral, element: str) -> Table | bool:
        items: list[tuple[SetItem, Span]] = []
        is_good = True
        for item in expr.items:
            value: Scalar | None
            if element in WORD_TYPES and isinstance(item.value, Ref):
                value = item.value.name.text
            elif element == "ip" and isinstance(item.value, Literal):
                value = item.value.value
            elif isinstance(item.value, Literal):
                value = self._values.scalar(item.value, element)
            else:
                self._problems.error(
                    "T321", "a list in a condition holds constants only", item.value.span
                )
                value = None
            if value is None:
                is_good = False
                continue
            entry = SetItem(
                value=value, is_name=element in WORD_TYPES, from_=item.from_, until=item.until
            )
            items.append((entry, item.value.span))
        return self._fill(items, element) if is_good else False

    def _fill(self, items: list[tuple[SetItem, Span]], element: str) -> Table | bool:
        found: dict[object, list[tuple[int | None, int | None]] | None] = {}
        networks: list[Network] = []
        is_good = True
        for item, span in items:
            start, end = _edge(item.from_), _edge(item.until)
            window = None if start is None and end is None else (start, end)
            if element == "ip":
                network = self._network(item.value, span)
                if network is None:
                    is_good = False
                else:
                    networks.append(_network_row(network, () if window is None else (window,)))
                continue
            values = self._expand(item, element, span)
            if values is None:
                is_good = False
                continue
            for value in sorted(values, key=repr):
                windows = found.setdefault(value, [])
                if window is None:
                    found[value] = None
                elif windows is not None:
                    windows.append(window)
        if not is_good:
            return False
        table = {key: () if windows is None else tuple(windows) for key, windows in found.items()}
        return Table(table, tuple(networks))

    def _expand(self, item: SetItem, element: str, span: Span) -> frozenset[object] | None:
        name = item.value
        if element in _TREES or element in ("action", "channel"):
            return self._names.members(str(name), element, span)
        if element in WORD_TYPES:
            word = self._names.word(str(name), element, span)
            return None if word is None else frozenset({word.constant})
        if element == "time" and isinstance(name, date):
            return frozenset({midnight_us(name)})
        return frozenset({name})

    def _network(self, value: object, span: Span) -> _Network | None:
        try:
            address = parse_ip(str(value))
            return ip_network(str(value) if address is None else address)
        except ValueError:
            self._problems.error(
                "T319",
                f"`{str(value)[:64]}` is not an ip address or network",
                span,
                "",
                "write a network with its own first address: `10.0.0.0/8`",
            )
            return None


def _of_membership(item: Operand) -> Sense:
    """An item that a right moves enters a list and leaves it again."""
    return Sense.FREE if item.sense is Sense.FREE else Sense.NEITHER


def _network_row(network: _Network, windows: Windows) -> Network:
    return (
        network.version,
        int(network.network_address),
        int(network.broadcast_address),
        windows,
    )


def _edge(day: date | None) -> int | None:
    return None if day is None else midnight_us(day)
