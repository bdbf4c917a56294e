"""Builds the statement of a policy set: every declared thing once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from consentry.model.program import HOUSE, Party, Program, Regime, Rule, RuleKind
from consentry.model.trees import DataNode, PurposeNode
from consentry.publish.changes import Change, compare
from consentry.publish.contents import (
    covers,
    data_roots,
    house_rules,
    purpose_facts,
    purpose_roots,
    rule_name,
)
from consentry.publish.entries import ChangeLine, Entry, Line, Ref, Section, Statement
from consentry.publish.wording import Wording

_RIGHT: Final = re.compile(r"\brights\.([a-z_]+?)(?:_at)?\b")
_MAIL: Final = re.compile(r"[^@\s:?&]+@[^@\s:?&]+\.[a-z]+")
_RIGHTS: Final = ("objected", "opted_out", "limited", "restricted", "erased")
_TELLING_TAGS: Final = (
    "direct_marketing", "profiling", "targeted_advertising", "sale", "sharing",
    "automated_decision", "separate_consent",
)  # fmt: skip


def build_statement(
    program: Program, wording: Wording, previous: Program | None = None
) -> Statement:
    """The statement of a policy set in the language of `wording`; deterministic."""
    teller = _Teller(program, wording)
    phrase = wording.phrase
    house = house_rules
    sections = (
        teller.promises(),
        teller.purposes(),
        teller.rules("activities", house(program, RuleKind.PERMIT)),
        teller.rules("limits", house(program, RuleKind.FORBID)),
        teller.rules("protection", house(program, RuleKind.MASK, RuleKind.OBLIGE)),
        teller.rules("exceptions", program.exceptions, "exception"),
        teller.data(),
        teller.laws(),
    )
    mission = program.mission
    changes = None
    if previous is not None:
        changes = tuple(_change_line(change, wording) for change in compare(previous, program))
    return Statement(
        language=wording.language,
        title=phrase("title"),
        mission=wording.text("mission", "text", mission.text) if mission is not None else "",
        facts=teller.facts(),
        sections=tuple(section for section in sections if section.entries),
        rights=teller.rights(),
        changes=changes,
        digest=program.digest,
        missing=wording.missing,
    )


def _change_line(change: Change, wording: Wording) -> ChangeLine:
    def told(value: object) -> str:
        match value:
            case (str(kind), str(name), str(text)):
                return wording.text(kind, name, text)
            case tuple():
                return ", ".join(told(part) for part in value)
            case Party():
                return wording.recipient(value)
            case str() | None if change.code == "change_basis":
                return wording.basis(value)
            case str():
                return value
            case _ if change.code.startswith(("change_keep", "change_consent")):
                return wording.duration(value)  # type: ignore[arg-type]  # such changes hold lengths
            case _:
                return str(value)

    values = {name: told(value) for name, value in change.values.items()}
    return ChangeLine(text=wording.phrase(change.code, **values), is_material=change.is_material)


def refusal_phrase(node: PurposeNode) -> str:
    """The phrase that tells how to say no to a purpose."""
    match node.basis:
        case "consent":
            return "no_consent"
        case "contract":
            return "no_contract"
        case "legal_obligation":
            return "no_law"
        case "vital_interest":
            return "no_vital"
        case None:
            return "no_basis"
        case _:
            return "no_object_marketing" if "direct_marketing" in node.tags else "no_object"


class _Teller:
    """Tells the parts of one program in one language."""

    def __init__(self, program: Program, wording: Wording) -> None:
        self._program = program
        self._wording = wording

    def facts(self) -> tuple[Line, ...]:
        mission = self._program.mission
        if mission is None:
            return ()
        where = f"{mission.controller} ({mission.country})" if mission.country else ""
        return tuple(
            line
            for line in (
                self._line("responsible", where or mission.controller),
                self._line("contact", mission.contact),
                self._line("page", mission.page),
            )
            if line.values
        )

    def rights(self) -> tuple[str, ...]:
        """Rights that some rule honours."""
        rules = [*self._program.rules, *self._program.exceptions]
        texts = [rule.condition.text for rule in rules if rule.condition is not None]
        honoured = {match for text in texts for match in _RIGHT.findall(text)}
        told = [self._wording.phrase(f"right_{r}") for r in _RIGHTS if r in honoured]
        if any(node.basis == "consent" for node in self._program.purposes):
            told.insert(0, self._wording.phrase("right_consent"))
        return (*told, self._wording.phrase("right_contact"))

    # --- purposes and data ------------------------------------------------------------------

    def purposes(self) -> Section:
        entries = tuple(self._purpose(node) for node in self._program.purposes)
        return self._section("purposes", entries)

    def _purpose(self, node: PurposeNode) -> Entry:
        program, wording = self._program, self._wording
        facts = purpose_facts(program, node)
        bases = [wording.basis(node.basis)]
        bases += [
            f"{wording.basis(basis)} ({wording.phrase('under')} {regime})"
            for regime, basis in node.basis_under
        ]
        lines = [
            self._line("benefit", self._benefit(node)),
            self._line("basis", *bases),
            self._refs("which", self._data_refs(facts.leaves)),
            self._line("recipient", *(wording.recipient(party) for party in facts.recipients)),
            self._line("kept", wording.duration(node.keep)),
            self._line(
                "consent_lasts",
                wording.duration(node.consent_lasts) if node.consent_lasts is not None else "",
            ),
            self._line("notice", node.notice or ""),
            self._line(
                "marks",
                *(wording.text("tag", t, program.tags.get(t, "")) for t in _telling(node)),
            ),
            self._refs(
                "reuses", [self._purpose_ref(program.purposes[i]) for i in sorted(node.reuses)]
            ),
            self._line("cite", node.cite),
            self._line("say_no", self._say_no(node)),
        ]
        return Entry(
            kind="purpose",
            name=node.path,
            anchor=f"purpose-{node.path}",
            text=wording.text("purpose", node.path, node.text),
            lines=_kept(lines),
            depth=len(node.lineage) - 1,
        )

    def _benefit(self, node: PurposeNode) -> str:
        return self._wording.text("benefit", node.path, node.benefit) if node.benefit else ""

    def _say_no(self, node: PurposeNode) -> str:
        return self._wording.phrase(refusal_phrase(node))

    def data(self) -> Section:
        used: dict[int, list[PurposeNode]] = {}
        for node in self._program.purposes:
            for leaf in purpose_facts(self._program, node).leaves:
                used.setdefault(leaf, []).append(node)
        entries = tuple(self._datum(node, used) for node in self._program.data)
        return self._section("data", entries)

    def _datum(self, node: DataNode, used: dict[int, list[PurposeNode]]) -> Entry:
        lines = [self._line("category", *node.categories)]
        if node.is_leaf:
            purposes = purpose_roots(self._program, [p.index for p in used.get(node.index, ())])
            lines.append(self._refs("used_for", [self._purpose_ref(p) for p in purposes]))
        return Entry(
            kind="data",
            name=node.path,
            anchor=f"data-{node.path}",
            text=self._wording.text("data", node.path, node.text),
            lines=_kept(lines),
            depth=len(node.lineage) - 1,
        )

    # --- rules ------------------------------------------------------------------------------

    def rules(self, title: str, rules: Sequence[Rule], kind: str = "rule") -> Section:
        return self._section(title, tuple(self._rule(rule, kind) for rule in rules))

    def promises(self) -> Section:
        """Each promise with the house's limits that speak of all that it speaks of."""
        limits = house_rules(self._program, RuleKind.FORBID)
        entries = []
        for promise in self._program.promises:
            limited_by = [self._rule_ref(limit) for limit in limits if covers(limit, promise)]
            entry = self._rule(promise, "promise")
            lines = _kept([*entry.lines, self._refs("limited_by", limited_by)])
            entries.append(replace(entry, lines=lines))
        return self._section("promises", tuple(entries), self._wording.phrase("promises_intro"))

    def laws(self) -> Section:
        entries = tuple(self._law(r) for r in self._program.regimes if r.index != HOUSE)
        return self._section("laws", entries)

    def _law(self, regime: Regime) -> Entry:
        rules = [rule for rule in self._program.rules if rule.regime == regime.index]
        wording = self._wording
        lines = [
            self._line("version", regime.version),
            self._line("from", wording.day(regime.from_us) if regime.from_us is not None else ""),
            self._line(
                "until", wording.day(regime.until_us) if regime.until_us is not None else ""
            ),
        ]
        return Entry(
            kind="law",
            name=regime.name,
            anchor=f"law-{regime.name}",
            text=wording.text("regime", regime.name, regime.text),
            lines=_kept(lines),
            children=tuple(self._rule(rule, "rule") for rule in rules),
        )

    def _rule(self, rule: Rule, kind: str) -> Entry:
        name = rule_name(self._program, rule)
        return Entry(
            kind=kind,
            name=name,
            anchor=f"{kind}-{name}",
            text=self._wording.text("rule", name, rule.text),
            lines=_kept(self._rule_lines(rule)),
        )

    def _rule_lines(self, rule: Rule) -> list[Line]:
        program, wording = self._program, self._wording
        purposes: list[Ref] = []
        if rule.purposes is not None:
            purposes = [self._purpose_ref(p) for p in purpose_roots(program, rule.purposes)]
        actions = sorted(rule.actions or (), key=list(program.actions).index)
        channels = sorted(rule.channels or (), key=list(program.channels).index)
        reasons = sorted(rule.on or ())
        return [
            self._line("who", *(wording.party(party) for party in rule.who or ())),
            self._line("what", *(wording.text("action", action) for action in actions)),
            self._refs("which", self._data_refs(rule.data) if rule.data is not None else []),
            self._refs("why", purposes),
            self._line("channel", *(wording.text("channel", channel) for channel in channels)),
            self._line("recipient", *(wording.recipient(p) for p in rule.recipients or ())),
            self._line("basis", *(wording.basis(basis) for basis in sorted(rule.bases or ()))),
            self._line("mask", wording.mask(rule.mask) if rule.mask is not None else ""),
            self._line(
                "after_refusal",
                *(wording.text("reason", r, program.reason_texts.get(r, "")) for r in reasons),
            ),
            self._line("kept", wording.duration(rule.keep) if rule.keep is not None else ""),
            self._line("from", wording.day(rule.from_us) if rule.from_us is not None else ""),
            self._line("until", wording.day(rule.until_us) if rule.until_us is not None else ""),
            self._line(
                "condition",
                wording.phrase("further_conditions") if rule.condition is not None else "",
            ),
            self._line("cite", rule.cite),
        ]

    # --- small parts ------------------------------------------------------------------------

    def _section(self, title: str, entries: tuple[Entry, ...], intro: str = "") -> Section:
        return Section(
            anchor=title, title=self._wording.phrase(title), entries=entries, intro=intro
        )

    def _line(self, label: str, *values: str) -> Line:
        return self._refs(label, [_plain(value) for value in values if value])

    def _refs(self, label: str, refs: Sequence[Ref]) -> Line:
        return Line(label=self._wording.phrase(label), values=tuple(refs))

    def _data_refs(self, leaves: frozenset[int]) -> list[Ref]:
        return [
            Ref(text=self._wording.text("data", node.path, node.text), anchor=f"data-{node.path}")
            for node in data_roots(self._program, leaves)
        ]

    def _rule_ref(self, rule: Rule) -> Ref:
        name = rule_name(self._program, rule)
        return Ref(text=self._wording.text("rule", name, rule.text), anchor=f"rule-{name}")

    def _purpose_ref(self, node: PurposeNode) -> Ref:
        text = self._wording.text("purpose", node.path, node.text)
        return Ref(text=text, anchor=f"purpose-{node.path}")


def _plain(text: str) -> Ref:
    if text.startswith("https://"):
        return Ref(text=text, href=text)
    return Ref(text=text, href=f"mailto:{text}") if _MAIL.fullmatch(text) else Ref(text=text)


def _telling(node: PurposeNode) -> list[str]:
    return [tag for tag in _TELLING_TAGS if tag in node.tags]


def _kept(lines: Iterable[Line]) -> tuple[Line, ...]:
    return tuple(line for line in lines if line.values)
