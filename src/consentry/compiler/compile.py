"""Compiles a policy set: texts and packs in, a program or diagnostics out. Pure.

The passes, each in a file of its own: parse and find packs (`load`), declare words and standard
keys (`words`), regimes and bases (`rule_book`), the trees (`data_tree`, `purpose_tree`), attributes
and sets, then rules and conditions (`rules`, `conditions`), the names in tests (`givens`), and
warnings (`lint`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from consentry.compiler.attributes import declare_attributes
from consentry.compiler.conditions import ConditionCompiler
from consentry.compiler.data_tree import build_data_tree
from consentry.compiler.givens import check_tests
from consentry.compiler.lint import lint, warn_about_misspelt_bases
from consentry.compiler.load import Loaded, Parse, load_all
from consentry.compiler.lookup import Lookup
from consentry.compiler.mission import build_mission
from consentry.compiler.names import Names
from consentry.compiler.omissions import find_omissions
from consentry.compiler.purpose_tree import build_purpose_tree, resolve_reuses
from consentry.compiler.report import Report
from consentry.compiler.resolved import Resolved
from consentry.compiler.rule_book import RuleBook, build_rule_book, collect_regimes
from consentry.compiler.sets import declare_sets
from consentry.compiler.symbols import Symbols
from consentry.compiler.words import declare_words
from consentry.diagnostics.diagnostic import Diagnostic
from consentry.diagnostics.span import Source
from consentry.lang.parse import parse_module
from consentry.lang.tree import Module, RuleDecl
from consentry.model.program import Mission, Program, Rule, RuleKind

COMPILER_VERSION: Final = "1"
"""Moves when the same text may compile to another program; stored beside the digest."""

_UNKNOWN_IN_CONDITIONS: Final = frozenset({"T300", "T301"})
"""Codes of unknown names in conditions, silent where declarations were lost to another error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompileResult:
    """What a compilation gives: `program` is None if and only if there is an error.

    `modules` are the trees of the author's files, by file name; `symbols` is what they declare and
    `book` holds the rules with their declarations, both None when the set is broken. `notes` are
    told on demand: where a fact that is left out can widen.
    """

    program: Program | None
    diagnostics: tuple[Diagnostic, ...]
    modules: tuple[Module, ...]
    symbols: Symbols | None
    book: RuleBook | None = None
    notes: tuple[Diagnostic, ...] = ()


def compile_policies(
    sources: Sequence[Source],
    packs: Mapping[str, Source],
    *,
    now_us: int | None = None,
    parse: Parse = parse_module,
) -> CompileResult:
    """Compile the author's files with the packs at hand, by their name.

    The order of `sources` does not matter. `core` and, where no regime is used or declared,
    `strict` take part if they are among `packs`. The program never depends on `now_us`; with it
    come the warnings about what is over and what will soon change. `parse` reads the author's
    files; one that remembers trees saves what has not changed (`compiler.kept`).
    """
    report = Report()
    loaded = load_all(sources, packs, report, parse)
    names = Names(report)
    declare_words(loaded, names)
    regimes = collect_regimes(loaded, names)
    build_data_tree(loaded, names)
    drafts = build_purpose_tree(loaded, names)
    provisional = names.build_symbols()
    resolve_reuses(drafts, names, provisional)
    declare_attributes(loaded, names, provisional)
    declare_sets(loaded, names, provisional)
    symbols = names.build_symbols()

    conditions = ConditionCompiler(symbols)
    resolved = Resolved(loaded, names, symbols, Lookup(symbols, report), conditions)
    book = build_rule_book(resolved, regimes)
    mission = build_mission(loaded, names)
    check_tests(resolved, book)
    hidden = _UNKNOWN_IN_CONDITIONS if report.hides_unknown else frozenset()
    found = [d for d in conditions.diagnostics if d.code not in hidden]
    report.extend(d for d in found if d.is_error)
    if not report.hides_unknown:
        _check_rules_exist(loaded, report)
    slips = set() if report.hides_unknown else warn_about_misspelt_bases(resolved, drafts)
    # What was lost to an error would be warned about as never used or never meant.
    if not report.has_errors:
        report.extend(d for d in found if not d.is_error)
        lint(resolved, book, drafts, slips, now_us)

    program = None
    notes: tuple[Diagnostic, ...] = ()
    if not report.has_errors:
        notes = find_omissions(resolved, book, drafts)
        program = _build_program(resolved, book, mission)
    files = [module.file for module in [*loaded.house, *loaded.packs.values()]]
    return CompileResult(
        program=program,
        diagnostics=report.ordered({file: place for place, file in enumerate(files)}),
        modules=loaded.house,
        symbols=symbols if program is not None else None,
        book=book if program is not None else None,
        notes=notes,
    )


def _check_rules_exist(loaded: Loaded, report: Report) -> None:
    has_rules = any(isinstance(d, RuleDecl) for m in loaded.house for d in m.declarations)
    if not has_rules:
        report.error(
            "R244",
            "this policy set has no rules",
            None,
            note="without a `permit` every request is denied",
        )


def _build_program(resolved: Resolved, book: RuleBook, mission: Mission | None) -> Program:
    symbols = resolved.symbols
    code, constants = resolved.conditions.build()
    rules = book.program_rules()
    return Program(
        digest=resolved.loaded.digest,
        compiler_version=COMPILER_VERSION,
        purposes=symbols.purposes,
        data=symbols.data,
        purpose_names=symbols.purpose_names,
        data_names=symbols.data_names,
        actions=symbols.actions,
        channels=symbols.channels,
        attributes=tuple(symbols.attributes.values()),
        reasons=tuple(symbols.reasons),
        reason_texts=symbols.reasons,
        obligation_texts=_obligation_texts(rules),
        tags=symbols.tags,
        standard_names=frozenset({*symbols.uses, *symbols.categories}),
        regimes=tuple(book.regimes),
        rules=rules,
        exceptions=tuple(lowered.rule for lowered in book.exceptions),
        promises=tuple(lowered.rule for lowered in book.promises),
        mission=mission,
        code=code,
        constants=constants,
        formulas=resolved.conditions.pack_formulas(),
        file_names=tuple(module.file for module in resolved.loaded.modules()),
    )


def _obligation_texts(rules: Sequence[Rule]) -> dict[str, str]:
    """What each obligation asks, in the words of the first rule that says so."""
    texts: dict[str, str] = {}
    for rule in rules:
        if rule.kind is RuleKind.OBLIGE and not texts.get(rule.reason):
            texts[rule.reason] = rule.text
    return texts
