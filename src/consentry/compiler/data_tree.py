"""Builds the tree of data fields from the author's `data` declarations."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from consentry.compiler.load import Loaded
from consentry.compiler.names import Names, check_head
from consentry.lang.tree import DataDecl
from consentry.model.trees import DataNode


@dataclass(slots=True)
class _Draft:
    """A node before its children and leaves are known."""

    path: str
    text: str
    lineage: tuple[str, ...]
    tags: frozenset[str]
    categories: tuple[str, ...]
    children: list[int] = field(default_factory=list)


def build_data_tree(loaded: Loaded, names: Names) -> None:
    """Fill `names.data`, parents before children.

    A node carries its ancestors' tags and those of its standard keys; without keys of its own it
    has its nearest ancestor's.
    """
    drafts: list[_Draft] = []
    by_path: dict[str, int] = {}
    roots = [
        declaration
        for module in loaded.house
        for declaration in module.declarations
        if isinstance(declaration, DataDecl)
    ]
    _add(roots, None, drafts, by_path, names)
    leaves: list[tuple[int, ...]] = [()] * len(drafts)
    for index in range(len(drafts) - 1, -1, -1):
        children = drafts[index].children
        below = tuple(leaf for child in children for leaf in leaves[child])
        leaves[index] = below if children else (index,)
    names.data.extend(
        DataNode(
            index=index,
            path=draft.path,
            text=draft.text,
            lineage=draft.lineage,
            children=tuple(draft.children),
            leaves=leaves[index],
            tags=draft.tags,
            categories=draft.categories,
        )
        for index, draft in enumerate(drafts)
    )


def _add(
    nodes: Iterable[DataDecl],
    parent: int | None,
    drafts: list[_Draft],
    by_path: dict[str, int],
    names: Names,
) -> None:
    above = None if parent is None else drafts[parent]
    for node in nodes:
        if node.head.name is None:
            continue
        check_head(
            names.report, "a data node", node.head, tags=True, standard=len(node.head.standard)
        )
        name = node.head.name.text
        path = name if above is None else f"{above.path}.{name}"
        if not names.declare("data", node.head.name, path):
            # Its children are taken as the first one's, so that their users raise nothing.
            _add(node.children, by_path[path], drafts, by_path, names)
            continue
        keys = names.keys_of(node.head, names.categories, "standard category")
        tags = names.tags_of(node.head).union(*(names.categories[key] for key in keys))
        index = len(drafts)
        by_path[path] = index
        drafts.append(
            _Draft(
                path=path,
                text=node.head.text.value if node.head.text else "",
                lineage=(path,) if above is None else (path, *above.lineage),
                tags=tags if above is None else tags | above.tags,
                categories=keys or (() if above is None else above.categories),
            )
        )
        if above is not None:
            above.children.append(index)
        _add(node.children, index, drafts, by_path, names)
