"""Publications of one policy set: the one way to them for the command line and the doors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from consentry.compiler.load import OWN_PACKS
from consentry.compiler.texts import texts_of
from consentry.diagnostics.span import Source
from consentry.lang.parse import parse_module
from consentry.lang.translations import TextKey
from consentry.model.program import Program
from consentry.publish.html import render_statement_html
from consentry.publish.jsonld import render_jsonld
from consentry.publish.markdown import render_markdown
from consentry.publish.proof import Figures, tell_proof
from consentry.publish.record import RecordRow, build_record
from consentry.publish.statement import build_statement
from consentry.publish.wording import Wording

_TREES: Final = frozenset({"data", "purpose", "benefit"})


class Format(StrEnum):
    """How a statement is written."""

    HTML = "html"
    MARKDOWN = "markdown"
    JSONLD = "jsonld"


MEDIA_TYPES: Final = {
    Format.HTML: "text/html; charset=utf-8",
    Format.MARKDOWN: "text/markdown; charset=utf-8",
    Format.JSONLD: "application/ld+json",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A publication: its text, and what is not translated in it."""

    text: str
    missing: tuple[TextKey, ...]


def merge_texts(packs: Mapping[TextKey, str], own: Mapping[TextKey, str]) -> Mapping[TextKey, str]:
    """The texts of a set and of its packs; the set's stand before those of a pack.

    A pack's texts of data and purposes are about standard keys, which may read like the set's own.
    """
    words = {key: text for key, text in packs.items() if key[0] not in _TREES}
    return {**words, **own}


def _texts(sources: Iterable[Source]) -> Mapping[TextKey, str]:
    return texts_of([parse_module(source).module for source in sources])


class Publisher:
    """Writes the publications of one policy set. Pure; any thread may use it."""

    def __init__(
        self, program: Program, sources: Iterable[Source], packs: Iterable[Source]
    ) -> None:
        """`sources` are the texts of the set, `packs` those of the packs that it may use beside
        the set's own.
        """
        self._program: Final = program
        files = tuple(sources)
        own_packs = [source for source in files if source.name.startswith(OWN_PACKS)]
        policies = [source for source in files if not source.name.startswith(OWN_PACKS)]
        self._own: Final = merge_texts(_texts([*packs, *own_packs]), _texts(policies))

    def wording(self, language: str, translated: Mapping[TextKey, str]) -> Wording:
        """The set's words in one language, for one publication.

        Raises:
            UnknownLanguageError: the frame has no phrases in it.
        """
        return Wording(language, self._own, translated)

    def statement(
        self,
        kind: Format,
        language: str,
        translated: Mapping[TextKey, str],
        *,
        previous: Program | None = None,
        alternates: Sequence[tuple[str, str]] = (),
        figures: Figures | None = None,
    ) -> Published:
        """The statement in one language; `figures` of a running sidecar go onto the page only.

        Raises:
            UnknownLanguageError: the frame has no phrases in it.
        """
        wording = self.wording(language, translated)
        statement = build_statement(self._program, wording, previous)
        match kind:
            case Format.HTML:
                proof = None if figures is None else tell_proof(figures, self._program, wording)
                text = render_statement_html(statement, wording.phrase, alternates, proof)
            case Format.MARKDOWN:
                text = render_markdown(statement, wording.phrase)
            case Format.JSONLD:
                text = render_jsonld(self._program, wording)
        return Published(text=text, missing=wording.missing)

    def record(
        self, language: str, translated: Mapping[TextKey, str]
    ) -> tuple[tuple[RecordRow, ...], Wording]:
        """The record of processing, and the wording it was written in.

        Raises:
            UnknownLanguageError: as `statement`.
        """
        wording = self.wording(language, translated)
        return build_record(self._program, wording), wording
