"""Declares typed attributes.

A pack and the author may declare the same attribute: the types must agree, and the author's
optionality and default stand.
"""

from __future__ import annotations

from typing import Final

from consentry.compiler.conditions import ConditionCompiler
from consentry.compiler.load import Loaded
from consentry.compiler.names import Names, check_head
from consentry.compiler.symbols import Symbols
from consentry.diagnostics.suggest import closest
from consentry.lang.tree import AttributeDecl, Attributes, Name
from consentry.model.program import AttributeSpec, Owner
from consentry.model.values import Value

TYPES: Final = ("text", "number", "flag", "date", "time", "duration", "ip")
ITEM_TYPES: Final = (*TYPES, "purpose")
"""Types of the items of a list; a list of purposes is asked whether one of them holds another."""
BUILT_IN: Final = {
    Owner.PRINCIPAL: frozenset({"id", "type", "roles", "controller"}),
    Owner.SUBJECT: frozenset({"id"}),
    Owner.RECIPIENT: frozenset({"id", "roles", "country"}),
    Owner.RESOURCE: frozenset({"id", "collected_at", "collected_for", "collected_on"}),
}
"""Names that every request has a place for; an attribute of the same name would hide it."""


def declare_attributes(loaded: Loaded, names: Names, provisional: Symbols) -> None:
    """Fill `names.attributes`. `provisional` knows everything but attributes and sets."""
    typing = ConditionCompiler(provisional)
    for is_pack, modules in ((True, loaded.packs.values()), (False, loaded.house)):
        for module in modules:
            for declaration in module.declarations:
                if isinstance(declaration, Attributes):
                    _declare(declaration, names, typing, is_pack=is_pack)
    names.report.extend(typing.diagnostics)


def _declare(
    declaration: Attributes, names: Names, typing: ConditionCompiler, *, is_pack: bool
) -> None:
    head = declaration.head
    if head.name is None:
        return
    check_head(names.report, "an `attributes` block", head, text=False)
    owners = [owner.value for owner in Owner]
    if head.name.text not in owners:
        names.report.unknown("R210", "owner of attributes", head.name, owners)
        # Whose attributes they were meant to be is not known: nobody's raise a second message.
        names.poisoned.update(f"{o}.{a.name.text}" for o in owners for a in declaration.attributes)
        for attribute in declaration.attributes:
            _type_of(attribute, names)
        return
    owner = Owner(head.name.text)
    for attribute in declaration.attributes:
        _declare_one(owner, attribute, names, typing, is_pack=is_pack)


def _declare_one(
    owner: Owner,
    attribute: AttributeDecl,
    names: Names,
    typing: ConditionCompiler,
    *,
    is_pack: bool,
) -> None:
    report = names.report
    path = f"{owner.value}.{attribute.name.text}"
    if attribute.name.text in BUILT_IN.get(owner, ()):
        report.error(
            "R230",
            f"attribute `{path}` is declared twice",
            attribute.name.span,
            label="every request has this already",
        )
        return
    if (type_name := _type_of(attribute, names)) is None:
        names.poisoned.add(path)
        meant = closest(attribute.type.text, TYPES)
        if attribute.default is not None and meant is not None:
            typing.constant(attribute.default, meant)
        return
    default: Value | None = None
    if attribute.default is not None:
        default = typing.constant(attribute.default, type_name)
        if default is None:
            names.poisoned.add(path)
    spec = AttributeSpec(
        owner=owner,
        name=attribute.name.text,
        type=type_name,
        is_optional=attribute.is_optional,
        default=default,
    )
    key = (owner.value, attribute.name.text)
    known = names.attributes.get(key)
    house_place = names.declared_at.get(f"attribute {path}")
    pack_place = names.declared_at.get(f"pack attribute {path}")
    if known is not None and known.type != type_name:
        first_place = house_place or pack_place
        report.error(
            "R230",
            f"attribute `{path}` is declared as `{known.type}` and as `{type_name}`",
            attribute.type.span,
            label=f"here it is `{type_name}`",
            related=((first_place, f"here it is `{known.type}`"),) if first_place else (),
        )
        return
    if is_pack:
        names.declared_at.setdefault(f"pack attribute {path}", attribute.name.span)
        names.attributes.setdefault(key, spec)
    elif names.declare("attribute", attribute.name, path):
        names.attributes[key] = spec


def _type_of(attribute: AttributeDecl, names: Names) -> str | None:
    """The type by its name in the language; None when it is wrong."""
    word, item = attribute.type, attribute.item_type
    if item is not None:
        wrong = [(word, ["list"])] if word.text != "list" else []
        wrong += [(item, list(ITEM_TYPES))] if item.text not in ITEM_TYPES else []
        for name, known in wrong:
            _report_type(name, known, names)
        return None if wrong else f"list of {item.text}"
    if word.text == "list":
        names.report.error(
            "R211",
            "`list` needs the type of its items",
            word.span,
            label="of what?",
            help="write `list of text`",
        )
        return None
    if word.text not in TYPES:
        _report_type(word, [*TYPES, "list"], names)
        return None
    return word.text


def _report_type(word: Name, candidates: list[str], names: Names) -> None:
    names.report.unknown("R211", "type", word, candidates)
