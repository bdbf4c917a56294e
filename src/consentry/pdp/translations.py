"""Reads the translations that stand beside policies, and those that come with the packs.

A translation decides nothing, so it is no part of a policy set or of its digest: what is wrong with
one is told to its author and stops no load.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Final

from consentry.diagnostics.diagnostic import Diagnostic
from consentry.diagnostics.span import Source
from consentry.lang.translations import TextKey, Translation, find_language, parse_translation
from consentry.pdp.folder import problem

MAX_TRANSLATION_BYTES: Final = 4 * 1024 * 1024
_SUFFIX: Final = ".toml"


def read_translations(folder: Path) -> tuple[tuple[Translation, ...], tuple[Diagnostic, ...]]:
    """Every translation below `folder`, by file name, and what is wrong with the others.

    Files whose names tell no language (`shop.toml`) are none of ours.
    """
    found: list[Translation] = []
    problems: list[Diagnostic] = []
    for place in sorted(folder.rglob("*" + _SUFFIX)):
        name = place.relative_to(folder).as_posix()
        language = find_language(place.name)
        if language is None or any(part.startswith(".") for part in name.split("/")):
            continue
        try:
            if not place.is_file() or place.stat().st_size > MAX_TRANSLATION_BYTES:
                problems.append(problem("F541", f"`{name}` is no file of up to 4 MiB", name))
                continue
            text = place.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            problems.append(problem("F506", f"`{name}` is not UTF-8 text", name))
            continue
        except OSError as error:
            why = (error.strerror or "unknown error").lower()
            problems.append(problem("F503", f"`{name}` cannot be read: {why}", name))
            continue
        translation, wrong = parse_translation(Source(name, text), language)
        problems += wrong
        if translation is not None:
            found.append(translation)
    return tuple(found), tuple(problems)


def translations_of(texts: Mapping[str, bytes]) -> tuple[Translation, ...]:
    """The translations among these files, as far as they can be read."""
    found = []
    for name, raw in texts.items():
        language = find_language(name.rpartition("/")[2]) if name.endswith(_SUFFIX) else None
        if language is not None:
            source = Source(name, raw.decode("utf-8", "replace"))
            translation, _ = parse_translation(source, language)
            if translation is not None:
                found.append(translation)
    return tuple(found)


def read_pack_translations() -> Mapping[str, tuple[Translation, ...]]:
    """The translations that come with the program, by the name of their pack."""
    found: dict[str, tuple[Translation, ...]] = {}
    folder = resources.files("consentry") / "packs"
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        language = find_language(entry.name)
        if language is None:
            continue
        source = Source(f"consentry/packs/{entry.name}", entry.read_text(encoding="utf-8"))
        translation, _ = parse_translation(source, language)
        if translation is not None:
            pack = entry.name.partition(".")[0]
            found[pack] = (*found.get(pack, ()), translation)
    return found


def texts_in(language: str, translations: Iterable[Translation]) -> Mapping[TextKey, str]:
    """All texts in one language; of two for one thing the later one stands."""
    merged: dict[TextKey, str] = {}
    for translation in translations:
        if translation.language == language:
            merged.update(translation.texts)
    return merged
