"""Policies from a path on the command line: a folder is a set, a single file is a set of one."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

from consentry.app.output import Console
from consentry.compiler.compile import CompileResult, compile_policies
from consentry.compiler.load import OWN_PACKS
from consentry.compiler.texts import check_translation, texts_of
from consentry.diagnostics.diagnostic import Diagnostic, Severity
from consentry.diagnostics.render import render_json, render_text
from consentry.diagnostics.span import Source
from consentry.lang.parse import parse_module
from consentry.lang.tree import Module
from consentry.pdp.archive import ArchiveError, PolicyArchive
from consentry.pdp.folder import problem
from consentry.pdp.sources import read_packs, read_policy_folder
from consentry.pdp.translations import read_translations


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """A set that was read and compiled, with all diagnostics of both."""

    result: CompileResult
    sources: Mapping[str, Source]
    diagnostics: tuple[Diagnostic, ...]

    @property
    def has_errors(self) -> bool:
        """Whether anything stops a load."""
        return any(diagnostic.is_error for diagnostic in self.diagnostics)


def add_path(parser: argparse.ArgumentParser) -> None:
    """The path every author's verb takes."""
    parser.add_argument(
        "path",
        nargs="?",
        default="policies",
        metavar="PATH",
        help="a folder with .policy files, or one file (default: policies)",
    )


def pack_tests_path(name: str) -> Path:
    """Where the tests of a law pack stand that comes with the program."""
    return Path(str(resources.files("consentry") / "packs" / "tests" / name))


def read_path(path: Path) -> tuple[tuple[Source, ...], tuple[Diagnostic, ...]]:
    """The files of a set and what was wrong with reading them."""
    if path.is_file():
        return _read_file(path)
    sources, diagnostics = read_policy_folder(path)
    return tuple(sources), tuple(diagnostics)


def _read_file(path: Path) -> tuple[tuple[Source, ...], tuple[Diagnostic, ...]]:
    try:
        return (Source(path.name, path.read_text(encoding="utf-8")),), ()
    except UnicodeDecodeError:
        advice = "save the file as UTF-8"
        return (), (problem("F506", f"`{path.name}` is not UTF-8 text", path.name, advice=advice),)
    except OSError as error:
        why = (error.strerror or "unknown error").lower()
        return (), (problem("F503", f"`{path.name}` cannot be read: {why}", path.name),)


def compile_path(path: Path, *, now_us: int | None = None) -> Compiled:
    """Reads and compiles a set; every diagnostic is collected, none is raised.

    With `now_us` come the warnings that depend on the day.

    Translations beside the policies are held against them, once the policies themselves are whole.
    """
    sources, unread = read_path(path)
    packs = read_packs()
    result = compile_policies(sources, packs, now_us=now_us)
    diagnostics = (*unread, *result.diagnostics)
    shown = [*packs.values(), *sources]
    if path.is_dir() and not any(diagnostic.is_error for diagnostic in diagnostics):
        translations, problems = read_translations(path)
        texts = texts_of([*result.modules, *own_packs(sources)])
        stray = [found for each in translations for found in check_translation(each, texts)]
        # What is wrong with a translation changes no decision and stops no load.
        doubts = [replace(found, severity=Severity.WARNING) for found in (*problems, *stray)]
        diagnostics = (*diagnostics, *doubts)
        shown += [translation.source for translation in translations]
    return Compiled(
        result=result,
        sources={source.name: source for source in shown},
        diagnostics=diagnostics,
    )


def compile_set(place: str) -> Compiled:
    """The set at a path, or one that was active: `ARCHIVE:DIGEST`, with its packs as they were.

    Raises:
        ValueError: the archive holds no set, or several, whose digest begins so.
    """
    folder, colon, digest = place.rpartition(":")
    if not colon or Path(place).exists():
        return compile_path(Path(place))
    archive = PolicyArchive(Path(folder))
    found = [one for one in archive.digests() if one.startswith(digest)]
    if len(found) != 1:
        told = "no policy set" if not found else f"{len(found)} policy sets"
        raise ValueError(f"`{folder}` keeps {told} whose digest begins with `{digest}`")
    try:
        kept = archive.load(found[0])
    except ArchiveError as problem:
        raise ValueError(str(problem)) from problem
    result = compile_policies(kept.sources, kept.packs)
    shown = (*kept.packs.values(), *kept.sources)
    return Compiled(
        result=result,
        sources={source.name: source for source in shown},
        diagnostics=result.diagnostics,
    )


def own_packs(sources: Iterable[Source]) -> tuple[Module, ...]:
    """The trees of the packs that stand beside the policies."""
    own = [source for source in sources if source.name.startswith(OWN_PACKS)]
    return tuple(parse_module(source).module for source in own)


def counts_of(diagnostics: Sequence[Diagnostic]) -> tuple[int, int]:
    """How many errors, how many warnings."""
    severities = [diagnostic.severity for diagnostic in diagnostics]
    return severities.count(Severity.ERROR), severities.count(Severity.WARNING)


def show_diagnostics(
    console: Console, diagnostics: Sequence[Diagnostic], sources: Mapping[str, Source]
) -> None:
    """Prints diagnostics for a person, with a last line that counts them."""
    if diagnostics:
        text = render_text(diagnostics, sources, is_coloured=console.has_colour)
        console.line(text.rstrip("\n"))


def diagnostics_json(
    diagnostics: Sequence[Diagnostic], sources: Mapping[str, Source]
) -> list[dict[str, object]]:
    """The same diagnostics for a program."""
    return list(render_json(diagnostics, sources))
