"""What a replaced policy set consists of, so that it can be freed piece by piece."""

from __future__ import annotations

from consentry.engine.link import LinkedProgram
from consentry.model.program import Program


def parts_of(program: Program) -> list[object]:
    """The entries of a program's long rows."""
    return [
        *program.rules,
        *program.exceptions,
        *program.promises,
        *program.purposes,
        *program.data,
    ]


def linked_parts_of(linked: LinkedProgram) -> list[object]:
    """What was made of a program, and its own parts."""
    return [*linked.made(), *parts_of(linked.program)]
