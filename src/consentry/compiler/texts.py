"""The plain-language texts of a policy set, and how a translation matches them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from consentry.diagnostics.diagnostic import Diagnostic, Severity
from consentry.diagnostics.suggest import closest
from consentry.lang.translations import TextKey, Translation
from consentry.lang.tree import (
    ClauseWord,
    DataDecl,
    Head,
    Mission,
    Module,
    PurposeDecl,
    RegimeDecl,
    RuleDecl,
    TestDecl,
    Text,
    WordDecl,
)


def texts_of(modules: Iterable[Module]) -> Mapping[TextKey, str]:
    """Every text that the files declare, in their order; what has no text is not there.

    Keys are a table of a translation and a name: dotted paths of trees, `regime.rule` of a rule in
    a regime.
    """
    return {
        key: text
        for module in modules
        for declaration in module.declarations
        for key, text in _texts(declaration)
        if text
    }


def check_translation(
    translation: Translation, texts: Mapping[TextKey, str]
) -> tuple[Diagnostic, ...]:
    """Warnings about names that no text belongs to: misspelt, or gone from the policies."""
    return tuple(_stray(translation, key, texts) for key in translation.texts if key not in texts)


def find_untranslated(
    translation: Translation, texts: Mapping[TextKey, str]
) -> tuple[TextKey, ...]:
    """What has a text in the policies and none in the translation, in order of declaration.

    Tests are for authors and need none.
    """
    return tuple(key for key in texts if key not in translation.texts and key[0] != "test")


def _stray(translation: Translation, key: TextKey, texts: Mapping[TextKey, str]) -> Diagnostic:
    kind, name = key
    nearest = closest(name, [known for table, known in texts if table == kind])
    return Diagnostic(
        code="F542",
        title=f"no {kind} `{name}` has a text to translate",
        span=translation.place_of(key),
        help=f"did you mean `{nearest}`?" if nearest else "",
        severity=Severity.WARNING,
    )


def _texts(declaration: object) -> Iterator[tuple[TextKey, str]]:
    match declaration:
        case Mission(head=head):
            yield ("mission", "text"), _text(head)
        case WordDecl(kind=kind, head=head):
            yield (kind.value, _name(head)), _text(head)
        case DataDecl():
            yield from _tree_texts("data", declaration, "")
        case PurposeDecl():
            yield from _tree_texts("purpose", declaration, "")
        case RegimeDecl(head=head, rules=rules):
            yield ("regime", _name(head)), _text(head)
            for rule in rules:
                yield ("rule", f"{_name(head)}.{_name(rule.head)}"), _text(rule.head)
        case RuleDecl(head=head):
            yield ("rule", _name(head)), _text(head)
        case TestDecl(head=head):
            yield ("test", _name(head)), _text(head)
        case _:
            pass


def _tree_texts(
    kind: str, node: DataDecl | PurposeDecl, above: str
) -> Iterator[tuple[TextKey, str]]:
    path = f"{above}.{_name(node.head)}" if above else _name(node.head)
    yield (kind, path), _text(node.head)
    if isinstance(node, PurposeDecl):
        for clause in node.clauses:
            if clause.word is ClauseWord.BENEFIT and isinstance(clause.value, Text):
                yield ("benefit", path), clause.value.value
    for child in node.children:
        yield from _tree_texts(kind, child, path)


def _name(head: Head) -> str:
    return head.name.text if head.name is not None else ""


def _text(head: Head) -> str:
    return head.text.value if head.text is not None else ""
