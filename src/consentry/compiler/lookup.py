"""Turns the names in a rule's clauses into the sets of indices and words that the program holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from consentry.compiler.report import Report
from consentry.compiler.symbols import SetSymbol, Symbols
from consentry.diagnostics.span import Span
from consentry.lang.tree import Clause, Name, PartyRef
from consentry.model.program import Party

ANYONE: Final = "anyone"
ANYTHING: Final = "anything"

_NAMED_KINDS: Final = frozenset({"role", "controller"})
_PRINCIPALS: Final = frozenset({"service", "person", "agent", "job"})
_RECIPIENTS: Final = frozenset({"recipient", "country"})


class Lookup:
    """Resolves names, reports unknown ones, and remembers which sets were used."""

    def __init__(self, symbols: Symbols, report: Report) -> None:
        self._symbols = symbols
        self._report = report
        # PERF: thousands of rules name the same few hundred things.
        self._leaves: dict[tuple[str, str], frozenset[int] | None] = {}
        self._purposes: dict[tuple[str, str], frozenset[int] | None] = {}
        self._places: dict[str, Mapping[str, Span]] = {}
        self.used_sets: set[tuple[str, str]] = set()

    def leaves(self, clause: Clause | None, regime: str) -> frozenset[int] | None:
        """Leaves that a `data` clause names; None for all of them."""

        def find(text: str) -> frozenset[int] | None:
            return self._symbols.leaves_of(text, regime)

        return self._indices(clause, regime, self._leaves, find, self._report_data)

    def purposes(self, clause: Clause | None, regime: str) -> frozenset[int] | None:
        """Purposes that a `for` clause names; None for all of them."""

        def find(text: str) -> frozenset[int] | None:
            return self._symbols.purposes_of(text, regime)

        return self._indices(clause, regime, self._purposes, find, self._report_purpose)

    def actions(self, clause: Clause | None, regime: str) -> frozenset[str] | None:
        """Actions that a `may` clause names, or their tags; None for all of them."""
        return self._words(clause, regime, self._symbols.actions, "action", "R205")

    def channels(self, clause: Clause | None, regime: str) -> frozenset[str] | None:
        """Channels that a `via` clause names, or their tags; None for all of them."""
        return self._words(clause, regime, self._symbols.channels, "channel", "R206")

    def bases(self, clause: Clause | None) -> frozenset[str] | None:
        """Bases that a `basis` clause names; where no regime names any, all are fine."""
        names = names_of(clause)
        if not names:
            return None
        known = self._symbols.bases
        for name in names:
            if known and name.text not in known:
                self._report.unknown("C401", "basis", name, known)
        return frozenset(name.text for name in names)

    def parties(self, clause: Clause | None, *, is_recipient: bool) -> tuple[Party, ...] | None:
        """Parties of a `who` or `to` clause; None when anyone will do."""
        if clause is None or not isinstance(clause.value, tuple):
            return None
        found: list[Party] = []
        is_anyone = False
        for entry in clause.value:
            if isinstance(entry, PartyRef):
                check_party(entry, self._report, is_recipient=is_recipient)
                is_anyone = is_anyone or entry.kind.text == ANYONE
                found.append(Party(entry.kind.text, entry.name.value if entry.name else ""))
        return None if is_anyone else tuple(found)

    def _indices(
        self,
        clause: Clause | None,
        regime: str,
        cache: dict[tuple[str, str], frozenset[int] | None],
        find: Callable[[str], frozenset[int] | None],
        report_unknown: Callable[[Name], None],
    ) -> frozenset[int] | None:
        names = names_of(clause)
        if not names or any(name.text == ANYTHING for name in names):
            return None
        found: list[frozenset[int]] = []
        for name in names:
            key = (regime, name.text)
            if key not in cache:
                cache[key] = find(name.text)
            indices = cache[key]
            if indices is None:
                indices = self._of_set(name, regime, find)
            if indices is None:
                if name.text not in self._symbols.poisoned:
                    report_unknown(name)
            else:
                found.append(indices)
        return found[0] if len(found) == 1 else frozenset().union(*found)

    def _of_set(
        self, name: Name, regime: str, find: Callable[[str], frozenset[int] | None]
    ) -> frozenset[int] | None:
        """What a set of names stands for; None when there is no such set."""
        if (declared := self.find_set(name.text, regime)) is None:
            return None
        found: frozenset[int] = frozenset()
        for item in declared.items:
            indices = find(str(item.value)) if item.is_name else None
            if indices is None:
                self._report_wrong_set(name, str(item.value))
                return frozenset()
            found |= indices
        return found

    def find_set(self, name: str, regime: str) -> SetSymbol | None:
        """The regime's own set of this name, else the house's; notes that it is used."""
        for key in ((regime, name), ("", name)):
            if (declared := self._symbols.sets.get(key)) is not None:
                self.used_sets.add(key)
                return declared
        return None

    def _words(
        self,
        clause: Clause | None,
        regime: str,
        known: Mapping[str, frozenset[str]],
        what: str,
        code: str,
    ) -> frozenset[str] | None:
        names = names_of(clause)
        if not names or any(name.text == ANYTHING for name in names):
            return None
        found: set[str] = set()
        for name in names:
            if name.text in known:
                found.add(name.text)
            elif name.text in self._symbols.tags:
                found |= {word for word, tags in known.items() if name.text in tags}
            elif (declared := self.find_set(name.text, regime)) is not None:
                items = {str(item.value) for item in declared.items}
                if strange := sorted(items - set(known)):
                    self._report_wrong_set(name, strange[0])
                found |= items
            elif name.text not in self._symbols.poisoned:
                candidates = self._candidates(known)
                self._report.unknown(code, what, name, candidates, places=self.places_of(what))
        return frozenset(found)

    def _report_wrong_set(self, name: Name, item: str) -> None:
        if name.text in self._symbols.poisoned:
            return
        self._report.error(
            "R222",
            f"set `{name.text}` does not fit here",
            name.span,
            label=f"it holds `{item}`, which is something else",
        )

    def _report_data(self, name: Name) -> None:
        self._report.unknown(
            "R204",
            "data",
            name,
            self._candidates(self._symbols.data_names, self._symbols.categories),
            places=self.places_of("data"),
        )

    def _report_purpose(self, name: Name) -> None:
        self._report.unknown(
            "R203",
            "purpose",
            name,
            self._candidates(self._symbols.purpose_names, self._symbols.uses),
            places=self.places_of("purpose"),
        )

    def _candidates(self, *known: Iterable[str]) -> list[str]:
        sets = [name for _, name in self._symbols.sets]
        return [*(n for names in known for n in names), *self._symbols.tags, *sets, ANYTHING]

    def places_of(self, kind: str) -> Mapping[str, Span]:
        """Where the names of one kind are declared."""
        if kind not in self._places:
            start = kind + " "
            self._places[kind] = {
                key[len(start) :]: span
                for key, span in self._symbols.declared_at.items()
                if key.startswith(start)
            }
        return self._places[kind]


def names_of(clause: Clause | None) -> tuple[Name, ...]:
    """The names a clause lists."""
    if clause is None or not isinstance(clause.value, tuple):
        return ()
    return tuple(name for name in clause.value if isinstance(name, Name))


def check_party(party: PartyRef, report: Report, *, is_recipient: bool) -> None:
    """Report an unknown kind of party, or a name that is missing or too much."""
    kind = party.kind.text
    known = {ANYONE} | _NAMED_KINDS | _PRINCIPALS | (_RECIPIENTS if is_recipient else set())
    if kind not in known:
        report.unknown(
            "R209", "kind of recipient" if is_recipient else "kind of principal", party.kind, known
        )
    elif kind == ANYONE and party.name is not None:
        report.error("R248", "`anyone` takes no name", party.name.span, label="anyone is everyone")
    elif kind in _NAMED_KINDS | _RECIPIENTS and party.name is None:
        report.error(
            "R248",
            f"`{kind}` needs a name",
            party.kind.span,
            label=f"which {kind}?",
            help=f'write `{kind} "…"`',
        )
