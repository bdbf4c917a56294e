"""The conditions of a program as formulas, by the number of the function that each became."""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Iterator, Mapping
from typing import TypeAlias

from consentry.compiler.conditions_ir import Atom, Chain, Logic
from consentry.model.program import Program

Formulas: TypeAlias = Mapping[int, Logic]


def read_formulas(program: Program) -> Formulas:
    """The formulas that the compiler laid beside the functions."""
    if not program.formulas:
        return {}
    # SAFETY: our own compiler wrote them, as it did the program's code.
    found: Formulas = pickle.loads(zlib.decompress(program.formulas))  # noqa: S301 - see above
    return found


def atoms_in(logic: Logic) -> Iterator[Atom]:
    """Every atom of a formula."""
    if isinstance(logic, Atom):
        yield logic
    elif isinstance(logic, Chain):
        for item in logic.items:
            yield from atoms_in(item)
