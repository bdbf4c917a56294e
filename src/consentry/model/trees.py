"""The two trees a policy set declares: purposes and data.

Nodes are identified by their dense index in the program (`Program.purposes`, `Program.data`), in
declaration order, parents before children.
"""

from __future__ import annotations

from dataclasses import dataclass

from consentry.model.values import Duration


@dataclass(frozen=True, slots=True, kw_only=True)
class PurposeNode:
    """One purpose with everything inherited already filled in.

    `path` is dotted from the root (`marketing.email`). `lineage` holds the indices of this purpose
    and its ancestors, itself first. `tags` are its own, its ancestors' and those of its standard
    keys. `uses` are the standard data-use keys it maps to, its own or else the nearest ancestor's.
    `basis` is the one it declares for every regime without an entry in `basis_under`. `benefit`
    says what it brings the person; like `text` it is not inherited.
    """

    index: int
    path: str
    text: str = ""
    lineage: tuple[int, ...]
    children: tuple[int, ...] = ()
    tags: frozenset[str] = frozenset()
    uses: tuple[str, ...] = ()
    basis: str | None = None
    basis_under: tuple[tuple[str, str], ...] = ()
    keep: Duration | None = None
    consent_lasts: Duration | None = None
    notice: str | None = None
    notice_material_since: str | None = None
    reuses: frozenset[int] = frozenset()
    cite: str = ""
    benefit: str = ""

    def basis_for(self, regime: str) -> str | None:
        """The lawful basis declared under `regime`, or the general one, or None."""
        for name, basis in self.basis_under:
            if name == regime:
                return basis
        return self.basis


@dataclass(frozen=True, slots=True, kw_only=True)
class DataNode:
    """One node of the data tree; a leaf is a field.

    `leaves` are the indices of the leaves below (a leaf's own index for a leaf). `categories` are
    its standard data-category keys, its own or else the nearest ancestor's. `lineage` holds the
    paths of this node and its ancestors, itself first.
    """

    index: int
    path: str
    text: str = ""
    lineage: tuple[str, ...]
    children: tuple[int, ...] = ()
    leaves: tuple[int, ...]
    tags: frozenset[str] = frozenset()
    categories: tuple[str, ...] = ()

    @property
    def is_leaf(self) -> bool:
        """Whether this node is a field."""
        return not self.children


def is_within(key: str, ancestor: str) -> bool:
    """Whether the dotted `key` is `ancestor` or lies below it."""
    return key == ancestor or key.startswith(ancestor + ".")
