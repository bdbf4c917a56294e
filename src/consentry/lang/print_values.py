"""Names, literals, expressions and clause values as canonical text.

A `BREAK` stands where a long line may be broken; elsewhere it becomes a space.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Final, assert_never

from consentry.lang.text_checks import is_forbidden
from consentry.lang.tree import (
    And,
    Arithmetic,
    Between,
    Call,
    Clause,
    ClauseWord,
    Compare,
    DurationRef,
    EventPart,
    Expr,
    Has,
    Head,
    Is,
    KeyValue,
    Like,
    ListItem,
    ListLiteral,
    Literal,
    LiteralKind,
    MaskRef,
    Name,
    Not,
    Or,
    PartyRef,
    Ref,
    Text,
)
from consentry.model.values import MICROS_PER_DAY, MICROS_PER_SECOND, Duration, datetime_of

BREAK: Final = "\x00"
_OR, _AND, _NOT, _COMPARISON, _SUM, _ATOM = range(1, 7)
_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}
_EXACT_UNITS: Final = (
    ("days", MICROS_PER_DAY),
    ("hours", 3600 * MICROS_PER_SECOND),
    ("minutes", 60 * MICROS_PER_SECOND),
    ("seconds", MICROS_PER_SECOND),
)


def quoted(text: str) -> str:
    """The text as a string literal; what must not stand in a policy is escaped."""
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character == "\r" or is_forbidden(character):
        return f"\\u{{{ord(character):X}}}"
    return character


def listed(items: Iterable[str]) -> str:
    """Items with commas, breakable after each."""
    return f",{BREAK}".join(items)


def names(found: Sequence[Name]) -> str:
    """Names with commas."""
    return listed(name.text for name in found)


def head(found: Head) -> str:
    """Name, text, tags, standard keys, in this order."""
    parts: list[str] = []
    if found.name is not None:
        parts.append(found.name.text)
    if found.text is not None:
        parts.append(quoted(found.text.value))
    if found.tags:
        parts.append("is " + names(found.tags))
    if found.standard:
        parts.append("as " + names(found.standard))
    return BREAK.join(parts)


def duration(length: Duration, written: str) -> str:
    """As the author wrote it, or in the largest unit that is exact."""
    if written:
        return written
    if length.months:
        years, rest = divmod(length.months, 12)
        return f"{length.months} months" if rest else f"{years} years"
    for word, micros in _EXACT_UNITS:
        if length.micros % micros == 0:
            return f"{length.micros // micros} {word}"
    return f"{length.micros // MICROS_PER_SECOND} seconds"


def literal(found: Literal) -> str:
    """A constant; numbers and times as written."""
    value = found.value
    match found.kind:
        case LiteralKind.TEXT:
            return quoted(str(value))
        case LiteralKind.FLAG:
            return "true" if value else "false"
        case LiteralKind.DURATION:
            assert isinstance(value, Duration)
            return duration(value, found.written)
        case LiteralKind.DATE:
            assert isinstance(value, date)
            return value.isoformat()
        case LiteralKind.NUMBER | LiteralKind.TIME | LiteralKind.CLOCK:
            return found.written or _number_like(found.kind, value)
        case _:
            assert_never(found.kind)


def _number_like(kind: LiteralKind, value: object) -> str:
    """A number, time or time of day that no author wrote."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    assert isinstance(value, int)
    if kind is LiteralKind.TIME:
        return datetime_of(value).isoformat().replace("+00:00", "Z")
    if kind is LiteralKind.CLOCK:
        return f"{value // 60:02}:{value % 60:02}"
    return str(value)


def _strength(found: Expr) -> int:
    """How tightly an expression holds together; a weaker one inside needs parentheses."""
    match found:
        case Or():
            return _OR
        case And():
            return _AND
        case Not():
            return _NOT
        case Compare() | Is() | Like() | Between() | Has():
            return _COMPARISON
        case Arithmetic():
            return _SUM
        case _:
            return _ATOM


def _inside(found: Expr, least: int) -> str:
    text = expression(found)
    return f"({text})" if _strength(found) < least else text


def expression(found: Expr) -> str:
    """An expression with the fewest parentheses. Recursion is bounded by the parser's depth."""
    match found:
        case Literal():
            return literal(found)
        case Ref():
            return found.name.text
        case ListLiteral():
            return f"[{listed(map(list_item, found.items))}]"
        case Call():
            return f"{found.function.text}({listed(map(expression, found.arguments))})"
        case Or():
            return f"{BREAK}or ".join(_inside(one, _AND) for one in found.operands)
        case And():
            return f"{BREAK}and ".join(_inside(one, _NOT) for one in found.operands)
        case Not():
            # A comparison is parenthesised although it need not be: `not a like b` misleads.
            least = _NOT if isinstance(found.operand, Not | Has) else _SUM
            return f"not {_inside(found.operand, least)}"
        case Compare():
            return f"{_inside(found.left, _SUM)} {found.op.value} {_inside(found.right, _SUM)}"
        case Is():
            return f"{_inside(found.left, _SUM)} is {found.name.text}"
        case Like():
            return f"{_inside(found.left, _SUM)} like {quoted(found.pattern.value)}"
        case Between():
            zone = f" in {quoted(found.zone.value)}" if found.zone is not None else ""
            low, high = _inside(found.low, _SUM), _inside(found.high, _SUM)
            return f"{_inside(found.value, _SUM)} between {low} and {high}{zone}"
        case Has():
            return f"has {found.name.text}"
        case Arithmetic():
            sign = "+" if found.sign > 0 else "-"
            return f"{_inside(found.left, _SUM)} {sign} {_inside(found.right, _ATOM)}"
        case _:
            assert_never(found)


def list_item(item: ListItem) -> str:
    """An item with its dates of effect."""
    from_ = f" from {item.from_.isoformat()}" if item.from_ is not None else ""
    until = f" until {item.until.isoformat()}" if item.until is not None else ""
    return expression(item.value) + from_ + until


def party(found: PartyRef) -> str:
    """`service "mailer"`."""
    name = f" {quoted(found.name.value)}" if found.name is not None else ""
    return found.kind.text + name


def facts(values: Sequence[KeyValue]) -> str:
    """`{ country = "DE" }`; empty for none."""
    inner = listed(f"{one.key.text} = {expression(one.value)}" for one in values)
    return f"{{ {inner} }}" if inner else "{}"


def value(found: object) -> str:
    """The value of a clause or of a part of an event, whatever its kind."""
    match found:
        case tuple():
            return listed(value(one) for one in found)
        case PartyRef():
            return party(found)
        case Name():
            return found.text
        case Text():
            return quoted(found.value)
        case DurationRef():
            return duration(found.value, found.written)
        case MaskRef():
            argument = "" if found.argument is None else f" {found.argument}"
            return found.function.text + argument
        case _:
            return expression(found)  # type: ignore[arg-type]  # what is left of ClauseValue


def clause(found: Clause) -> tuple[str, str]:
    """The word that is aligned, and the rest."""
    text = value(found.value)
    match found.word:
        case ClauseWord.CONSENT_LASTS:
            return "consent", f"lasts {text}"
        case ClauseWord.BASIS if found.second is not None:
            return "basis", f"{text} under {value(found.second)}"
        case ClauseWord.NOTICE if found.second is not None:
            return "notice", f"{text} material since {value(found.second)}"
        case _:
            return found.word.value, text


def event_part(found: EventPart) -> str:
    """`under notice "2026-03"`."""
    return f"{found.word.value} {value(found.value)}"
