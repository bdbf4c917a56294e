"""The symbol table: every declared name of a policy set, after resolution.

Built by `resolve` (declarations, trees, packs), read by `conditions` (types, polarity, lowering)
and by the author's tests. A name that was declared wrongly is in `poisoned`, so that its users
raise no second message.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date

from consentry.diagnostics.span import Span
from consentry.model.program import AttributeSpec
from consentry.model.trees import DataNode, PurposeNode
from consentry.model.values import Scalar


@dataclass(frozen=True, slots=True, kw_only=True)
class SetItem:
    """One item of a set: a constant, or a name in a tree or vocabulary (`is_name`)."""

    value: Scalar
    is_name: bool = False
    from_: date | None = None
    until: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetSymbol:
    """A named constant list. `type` is the language type of its items, or `name` for names of data,
    categories, purposes or tags. `regime` is empty for the house's sets.
    """

    name: str
    type: str
    items: tuple[SetItem, ...]
    regime: str
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Symbols:
    """All declared names. Keys of `attributes` are `(owner, name)`, of `sets` `(regime, name)`.

    `categories` and `uses` are the standard keys that `as` may name, with their tags. `tags`,
    `actions`, `channels`, `reasons` map words to their own tags or text; `reasons` keeps the one
    order of reasons. `bases` are those that some loaded regime's permits name. `pack_regimes` are
    the regimes that packs declare: in their text a name is a standard key or a tag, never a path of
    the author's trees. `declared_at` maps `kind name` (`purpose marketing.email`) to its place.
    """

    purposes: tuple[PurposeNode, ...]
    purpose_names: Mapping[str, int]
    data: tuple[DataNode, ...]
    data_names: Mapping[str, int]
    attributes: Mapping[tuple[str, str], AttributeSpec]
    sets: Mapping[tuple[str, str], SetSymbol]
    tags: Mapping[str, str]
    actions: Mapping[str, frozenset[str]]
    channels: Mapping[str, frozenset[str]]
    reasons: Mapping[str, str]
    categories: Mapping[str, frozenset[str]]
    uses: Mapping[str, frozenset[str]]
    regimes: tuple[str, ...]
    bases: frozenset[str]
    qualities: frozenset[str]
    declared_at: Mapping[str, Span] = field(default_factory=dict)
    poisoned: frozenset[str] = frozenset()
    pack_regimes: frozenset[str] = frozenset()

    def leaves_of(self, name: str, regime: str = "") -> frozenset[int] | None:
        """Leaves that a data path, a standard category or a tag stands for; None if unknown.

        `regime` is the regime in whose text the name stands.
        """
        index = None if regime in self.pack_regimes else self.data_names.get(name)
        if index is not None:
            return frozenset(self.data[index].leaves)
        if name in self.categories:
            return frozenset(
                node.index
                for node in self.data
                if node.is_leaf
                and any(key == name or key.startswith(name + ".") for key in node.categories)
            )
        if name in self.tags:
            return frozenset(n.index for n in self.data if n.is_leaf and name in n.tags)
        return None

    def purposes_of(self, name: str, regime: str = "") -> frozenset[int] | None:
        """Purposes that a purpose (with its descendants), a standard use or a tag stands for.

        `regime` is the regime in whose text the name stands.
        """
        index = None if regime in self.pack_regimes else self.purpose_names.get(name)
        if index is not None:
            return frozenset(self._subtree(index))
        if name in self.uses:
            return frozenset(
                p.index
                for p in self.purposes
                if any(key == name or key.startswith(name + ".") for key in p.uses)
            )
        if name in self.tags:
            return frozenset(p.index for p in self.purposes if name in p.tags)
        return None

    def _subtree(self, index: int) -> Iterator[int]:
        """A purpose and all purposes below it."""
        waiting = [index]
        while waiting:
            found = waiting.pop()
            yield found
            waiting.extend(self.purposes[found].children)
