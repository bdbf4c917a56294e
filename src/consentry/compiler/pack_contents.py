"""What is in a law pack, told from its text alone: regimes, rules, citations, dates of effect."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from consentry.compiler.load import versions_of
from consentry.diagnostics.span import Source
from consentry.lang.parse import parse_module
from consentry.lang.tree import (
    Clause,
    ClauseWord,
    Head,
    ListItem,
    Literal,
    Module,
    RegimeDecl,
    RuleDecl,
    SetDecl,
    Text,
    Use,
)

UNCHECKED: Final = "[unchecked]"
"""What a citation holds that was not read again at its source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackRule:
    """One rule of a regime: `word` is its keyword, `code` the reason or duty that it gives."""

    word: str
    name: str
    code: str
    text: str
    cite: str
    line: int
    from_: date | None = None
    until: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PackRegime:
    """One law: what it is called, its version, its dates of effect, its rules in their order."""

    name: str
    text: str
    version: str
    rules: tuple[PackRule, ...]
    from_: date | None = None
    until: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Something that begins or ends with a day, at its midnight UTC."""

    on: date
    what: str
    begins: bool
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PackContents:
    """A pack: its name and file, the lines of its text, the packs that it uses, its laws.

    `changes` are all dates of effect, past ones too, in order.
    """

    name: str
    file: str
    line_count: int
    uses: tuple[str, ...]
    versions: tuple[str, ...]
    regimes: tuple[PackRegime, ...]
    changes: tuple[Change, ...]

    @property
    def rules(self) -> tuple[PackRule, ...]:
        """The rules of all its regimes."""
        return tuple(rule for regime in self.regimes for rule in regime.rules)

    @property
    def citations(self) -> tuple[str, ...]:
        """What its rules cite, rule by rule."""
        return tuple(rule.cite for rule in self.rules if rule.cite)

    @property
    def unchecked_count(self) -> int:
        """How many rules cite something that was not read again at its source."""
        return sum(UNCHECKED in cite for cite in self.citations)

    def changes_after(self, day: date) -> tuple[Change, ...]:
        """What begins or ends after `day`, the next one first."""
        return tuple(change for change in self.changes if change.on > day)


def read_contents(name: str, source: Source) -> PackContents:
    """The contents of a pack's text; what does not parse is not among them."""
    module = parse_module(source).module
    regimes = [d for d in module.declarations if isinstance(d, RegimeDecl)]
    return PackContents(
        name=name,
        file=source.name,
        line_count=len(source.text.splitlines()),
        uses=_uses(module),
        versions=versions_of(module),
        regimes=tuple(_regime(declared) for declared in regimes),
        changes=tuple(sorted(_changes(module), key=lambda change: (change.on, change.line))),
    )


def _uses(module: Module) -> tuple[str, ...]:
    return tuple(
        used.name.text
        for declared in module.declarations
        if isinstance(declared, Use)
        for used in declared.packs
    )


def _regime(declared: RegimeDecl) -> PackRegime:
    return PackRegime(
        name=_name(declared.head),
        text=_text(declared.head),
        version=_clause_text(declared.clauses, ClauseWord.VERSION),
        from_=_clause_date(declared.clauses, ClauseWord.FROM),
        until=_clause_date(declared.clauses, ClauseWord.UNTIL),
        rules=tuple(_rule(rule) for rule in declared.rules),
    )


def _rule(declared: RuleDecl) -> PackRule:
    head = declared.head
    return PackRule(
        word=declared.word.value,
        name=_name(head),
        code=head.standard[0].text if head.standard else _name(head),
        text=_text(head),
        cite=_clause_text(declared.clauses, ClauseWord.CITE),
        line=declared.span.line,
        from_=_clause_date(declared.clauses, ClauseWord.FROM),
        until=_clause_date(declared.clauses, ClauseWord.UNTIL),
    )


def _changes(module: Module) -> Iterator[Change]:
    for declared in module.declarations:
        if isinstance(declared, SetDecl):
            yield from _changes_of_set(declared, "")
        if isinstance(declared, RegimeDecl):
            regime = _name(declared.head)
            yield from _ends(declared.clauses, f"regime `{regime}`", declared.span.line)
            for own in declared.sets:
                yield from _changes_of_set(own, regime + ".")
            for rule in declared.rules:
                what = f"{rule.word.value} `{regime}.{_name(rule.head)}`"
                yield from _ends(rule.clauses, what, rule.span.line)


def _ends(clauses: Sequence[Clause], what: str, line: int) -> Iterator[Change]:
    for word in (ClauseWord.FROM, ClauseWord.UNTIL):
        if (day := _clause_date(clauses, word)) is not None:
            yield Change(on=day, what=what, begins=word is ClauseWord.FROM, line=line)


def _changes_of_set(declared: SetDecl, prefix: str) -> Iterator[Change]:
    """One change for all items that begin, or end, with the same day."""
    moves: dict[tuple[date, bool], list[ListItem]] = {}
    for item in declared.value.items:
        for day, begins in ((item.from_, True), (item.until, False)):
            if day is not None:
                moves.setdefault((day, begins), []).append(item)
    for (day, begins), items in moves.items():
        shown = ", ".join(_shown(item) for item in items)
        what = f"{shown} in set `{prefix}{_name(declared.head)}`"
        yield Change(on=day, what=what, begins=begins, line=items[0].span.line)


def _shown(item: ListItem) -> str:
    return f"`{item.value.value}`" if isinstance(item.value, Literal) else "a name"


def _clause_text(clauses: Sequence[Clause], word: ClauseWord) -> str:
    for clause in clauses:
        if clause.word is word and isinstance(clause.value, Text):
            return clause.value.value
    return ""


def _clause_date(clauses: Sequence[Clause], word: ClauseWord) -> date | None:
    for clause in clauses:
        value = clause.value
        if clause.word is word and isinstance(value, Literal) and isinstance(value.value, date):
            return value.value
    return None


def _name(head: Head) -> str:
    return head.name.text if head.name is not None else ""


def _text(head: Head) -> str:
    return head.text.value if head.text is not None else ""
