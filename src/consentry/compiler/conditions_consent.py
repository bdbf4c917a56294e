"""What a condition says about consents as wholes: their qualities, the data that they name, and
consents to other purposes.
"""

from __future__ import annotations

from consentry.compiler.conditions_ir import (
    FACTS,
    Atom,
    Constant,
    Fact,
    Logic,
    Operator,
    Sense,
    Touch,
)
from consentry.compiler.conditions_names import STANDING, ConditionRole, Names
from consentry.compiler.conditions_problems import Problems
from consentry.diagnostics.span import Span
from consentry.lang.tree import Call, Name, Ref
from consentry.model.tri import TRUE


class Consents:
    """Types and translates the atoms of one condition that speak of consents."""

    def __init__(self, names: Names, problems: Problems, role: ConditionRole) -> None:
        self._names = names
        self._problems = problems
        self._role = role

    def quality(self, name: str, span: Span, consent_span: Span) -> Logic | None:
        """`consent is explicit`."""
        if self._role is ConditionRole.GOVERNS:
            self._names.operand("consent.given", consent_span)
            return None
        if not self._is_quality(name, span):
            return None
        test = Operator("has_quality", (STANDING, Constant("text", name)))
        return Atom((), test, touch=Touch.CONSENT, flawless=TRUE)

    def names_data(self, name: str, span: Span, consent_span: Span) -> Logic | None:
        """`consent.data is NAME`: the consent names the field by that, or by a part of it."""
        if self._names.operand("consent.data", consent_span) is None:
            return None
        entries = self._names.data_names_within(name, span)
        if entries is None:
            return None
        test = Operator("names_data", (STANDING, Fact("leaf"), Constant("names of data", entries)))
        return Atom((), test, touch=Touch.CONSENT, flawless=TRUE)

    def _is_quality(self, name: str, span: Span) -> bool:
        if name in self._names.symbols.qualities:
            return True
        self._problems.unknown("T300", "quality", name, span, self._names.symbols.qualities)
        return False

    def consented(self, expr: Call) -> Logic | None:
        """`consented(PURPOSE, quality, …)`."""
        if self._role is ConditionRole.GOVERNS:
            self._names.operand("consent.given", expr.span)
            return None
        names = [part.name for part in expr.arguments if isinstance(part, Ref)]
        if not names or len(names) < len(expr.arguments):
            self._problems.error(
                "T314",
                "`consented` takes a purpose, then qualities",
                expr.span,
                "",
                "write `consented(marketing.email, explicit)`",
            )
            return None
        purposes = self._consented_purposes(names[0])
        qualities = [name for name in names[1:] if self._is_quality(name.text, name.span)]
        if purposes is None or len(qualities) < len(names) - 1:
            return None
        wanted = frozenset(name.text for name in qualities)
        arguments = (
            FACTS,
            Constant("set of purpose", purposes),
            Constant("qualities", wanted),
        )
        return Atom(
            (),
            Operator("consented", arguments),
            is_tri=True,
            touch=Touch.CONSENTED,
            sense=Sense.WIDENS,
            flawless=TRUE,
        )

    def _consented_purposes(self, name: Name) -> frozenset[object] | None:
        """The purpose of that path; in a pack, the purposes that a standard use or tag reaches.

        Of those, the topmost of each branch: who agreed to a part has not agreed to the whole.
        """
        purposes = self._names.symbols.purposes
        if self._names.regime in self._names.symbols.pack_regimes:
            found = self._names.members(name.text, "purpose", name.span)
            return found and frozenset(
                p.index for p in purposes if p.index in found and found.isdisjoint(p.lineage[1:])
            )
        word = self._names.word(name.text, "purpose", name.span)
        return None if word is None else frozenset({word.constant})
