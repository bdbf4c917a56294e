"""What the verbs that publish share: a compiled set with its translations, and where to write."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from consentry.app.output import counted, err, out
from consentry.app.policy_files import Compiled, compile_set, show_diagnostics
from consentry.lang.translations import TextKey, Translation
from consentry.model.program import Program
from consentry.pdp.translations import read_pack_translations, read_translations, texts_in
from consentry.publish.publisher import Publisher, merge_texts
from consentry.publish.wording import languages

_PACKS = "consentry/packs/"
_SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Publishable:
    """A policy set that may be published, and its texts in other languages."""

    program: Program
    publisher: Publisher
    translations: tuple[Translation, ...]

    def texts(self, language: str) -> dict[TextKey, str]:
        """Its texts in one language, with those of the packs."""
        packs = [each for found in read_pack_translations().values() for each in found]
        own = texts_in(language, self.translations)
        return dict(merge_texts(texts_in(language, packs), own))


def add_publishing(parser: argparse.ArgumentParser) -> None:
    """The options of every verb that publishes."""
    parser.add_argument(
        "--language", choices=languages(), default="en", help="of the page (default: en)"
    )
    parser.add_argument("--out", metavar="FILE", help="write here, not to standard output")


def read_publishable(place: str) -> Publishable | None:
    """The set at a path, or `ARCHIVE:DIGEST`; None where there is none or it has errors:
    that is then told.
    """
    try:
        compiled = compile_set(place)
    except ValueError as problem:
        err().line(f"consentry: {problem}")
        return None
    program = compiled.result.program
    if compiled.has_errors or program is None:
        show_diagnostics(err(), compiled.diagnostics, compiled.sources)
        return None
    folder = Path(place)
    translations = read_translations(folder)[0] if folder.is_dir() else ()
    return Publishable(
        program=program, publisher=_publisher(program, compiled), translations=translations
    )


def _publisher(program: Program, compiled: Compiled) -> Publisher:
    policies = [s for s in compiled.sources.values() if s.name.endswith(".policy")]
    packs = [source for source in policies if source.name.startswith(_PACKS)]
    own = [source for source in policies if not source.name.startswith(_PACKS)]
    return Publisher(program, own, packs)


def write_or_tell(verb: str, text: str, file: str | None) -> bool:
    """To the file, or else to standard output; False where the file cannot be written: that is
    then told.
    """
    if file is None:
        out().stream.write(text)
        out().stream.flush()
        return True
    try:
        Path(file).write_text(text, encoding="utf-8", newline="")
    except OSError as problem:
        why = (problem.strerror or "unknown error").lower()
        err().line(f"consentry {verb}: `{file}` cannot be written: {why}")
        return False
    return True


def warn_missing(missing: tuple[TextKey, ...], language: str) -> None:
    """Says what is not translated; a warning, for the page is whole without it."""
    if not missing:
        return
    told = counted(len(missing), "text")
    err().line(f"warning: {told} not translated into `{language}`")
    for kind, name in missing[:_SHOWN]:
        err().line(f"  [{kind}] {name}")
    if len(missing) > _SHOWN:
        err().line(f"  and {len(missing) - _SHOWN} more")
