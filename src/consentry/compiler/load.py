"""Parse all files, and find the packs that take part: `core` always, those that `use` names, and
`strict` where no regime is used or declared.

An author's own packs are the files below `packs/`: each is a pack with the name of its file, and
takes part where `use` names it, so that a new law needs a file and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import Final, TypeAlias

from consentry.compiler.report import Report
from consentry.diagnostics.span import Source, Span
from consentry.diagnostics.suggest import closest
from consentry.lang.parse import ParseResult, parse_module
from consentry.lang.tree import (
    ClauseWord,
    Mission,
    Module,
    Name,
    RegimeDecl,
    RuleDecl,
    TestDecl,
    Text,
    Use,
    Used,
)

CORE_PACK: Final = "core"
STRICT_PACK: Final = "strict"
Parse: TypeAlias = Callable[[Source], ParseResult]
"""Reads one file; gives what `parse_module` gives, be it from memory."""

OWN_PACKS: Final = "packs/"
"""Where an author's own packs stand, below the folder of the policy set."""

_PACK_NAME: Final = re.compile(r"[a-z_][a-z0-9_]*")


@dataclass(slots=True)
class Loaded:
    """The trees of a policy set: `packs` in order of use, `core` first; `house` by file name."""

    house: tuple[Module, ...] = ()
    packs: dict[str, Module] = field(default_factory=dict)
    digest: str = ""

    def modules(self) -> Iterator[Module]:
        """All trees, packs first, so that a name of theirs is declared before the author's."""
        yield from self.packs.values()
        yield from self.house

    def regimes(self) -> Iterator[tuple[RegimeDecl, bool]]:
        """All regimes in their order, and whether a pack declares them."""
        for is_pack, modules in ((True, self.packs.values()), (False, self.house)):
            for module in modules:
                for declaration in module.declarations:
                    if isinstance(declaration, RegimeDecl):
                        yield declaration, is_pack


def load_all(
    sources: Sequence[Source],
    packs: Mapping[str, Source],
    report: Report,
    parse: Parse = parse_module,
) -> Loaded:
    """Parse the author's files and the packs they use."""
    loaded = Loaded()
    in_order = sorted(sources, key=lambda source: source.name)
    ordered = [source for source in in_order if not source.name.startswith(OWN_PACKS)]
    own = _own_packs([s for s in in_order if s.name.startswith(OWN_PACKS)], packs, report)
    packs = {**packs, **own}
    loaded.house = tuple(_take(parse(source), report) for source in ordered)
    _load_pack(CORE_PACK, packs, loaded, report)
    for module in loaded.house:
        _load_used(module, packs, loaded, report)
    for name, source in own.items():
        if name not in loaded.packs:
            _warn_about_unused(name, source, report)
    if not any(loaded.regimes()) and not report.hides_unknown:
        _load_pack(STRICT_PACK, packs, loaded, report)
    loaded.digest = _digest(ordered, [(name, packs[name]) for name in loaded.packs])
    return loaded


def _own_packs(
    sources: Sequence[Source], shipped: Mapping[str, Source], report: Report
) -> dict[str, Source]:
    """The author's packs by name; one whose name is no name or is taken is an error."""
    found: dict[str, Source] = {}
    for source in sources:
        name = source.name.rpartition("/")[2].removesuffix(".policy")
        place = Span(source.name, 0, 0, 1, 1)
        if _PACK_NAME.fullmatch(name) is None:
            report.error(
                "F543",
                f"`{name}` cannot be the name of a pack",
                place,
                help="name the file in lower case, such as `packs/house_law.policy`",
            )
        elif name in shipped or name in found:
            taken = f"`{found[name].name}`" if name in found else "a pack that is shipped"
            report.error(
                "F544",
                f"pack `{name}` is there already",
                place,
                label=f"{taken} has this name",
                help="give the file another name; the regime in it may keep its own",
            )
        else:
            found[name] = source
    return found


def _warn_about_unused(name: str, source: Source, report: Report) -> None:
    report.warning(
        "F545",
        f"pack `{name}` is not used",
        Span(source.name, 0, 0, 1, 1),
        help=f"write `use {name}`, or take the file away",
    )


# PERF: packs are the same from one compilation to the next, and half of its time. A parse is a pure
# function of the text, and its result never changes.
@lru_cache(maxsize=64)
def _parsed_pack(source: Source) -> ParseResult:
    return parse_module(source)


def _take(result: ParseResult, report: Report) -> Module:
    report.extend(result.diagnostics)
    if not result.is_whole:
        report.hides_unknown = True
    return result.module


def _load_pack(
    name: str, packs: Mapping[str, Source], loaded: Loaded, report: Report
) -> Module | None:
    """The pack's tree, parsed once; None when there is no such pack."""
    if name not in loaded.packs:
        if (source := packs.get(name)) is None:
            return None
        module = _take(_parsed_pack(source), report)
        loaded.packs[name] = module
        _refuse_house_parts(module, report)
        _load_used(module, packs, loaded, report)
    return loaded.packs[name]


def _load_used(module: Module, packs: Mapping[str, Source], loaded: Loaded, report: Report) -> None:
    for declaration in module.declarations:
        if not isinstance(declaration, Use):
            continue
        for used in declaration.packs:
            pack = _load_pack(used.name.text, packs, loaded, report)
            if pack is None:
                _report_unknown_pack(used.name, packs, loaded, report)
            elif used.version is not None:
                _check_version(used, used.version, pack, report)


def _report_unknown_pack(
    name: Name, packs: Mapping[str, Source], loaded: Loaded, report: Report
) -> None:
    # A pack carries its own names: without it, everything that uses them would be reported too.
    report.unknown("R201", "pack", name, packs)
    if (meant := closest(name.text, packs)) is not None:
        _load_pack(meant, packs, loaded, report)
    else:
        report.hides_unknown = True


def _check_version(used: Used, pinned: Text, pack: Module, report: Report) -> None:
    versions = versions_of(pack)
    if pinned.value in versions:
        return
    at_hand = "no version"
    if versions:
        quoted = " and ".join(f"`{version}`" for version in versions)
        at_hand = f"version{'s' if len(versions) > 1 else ''} {quoted}"
    report.error(
        "R202",
        f"pack `{used.name.text}` is not at version `{pinned.value}`",
        pinned.span,
        label=f"the pack at hand has {at_hand}",
        help=f'pin "{versions[0]}" after reading what changed' if versions else "",
    )


def versions_of(pack: Module) -> tuple[str, ...]:
    """The versions of the regimes in a pack, each once, in their order."""
    versions = [
        clause.value.value
        for declaration in pack.declarations
        if isinstance(declaration, RegimeDecl)
        for clause in declaration.clauses
        if clause.word is ClauseWord.VERSION and isinstance(clause.value, Text)
    ]
    return tuple(dict.fromkeys(versions))


def _refuse_house_parts(module: Module, report: Report) -> None:
    """A pack declares vocabulary and regimes; the house's own statements are not its business."""
    for declaration in module.declarations:
        if isinstance(declaration, RuleDecl | TestDecl | Mission):
            word = (
                declaration.word.value
                if isinstance(declaration, RuleDecl)
                else "mission"
                if isinstance(declaration, Mission)
                else "test"
            )
            report.error(
                "R242",
                f"a pack cannot declare a `{word}` of the house",
                declaration.span if declaration.head.name is None else declaration.head.name.span,
                label="only inside a regime" if isinstance(declaration, RuleDecl) else "",
            )


def _digest(ordered: Sequence[Source], packs: Sequence[tuple[str, Source]]) -> str:
    """SHA-256 over all names and texts. Each part is preceded by its length, so that no two sets
    give the same bytes.
    """
    hasher = sha256()
    parts = [("file", s.name, s.text) for s in ordered]
    parts += [("pack", name, source.text) for name, source in sorted(packs, key=lambda p: p[0])]
    for part in parts:
        for text in part:
            data = text.encode("utf-8", "surrogatepass")
            hasher.update(len(data).to_bytes(8, "big"))
            hasher.update(data)
    return hasher.hexdigest()
