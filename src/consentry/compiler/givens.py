"""Checks the names in policy tests, so that a test fails for its claim and not for its spelling."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from consentry.compiler.attributes import BUILT_IN
from consentry.compiler.lookup import check_party
from consentry.compiler.names import check_head
from consentry.compiler.resolved import Resolved
from consentry.compiler.rule_book import RuleBook
from consentry.diagnostics.suggest import closest
from consentry.lang.tables import ABSENT, WORDS, is_absent, is_moment
from consentry.lang.tree import (
    Check,
    CheckTable,
    EventPart,
    EventWord,
    Expect,
    Expr,
    GivenEvent,
    GivenFacts,
    KeyValue,
    Name,
    PartyRef,
    Ref,
    TestDecl,
)
from consentry.model.consent import Author
from consentry.model.program import Owner, RuleKind

VERBS: Final = (
    "gave",
    "refused",
    "withdrew",
    "asked",
    "objected",
    "opted_out",
    "opted_in",
    "limited",
    "restricted",
    "erased",
    "held",
    "overrode",
    "lifted_objection",
    "lifted_limit",
    "lifted_restriction",
    "lifted_erasure",
    "lifted_hold",
    "lifted_override",
)
UNPROVEN: Final = "unproven"
"""In a test, `is unproven` says that the event has no proof."""

_BUILT_IN_TYPES: Final[Mapping[str, str]] = {
    "roles": "list of text",
    "collected_at": "time",
    "collected_for": "list of text",
}


def check_tests(resolved: Resolved, book: RuleBook) -> None:
    """Report wrong names in the author's tests."""
    checker = _TestChecker(resolved, book)
    for module in resolved.loaded.house:
        for declaration in module.declarations:
            if isinstance(declaration, TestDecl):
                checker.check(declaration)


class _TestChecker:
    def __init__(self, resolved: Resolved, book: RuleBook) -> None:
        self._names = resolved.names
        self._report = resolved.report
        self._symbols = resolved.symbols
        self._lookup = resolved.lookup
        self._conditions = resolved.conditions
        rules = [lowered.rule for lowered in book.rules]
        self._codes = resolved.symbols.reasons.keys() | {rule.reason for rule in rules}
        self._obligations = {r.reason for r in rules if r.kind is RuleKind.OBLIGE}

    def check(self, test: TestDecl) -> None:
        """Report what is wrong with one test."""
        name = test.head.name
        if name is None:
            return
        self._names.declare("test", name)
        check_head(self._report, "a test", test.head)
        has_checks = bool(test.checks or test.tables)
        missing = [
            word for word, is_there in (("at", test.at), ("check", has_checks)) if not is_there
        ]
        if missing:
            listed = " and ".join(f"`{word}`" for word in missing)
            self._report.error(
                "R240", f"a test needs {listed}", name.span, label=f"no {listed} in here"
            )
        for facts in test.facts:
            self._check_given(facts)
        for event in test.events:
            self._check_event(event)
        for check, expect in test.checks:
            self._check_check(check)
            self._check_expect(expect)
        for table in test.tables:
            self._check_table(table)

    def _check_given(self, facts: GivenFacts) -> None:
        owners = [owner.value for owner in Owner]
        owner: str | None = facts.owner.text
        if owner not in owners:
            self._report.unknown("R210", "owner of attributes", facts.owner, owners)
            owner = closest(facts.owner.text, owners)
        if owner is not None:
            self._check_facts(Owner(owner), facts.values)

    def _check_table(self, table: CheckTable) -> None:
        """A table's own mistakes once, and those of its check and of each row that it changes."""
        self._check_check(table.check)
        columns = self._checked_columns(table.columns)
        for row in table.rows:
            if len(row.values) != len(table.columns):
                self._report.error(
                    "C421",
                    f"a row of {_counted(len(row.values))} under {len(table.columns)} columns",
                    row.values[-1].span,
                    label="one value for each column, then `expect`",
                )
                continue
            for column, cell in zip(columns, row.values, strict=True):
                if column is not None:
                    self._check_cell(column, cell)
            self._check_expect(row.expect)

    def _checked_columns(self, columns: Sequence[Name]) -> list[Name | None]:
        """The columns as they were meant; None where nobody can tell."""
        known = [f"{o}.{n}" for o, n in self._symbols.attributes]
        known += [f"{o.value}.{n}" for o, names in BUILT_IN.items() for n in names]
        known = [*WORDS, *sorted(known)]
        found: list[Name | None] = []
        for column in columns:
            if column.text in known:
                found.append(column)
                continue
            meant = None
            if not self._symbols.poisoned & {column.text.rpartition(".")[2], column.text}:
                self._report.unknown("C420", "column", column, known)
                meant = closest(column.text, known)
            found.append(None if meant is None else replace(column, text=meant))
        return found

    def _check_cell(self, column: Name, cell: Expr) -> None:
        owner, _, name = column.text.partition(".")
        if name:
            if isinstance(cell, Ref) and not is_absent(cell):
                self._report.unknown("C422", "value", cell.name, [ABSENT])
            elif not is_absent(cell):
                key = Name(text=name, span=column.span)
                fact = KeyValue(key=key, value=cell, span=cell.span)
                self._check_facts(Owner(owner), (fact,))
            return
        word = column.text
        if word == "channel" and is_absent(cell):
            return
        is_fitting = is_moment(cell) if word == "now" else isinstance(cell, Ref)
        if not is_fitting or is_absent(cell):
            wanted = "a date or a time" if word == "now" else f"a name of {word}"
            self._report.error("C422", f"the column `{word}` holds {wanted}", cell.span)
        elif isinstance(cell, Ref):
            code, names = {
                "action": ("R205", self._symbols.actions),
                "data": ("R204", self._symbols.data_names),
                "purpose": ("R203", self._symbols.purpose_names),
                "channel": ("R206", [*self._symbols.channels, ABSENT]),
            }[word]
            self._check_word(code, word, cell.name, names)

    def _check_facts(self, owner: Owner, values: Iterable[KeyValue]) -> None:
        for value in values:
            key, path = value.key.text, f"{owner.value}.{value.key.text}"
            spec = self._symbols.attributes.get((owner.value, key))
            if spec is not None:
                self._conditions.constant(value.value, spec.type)
            elif key in BUILT_IN.get(owner, ()):
                self._conditions.constant(value.value, _BUILT_IN_TYPES.get(key, "text"))
            elif path not in self._symbols.poisoned:
                known = {n for o, n in self._symbols.attributes if o == owner.value}
                known |= BUILT_IN.get(owner, frozenset())
                known |= {
                    path.partition(".")[2]
                    for path in self._symbols.poisoned
                    if path.startswith(f"{owner.value}.")
                }
                self._report.unknown("R220", f"attribute of `{owner.value}`", value.key, known)
                meant = closest(key, known)
                # A word is no value but `true` and `false`, whatever the attribute is.
                if meant is not None and isinstance(value.value, Ref):
                    as_meant = replace(value, key=replace(value.key, text=meant))
                    self._check_facts(owner, (as_meant,))

    def _check_event(self, event: GivenEvent) -> None:
        if event.verb.text not in VERBS:
            self._report.unknown("R218", "event", event.verb, VERBS)
        if event.what is not None:
            self._check_purpose(event.what)
        for part in event.parts:
            self._check_part(part)

    def _check_part(self, part: EventPart) -> None:
        found = part.value if isinstance(part.value, tuple) else (part.value,)
        for value in found:
            if isinstance(value, PartyRef):
                check_party(value, self._report, is_recipient=True)
            if not isinstance(value, Name):
                continue
            match part.word:
                case EventWord.BY:
                    self._check_word("R221", "kind of person", value, [a.value for a in Author])
                case EventWord.UNDER:
                    self._check_word("R216", "regime", value, self._symbols.regimes)
                case EventWord.FOR:
                    self._check_purpose(value)
                case EventWord.IS:
                    known = [*self._symbols.qualities, UNPROVEN]
                    self._check_word("R213", "quality of consent", value, known)
                case EventWord.VIA:
                    self._check_word("R206", "channel", value, self._symbols.channels)
                case EventWord.DATA:
                    self._check_data(value)
                case _:
                    pass

    def _check_check(self, check: Check) -> None:
        check_party(check.principal, self._report, is_recipient=False)
        self._check_facts(Owner.PRINCIPAL, check.facts)
        self._check_word("R205", "action", check.action, self._symbols.actions)
        for name in check.data:
            self._check_word("R204", "data", name, self._symbols.data_names)
        self._check_word("R203", "purpose", check.purpose, self._symbols.purpose_names)
        if check.channel is not None:
            self._check_word("R206", "channel", check.channel, self._symbols.channels)
        if check.recipient is not None:
            check_party(check.recipient, self._report, is_recipient=True)
            self._check_facts(Owner.RECIPIENT, check.recipient_facts)

    def _check_expect(self, expect: Expect) -> None:
        self._check_word("R221", "name", expect.effect, ["permit", "deny"])
        if expect.reason is not None:
            self._check_word("R208", "reason", expect.reason, self._codes)
        for name in expect.obligations:
            self._check_word("R223", "obligation", name, self._obligations)

    def _check_purpose(self, name: Name) -> None:
        if self._symbols.purposes_of(name.text) is None:
            known = [*self._symbols.purpose_names, *self._symbols.uses, *self._symbols.tags]
            places = self._lookup.places_of("purpose")
            self._report.unknown("R203", "purpose", name, known, places=places)

    def _check_data(self, name: Name) -> None:
        if self._symbols.leaves_of(name.text) is None:
            known = [*self._symbols.data_names, *self._symbols.categories]
            places = self._lookup.places_of("data")
            self._report.unknown("R204", "data", name, known, places=places)

    def _check_word(self, code: str, what: str, name: Name, known: Iterable[str]) -> None:
        candidates = list(known) if not isinstance(known, Mapping) else known
        if name.text not in candidates:
            places = self._lookup.places_of(what.split(" ", maxsplit=1)[0])
            self._report.unknown(code, what, name, candidates, places=places)


def _counted(number: int) -> str:
    return "1 value" if number == 1 else f"{number} values"
