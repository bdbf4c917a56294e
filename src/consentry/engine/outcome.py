"""What rules come to: one regime's yes, and the outcome for one leaf.

Both are made once for the rules that they rest on and kept with the group of those rules, so that
the same answer to the next request costs a look-up. Neither holds anything of a request.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from consentry.engine.linked_rule import LinkedRule
from consentry.engine.masks import stricter
from consentry.engine.reasons import RankedFinding, in_order
from consentry.model.decision import Decision, Effect, LeafDecision, Mask, Obligation
from consentry.model.program import RuleKind
from consentry.model.trees import DataNode

MAX_KEPT: Final = 256
"""Most answers kept for one group; when there are more, all are forgotten and made again."""

_NO_OBLIGATIONS: Final[tuple[Obligation, ...]] = ()


class Yes:
    """What a regime's yes comes with: the ground that was used (if it has any) and its burdens.

    `burdens` are the masks and obligations that apply. Never changed once made.
    """

    __slots__ = ("ground", "mask", "obligations")

    def __init__(self, ground: LinkedRule | None, burdens: Iterable[LinkedRule] = ()) -> None:
        self.ground = ground
        mask: Mask | None = None
        obligations: list[Obligation] = []
        for rule in burdens:
            if rule.rule.kind is RuleKind.MASK:
                mask = stricter(mask, rule.mask)
            else:
                obligations.append(rule.obligation)
        self.mask = mask
        self.obligations = tuple(obligations)


SILENT_YES: Final = Yes(None)
"""The yes of a regime that has nothing to say here."""


class Outcome:
    """What was decided for one leaf; shared by leaves for which nothing can differ."""

    __slots__ = ("_told", "effect", "mask", "obligations", "ranked")

    def __init__(
        self,
        effect: Effect,
        ranked: list[RankedFinding],
        mask: Mask | None = None,
        obligations: tuple[Obligation, ...] = _NO_OBLIGATIONS,
    ) -> None:
        self.effect = effect
        self.ranked = ranked
        self.mask = mask
        self.obligations = obligations
        self._told: dict[int, LeafDecision] = {}

    def tell(self, leaf: DataNode) -> LeafDecision:
        """The outcome as the answer for `leaf`, which is of the program whose outcome it is."""
        told = self._told.get(leaf.index)
        if told is None:
            ranked = self.ranked
            told = LeafDecision(
                data=leaf.path,
                effect=self.effect,
                findings=(ranked[0][2],) if len(ranked) == 1 else in_order(ranked),
                mask=self.mask,
                obligations=self.obligations,
            )
            self._told[leaf.index] = told
        return told

    def decide_until(
        self, leaf: DataNode, valid_until_us: int | None, *, is_cacheable: bool
    ) -> Decision:
        """The answer to a question about `leaf` alone."""
        only = self.tell(leaf)
        return Decision(
            effect=only.effect,
            findings=only.findings,
            leaves=(only,),
            obligations=only.obligations,
            valid_until_us=valid_until_us,
            is_cacheable=is_cacheable,
        )
