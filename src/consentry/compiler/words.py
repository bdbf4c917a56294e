"""Declares the vocabulary: tags, actions, channels, reasons, and the standard keys of packs.

In a pack, `data` and `purpose` are not the author's trees but the standard vocabulary: they
declare the keys that `as` may name, with their tags. A key carries its ancestors' tags.
"""

from __future__ import annotations

from collections.abc import Iterable

from consentry.compiler.load import Loaded
from consentry.compiler.names import QUALITY_TAG, Names, check_head
from consentry.lang.tree import DataDecl, Module, PurposeDecl, WordDecl, WordKind


def declare_words(loaded: Loaded, names: Names) -> None:
    """Declare all words of all modules; tags first, since the others carry them."""
    words = [d for m in loaded.modules() for d in m.declarations if isinstance(d, WordDecl)]
    for word in words:
        if word.kind is WordKind.TAG:
            _declare_tag(word, names)
    for word in words:
        if word.kind is WordKind.TAG:
            _check_tags_of_tag(word, names)
        else:
            _declare_word(word, names)
    for module in loaded.packs.values():
        _declare_keys(module, names)


def _declare_tag(word: WordDecl, names: Names) -> None:
    check_head(names.report, "a tag", word.head, tags=True)
    if word.head.name is None or not names.declare("tag", word.head.name):
        return
    text = word.head.text.value if word.head.text else ""
    is_quality = any(tag.text == QUALITY_TAG for tag in word.head.tags)
    (names.qualities if is_quality else names.tags)[word.head.name.text] = text


def _check_tags_of_tag(word: WordDecl, names: Names) -> None:
    for tag in word.head.tags:
        if tag.text not in names.tags and tag.text != QUALITY_TAG:
            known = [*names.tags, QUALITY_TAG]
            names.report.unknown("R207", "tag", tag, known, places=names.places_of("tag"))


def _declare_word(word: WordDecl, names: Names) -> None:
    kind = word.kind.value
    article = "an" if word.kind is WordKind.ACTION else "a"
    has_tags = word.kind is not WordKind.REASON
    check_head(names.report, f"{article} {kind}", word.head, tags=has_tags)
    if word.head.name is None or not names.declare(kind, word.head.name):
        return
    name = word.head.name.text
    if word.kind is WordKind.REASON:
        names.reasons[name] = word.head.text.value if word.head.text else ""
        return
    tags = names.tags_of(word.head)
    (names.actions if word.kind is WordKind.ACTION else names.channels)[name] = tags


def _declare_keys(module: Module, names: Names) -> None:
    for declaration in module.declarations:
        if isinstance(declaration, DataDecl):
            _declare_key("category", [declaration], "", frozenset(), names)
        elif isinstance(declaration, PurposeDecl):
            _declare_key("use", [declaration], "", frozenset(), names)


def _declare_key(
    kind: str,
    nodes: Iterable[DataDecl] | Iterable[PurposeDecl],
    parent: str,
    inherited: frozenset[str],
    names: Names,
) -> None:
    known = names.categories if kind == "category" else names.uses
    for node in nodes:
        if node.head.name is None:
            continue
        check_head(names.report, f"a standard {kind}", node.head, tags=True)
        if isinstance(node, PurposeDecl):
            for clause in node.clauses:
                names.report.error(
                    "R242",
                    f"a standard use takes no `{clause.word.value}`",
                    clause.word_span,
                    label="in a pack, `purpose` declares standard keys",
                )
        key = f"{parent}.{node.head.name.text}" if parent else node.head.name.text
        tags = inherited | names.tags_of(node.head)
        if names.declare(f"standard {kind}", node.head.name, key):
            known[key] = tags
        _declare_key(kind, node.children, key, tags, names)
