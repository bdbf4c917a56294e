"""The mission: who the controller is and what it promises."""

from __future__ import annotations

from typing import Final

from consentry.compiler.load import Loaded
from consentry.compiler.names import Names, check_head
from consentry.lang.tree import Mission as MissionDecl
from consentry.lang.tree import MissionField
from consentry.model.program import Mission

_FIELDS: Final = ("controller", "contact", "page")


def build_mission(loaded: Loaded, names: Names) -> Mission | None:
    """The one mission of the set; None when there is none."""
    declared = [
        declaration
        for module in loaded.house
        for declaration in module.declarations
        if isinstance(declaration, MissionDecl)
    ]
    for second in declared[1:]:
        names.report.error(
            "R231",
            "a policy set has one mission",
            second.head.text.span if second.head.text else second.span,
            label="a second one",
            related=((declared[0].span, "the first one"),),
        )
    return _build(declared[0], names) if declared else None


def _build(declared: MissionDecl, names: Names) -> Mission:
    report = names.report
    check_head(report, "a mission", declared.head)
    fields: dict[str, MissionField] = {}
    for field in declared.fields:
        word = field.name.text
        if word not in _FIELDS:
            # `in` is no part, but what a misspelt one before a country would be taken for.
            report.unknown("R217", "part of a mission", field.name, (*_FIELDS, "in"))
        elif (first := fields.get(word)) is not None:
            report.error(
                "R241",
                f"`{word}` stands twice in a mission",
                field.name.span,
                label="the second one",
                related=((first.name.span, "the first one"),),
            )
        else:
            fields[word] = field
        if field.country is not None and word in _FIELDS and word != "controller":
            report.error(
                "R243",
                f"`{word}` takes no country",
                field.country.span,
                label="only the controller has one",
            )
    values = {word: field.value.value for word, field in fields.items()}
    controller = fields.get("controller")
    return Mission(
        text=declared.head.text.value if declared.head.text else "",
        controller=values.get("controller", ""),
        country=controller.country.value if controller and controller.country else "",
        contact=values.get("contact", ""),
        page=values.get("page", ""),
    )
