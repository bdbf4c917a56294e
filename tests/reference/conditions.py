"""Evaluates conditions by walking their trees. Truth values are 0 false, 1 unknown, 2 true."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from fnmatch import translate
from ipaddress import IPv4Address, IPv6Address, ip_network
from re import match
from typing import Any
from zoneinfo import ZoneInfo

from consentry.lang.tree import (
    And,
    Arithmetic,
    Between,
    Call,
    Compare,
    Expr,
    Has,
    Is,
    Like,
    ListItem,
    ListLiteral,
    Literal,
    LiteralKind,
    Not,
    Or,
    Ref,
)
from consentry.model.values import Duration, midnight_us
from tests.reference.ledger import NEVER, State, Use, moved
from tests.reference.ledger import Consent as Standing
from tests.reference.world import World, within

FALSE, UNKNOWN, TRUE = 0, 1, 2


@dataclass
class Asking:
    """Everything that a condition can see.

    `facts` holds attributes and other facts by their name in conditions; what is absent is not in
    it. `wished` is None for the condition as it is; else atoms about consent (and, with
    `wishes_rights`, about rights) are taken the way that makes the whole true or false.
    """

    world: World
    facts: dict[str, Any]
    use: Use
    state: State
    consent: Standing | None
    since: Callable[[str], int]
    consented: Callable[[str, frozenset[str]], bool]
    wishes: bool = False
    wishes_rights: bool = False


def truth(expr: Expr, ask: Asking, wished: bool = True) -> int:
    """The truth value; `wished` is the side that atoms take when the asking wishes."""
    match expr:
        case And():
            return min(truth(operand, ask, wished) for operand in expr.operands)
        case Or():
            return max(truth(operand, ask, wished) for operand in expr.operands)
        case Not():
            return 2 - truth(expr.operand, ask, not wished)
    if ask.wishes and (reads(expr, "consent") or (ask.wishes_rights and reads(expr, "rights"))):
        return TRUE if wished else FALSE
    return _atom(expr, ask)


def reads(expr: object, about: str) -> bool:
    """Whether anything in the expression is about `consent` or `rights`."""
    match expr:
        case And() | Or():
            return any(reads(operand, about) for operand in expr.operands)
        case Not():
            return reads(expr.operand, about)
        case Ref() | Has():
            return expr.name.text.startswith(about + ".")
        case Call():
            is_consented = about == "consent" and expr.function.text == "consented"
            return is_consented or any(reads(argument, about) for argument in expr.arguments)
        case Compare() | Arithmetic():
            return reads(expr.left, about) or reads(expr.right, about)
        case Is():
            is_asked = isinstance(expr.left, Ref) and expr.left.name.text == about
            return is_asked or reads(expr.left, about)
        case Like():
            return reads(expr.left, about)
        case Between():
            return any(reads(part, about) for part in (expr.value, expr.low, expr.high))
    return False


def _atom(expr: Expr, ask: Asking) -> int:
    match expr:
        case Compare():
            return _compare(expr, ask)
        case Is():
            return _is(expr, ask)
        case Like():
            text = value(expr.left, ask)
            pattern = expr.pattern.value.replace("[", "[[]")
            return UNKNOWN if text is None else _tri(match(translate(pattern), text) is not None)
        case Between():
            return _between(expr, ask)
        case Has():
            return _tri(ask.facts.get(expr.name.text) is not None)
        case Call() if expr.function.text == "consented":
            purpose, *qualities = [argument.name.text for argument in expr.arguments]  # type: ignore[union-attr]  # names
            return _tri(ask.consented(purpose, frozenset(qualities)))
    held = value(expr, ask)
    return UNKNOWN if held is None else _tri(held)


def _tri(is_true: object) -> int:
    return TRUE if is_true else FALSE


def value(expr: Expr, ask: Asking) -> Any:
    """The value; None when something it needs is absent."""
    match expr:
        case Literal():
            return expr.value
        case ListLiteral():
            return _items(expr.items, ask)
        case Ref():
            return _named(expr.name.text, ask)
        case Arithmetic():
            return _sum(expr, ask)
        case Call() if expr.function.text == "age":
            born = value(expr.arguments[0], ask)
            return None if born is None else Duration(months=12 * _age(born, ask.use.now_us))
    raise AssertionError(f"the reference does not know {expr!r}")


def _named(name: str, ask: Asking) -> Any:
    root, _, rest = name.partition(".")
    if name == "now":
        return ask.use.now_us
    if root == "rights":
        since = ask.since(rest.removesuffix("_at"))
        return since if rest.endswith("_at") else since != NEVER
    if root == "consent" and rest:
        return _of_consent(rest, ask)
    if name in ask.facts:
        return ask.facts[name]
    if rest or name in ("channel", "basis"):
        return None
    regime = ask.use.regime
    if (regime, name) in ask.world.sets or ("", name) in ask.world.sets:
        return _items(ask.world.items(name, regime), ask)
    return name


def _of_consent(what: str, ask: Asking) -> Any:
    if what == "said_no":
        return ask.state.said_no
    consent = ask.consent
    if what == "given":
        return consent is not None and not consent.problems
    if what == "jointly":
        return consent is not None and consent.jointly
    if consent is None:
        return None
    if what == "by":
        return consent.event.by.value
    if what == "given_at":
        return consent.event.happened_at_us
    if what == "notice":
        return consent.event.notice or None
    if what == "recipient":
        return [entry.id for entry in consent.event.scope.recipients if entry.id]
    raise AssertionError(f"the reference does not know consent.{what}")


def _items(items: tuple[ListItem, ...] | Any, ask: Asking) -> list[Any]:
    """The items in effect now."""
    now = ask.use.now_us
    return [
        value(item.value, ask)
        for item in items
        if (item.from_ is None or midnight_us(item.from_) <= now)
        and (item.until is None or now < midnight_us(item.until))
    ]


def _sum(expr: Arithmetic, ask: Asking) -> Any:
    left, right = value(expr.left, ask), value(expr.right, ask)
    if left is None or right is None:
        return None
    if left == NEVER:  # a right that is not in force stays before every time
        return NEVER
    length = Duration(expr.sign * right.months, expr.sign * right.micros)
    if isinstance(left, date):
        left = midnight_us(left)
    return moved(left, length)


def _compare(expr: Compare, ask: Asking) -> int:
    left, right = value(expr.left, ask), value(expr.right, ask)
    if left is None or right is None:
        return UNKNOWN
    if _about(expr.left, ask) == "purposes" and _about(expr.right, ask) == "purposes":
        return _tri(_share_purposes(left, right, ask))
    if expr.op.value == "in" and _about(expr.left, ask) in ("purpose", "data"):
        return _tri(_is_node_in(expr, left, right, ask))
    match expr.op.value:
        case "in":
            return _tri(_is_in(left, right))
        case "within":
            return _tri(all(item in right for item in left))
        case "overlaps":
            return _tri(any(item in right for item in left))
    left, right = _comparable(left, right)
    return _tri(
        {
            "==": lambda: left == right,
            "!=": lambda: left != right,
            "<": lambda: left < right,
            "<=": lambda: left <= right,
            ">": lambda: left > right,
            ">=": lambda: left >= right,
        }[expr.op.value]()
    )


_LISTS_OF_PURPOSES = ("resource.collected_for", "purpose.reuses")


def _about(expr: Expr, ask: Asking) -> str:
    """`purpose` or `data`, `purposes` for a list of them, else empty."""
    if not isinstance(expr, Ref):
        return ""
    name = expr.name.text
    declared = ask.world.attributes.get(name)
    is_list = declared is not None and declared.item_type and declared.item_type.text == "purpose"
    if name in _LISTS_OF_PURPOSES or is_list:
        return "purposes"
    return name if name in ("purpose", "data") else ""


def _is_node_in(expr: Compare, path: str, listed: list[str], ask: Asking) -> bool:
    """What a request lists are paths, with all below; what a policy lists may be any name."""
    world, regime = ask.world, ask.use.regime
    if _about(expr.right, ask) == "purposes":
        return any(within(path, one) for one in listed if one in world.purposes)
    items = expr.right.items if isinstance(expr.right, ListLiteral) else None
    if items is None:
        assert isinstance(expr.right, Ref)
        items = tuple(world.items(expr.right.name.text, regime))
    names = [item.value.name.text for item in items]  # type: ignore[union-attr]  # a list of names
    named = world.purposes_named if _about(expr.left, ask) == "purpose" else world.fields_named
    return any(path in named(name, regime) for name in names)


def _share_purposes(left: list[str], right: list[str], ask: Asking) -> bool:
    known = ask.world.purposes
    return any(within(one, above) for one in left for above in right if {one, above} <= set(known))


def _names_data(name: str, ask: Asking) -> bool:
    """Whether the consent names the field by an entry that is `name` or a part of it."""
    if ask.consent is None:
        return False
    leaf = ask.use.leaf
    return any(
        (entry in leaf.lineage() or any(within(key, entry) for key in leaf.categories))
        and ask.world.is_part(entry, name, ask.use.regime)
        for entry in ask.consent.event.scope.data
    )


def _is_in(item: Any, items: Any) -> bool:
    if isinstance(item, IPv4Address | IPv6Address):
        return any(item in ip_network(entry, strict=False) for entry in items)
    return item in items


def _comparable(left: Any, right: Any) -> tuple[Any, Any]:
    """Both sides in one measure: dates against times are their midnights, lengths are numbers."""
    if isinstance(left, Duration):
        return (left.months, left.micros), (right.months, right.micros)
    if isinstance(left, date) and not isinstance(right, date):
        left = midnight_us(left)
    if isinstance(right, date) and not isinstance(left, date):
        right = midnight_us(right)
    return left, right


def _is(expr: Is, ask: Asking) -> int:
    assert isinstance(expr.left, Ref)
    name, regime = expr.name.text, ask.use.regime
    match expr.left.name.text:
        case "consent.data":
            return _tri(_names_data(name, ask))
        case "purpose":
            return _tri(ask.use.purpose.path in ask.world.purposes_named(name, regime))
        case "data":
            return _tri(ask.use.leaf.path in ask.world.fields_named(name, regime))
        case "consent":
            return _tri(ask.consent is not None and name in ask.consent.event.qualities)
        case "action":
            return _tri(name in ask.world.actions[ask.facts["action"]])
        case "channel":
            channel = ask.facts.get("channel")
            return UNKNOWN if channel is None else _tri(name in ask.world.channels[channel])
    raise AssertionError(f"the reference does not know {expr!r}")


def _between(expr: Between, ask: Asking) -> int:
    low, high = value(expr.low, ask), value(expr.high, ask)
    if isinstance(expr.low, Literal) and expr.low.kind is LiteralKind.CLOCK:
        assert expr.zone is not None
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=ask.use.now_us)
        local = moment.astimezone(ZoneInfo(expr.zone.value))
        minute = local.hour * 60 + local.minute
        is_in = low <= minute < high if low < high else minute >= low or minute < high
        return _tri(is_in)
    held = value(expr.value, ask)
    if held is None or low is None or high is None:
        return UNKNOWN
    left, low = _comparable(held, low)
    left, high = _comparable(held, high)
    return _tri(low <= left < high)


def _age(born: date, now_us: int) -> int:
    today = date(1970, 1, 1) + timedelta(days=now_us // 86_400_000_000)
    had_birthday = (today.month, today.day) >= (born.month, born.day)
    return today.year - born.year - (not had_birthday)
