"""Declares sets: named constant lists of values, or of names in a tree or vocabulary."""

from __future__ import annotations

from consentry.compiler.load import Loaded
from consentry.compiler.names import Names, check_head
from consentry.compiler.symbols import SetItem, SetSymbol, Symbols
from consentry.lang.tree import ListItem, Literal, LiteralKind, Ref, SetDecl

NAME_TYPE = "name"


def declare_sets(loaded: Loaded, names: Names, provisional: Symbols) -> None:
    """Fill `names.sets`. `provisional` knows everything but attributes and sets."""
    for module in loaded.modules():
        for declaration in module.declarations:
            if isinstance(declaration, SetDecl):
                _declare(declaration, "", names, provisional)
    for regime, _ in loaded.regimes():
        if regime.head.name is not None:
            for declared in regime.sets:
                _declare(declared, regime.head.name.text, names, provisional)


def _declare(declaration: SetDecl, regime: str, names: Names, symbols: Symbols) -> None:
    name = declaration.head.name
    if name is None:
        return
    check_head(names.report, "a set", declaration.head)
    kind = f"set of {regime}" if regime else "set"
    if not names.declare(kind, name):
        return
    typed = [(_type_of(item), item) for item in declaration.value.items]
    types = [type_name for type_name, _ in typed if type_name]
    if len(types) < len(typed):
        wrong = next(item for type_name, item in typed if not type_name)
        names.report.error(
            "R251", "a set holds constants and names only", wrong.span, label="neither of them"
        )
        names.poisoned.add(name.text)
        return
    set_type = types[0] if types else "text"
    items: list[SetItem] = []
    for type_name, item in typed:
        if type_name != set_type:
            names.report.error(
                "R251",
                f"set `{name.text}` mixes `{set_type}` and `{type_name}`",
                item.span,
                label=f"this is `{type_name}`",
            )
            names.poisoned.add(name.text)
            return
        if (made := _item(item, regime, names, symbols)) is not None:
            items.append(made)
    if len(items) < len(typed):
        # Half a set would only give rise to messages about what is missing from it.
        names.poisoned.add(name.text)
        return
    names.sets[(regime, name.text)] = SetSymbol(
        name=name.text, type=set_type, items=tuple(items), regime=regime, span=name.span
    )


def _type_of(item: ListItem) -> str:
    """The type of an item by its name in the language; empty when it may not stand in a set."""
    if isinstance(item.value, Ref):
        return NAME_TYPE
    if isinstance(item.value, Literal) and item.value.kind is not LiteralKind.CLOCK:
        return item.value.kind.value
    return ""


def _item(item: ListItem, regime: str, names: Names, symbols: Symbols) -> SetItem | None:
    if item.from_ and item.until and item.from_ >= item.until:
        names.report.error(
            "R252", "`from` is not before `until`", item.span, label="this is never in effect"
        )
        return None
    if isinstance(item.value, Literal):
        return SetItem(value=item.value.value, from_=item.from_, until=item.until)
    if not isinstance(item.value, Ref):
        return None
    if item.from_ or item.until:
        names.report.error(
            "R251", "a name in a set carries no dates", item.span, label="only values may"
        )
        return None
    name = item.value.name
    if not is_set_name(name.text, regime, symbols):
        candidates = {
            *symbols.data_names,
            *symbols.purpose_names,
            *symbols.categories,
            *symbols.uses,
            *symbols.tags,
            *symbols.actions,
            *symbols.channels,
        }
        names.report.unknown("R221", "name", name, candidates)
        return None
    return SetItem(value=name.text, is_name=True)


def is_set_name(name: str, regime: str, symbols: Symbols) -> bool:
    """Whether a name may stand in a set: of data, a purpose, the vocabulary or a standard key."""
    is_path = regime not in symbols.pack_regimes and (
        name in symbols.data_names or name in symbols.purpose_names
    )
    return is_path or any(
        name in known
        for known in (
            symbols.categories,
            symbols.uses,
            symbols.tags,
            symbols.actions,
            symbols.channels,
        )
    )
