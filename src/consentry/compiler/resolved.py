"""What the passes share once all names are declared."""

from __future__ import annotations

from dataclasses import dataclass

from consentry.compiler.conditions import ConditionCompiler
from consentry.compiler.load import Loaded
from consentry.compiler.lookup import Lookup
from consentry.compiler.names import Names
from consentry.compiler.report import Report
from consentry.compiler.symbols import Symbols


@dataclass(frozen=True, slots=True)
class Resolved:
    """A policy set whose names are declared and whose rules are being lowered."""

    loaded: Loaded
    names: Names
    symbols: Symbols
    lookup: Lookup
    conditions: ConditionCompiler

    @property
    def report(self) -> Report:
        """Where everything that is wrong goes."""
        return self.names.report
