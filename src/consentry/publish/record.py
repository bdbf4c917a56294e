"""The record of processing activities: one row for each of the house's activities.

What the law asks for and the policies do not say is listed as a gap, never left out in silence.

Source: GDPR, Art. 30(1).
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import Final

from consentry.model.program import Mission, Party, Program, Rule, RuleKind
from consentry.model.trees import PurposeNode
from consentry.model.vocabulary import TAG_DISCLOSURE
from consentry.publish.contents import (
    data_roots,
    do_meet,
    house_rules,
    leaves_of,
    purpose_roots,
)
from consentry.publish.html import render_page
from consentry.publish.wording import Wording

COLUMNS: Final = (
    "activity", "purposes", "basis", "people", "data", "recipients", "transfers", "retention",
    "measures", "controller", "contact", "place", "gaps",
)  # fmt: skip
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRow:
    """One activity: the rule's name, and its cells in the order of `COLUMNS`."""

    name: str
    cells: tuple[str, ...]
    gaps: tuple[str, ...]


def build_record(program: Program, wording: Wording) -> tuple[RecordRow, ...]:
    """The rows, in the order of the activities."""
    return tuple(_row(program, wording, rule) for rule in house_rules(program, RuleKind.PERMIT))


def render_record_csv(rows: tuple[RecordRow, ...], wording: Wording) -> str:
    """The record as CSV (RFC 4180), a header first.

    A cell that a spreadsheet would take for a formula gets an apostrophe before it.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([wording.phrase(f"record_{column}") for column in COLUMNS])
    for row in rows:
        writer.writerow([_harmless(cell) for cell in row.cells])
    return out.getvalue()


def render_record_html(rows: tuple[RecordRow, ...], program: Program, wording: Wording) -> str:
    """The record as a page."""
    return render_page(
        "record.html.j2",
        language=wording.language,
        title=wording.phrase("record_title"),
        columns=[wording.phrase(f"record_{column}") for column in COLUMNS],
        rows=rows,
        digest=program.digest,
        digest_label=wording.phrase("digest"),
    )


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell


def _row(program: Program, wording: Wording, rule: Rule) -> RecordRow:
    leaves = leaves_of(program, rule)
    every = range(len(program.purposes))
    purposes = purpose_roots(program, every if rule.purposes is None else rule.purposes)
    # What stands below a purpose may have a basis and a time of its own.
    whole = [
        node for node in program.purposes if rule.purposes is None or node.index in rule.purposes
    ]
    nodes = data_roots(program, leaves)
    mission = program.mission or Mission()
    gaps = _gaps(program, wording, rule, purposes, leaves)
    countries = [party.name for party in rule.recipients or () if party.kind == "country"]
    roots = {node.lineage[-1] for node in nodes}
    cells = (
        wording.text("rule", rule.name, rule.text),
        _joined(wording.text("purpose", node.path, node.text) for node in purposes),
        _joined(dict.fromkeys(basis for node in whole for basis in _bases(node, wording))),
        _joined(wording.text("data", root) for root in sorted(roots)),
        _joined(wording.text("data", node.path, node.text) for node in nodes),
        _joined(wording.party(party) for party in _receiving(rule)),
        _joined(countries) or wording.phrase("none"),
        _joined(dict.fromkeys(wording.duration(rule.keep or node.keep) for node in whole)),
        _joined(_measures(program, wording, rule)) or wording.phrase("none"),
        mission.controller,
        mission.contact,
        f"{rule.file}:{rule.line}",
        _joined(gaps),
    )
    return RecordRow(name=rule.name, cells=cells, gaps=tuple(gaps))


def _bases(node: PurposeNode, wording: Wording) -> list[str]:
    under = [
        f"{wording.basis(basis)} ({wording.phrase('under')} {regime})"
        for regime, basis in node.basis_under
    ]
    return under if node.basis is None and under else [wording.basis(node.basis), *under]


def _receiving(rule: Rule) -> list[Party]:
    """Who works with the data, and to whom it is given."""
    return [*(rule.who or (Party("anyone"),)), *(rule.recipients or ())]


def _measures(program: Program, wording: Wording, rule: Rule) -> list[str]:
    """Masks and duties that can touch the activity."""
    return [
        wording.text("rule", other.name, other.text)
        for other in house_rules(program, RuleKind.MASK, RuleKind.OBLIGE)
        if other.on is None and do_meet(other, rule)
    ]


def _gaps(
    program: Program,
    wording: Wording,
    rule: Rule,
    purposes: tuple[PurposeNode, ...],
    leaves: frozenset[int],
) -> list[str]:
    def gap(key: str, **values: str) -> str:
        return wording.phrase(f"gap_{key}", **values)

    gaps = [] if rule.text else [gap("text")]
    mission = program.mission
    if mission is None or not mission.controller:
        gaps.append(gap("controller"))
    if mission is None or not mission.contact:
        gaps.append(gap("contact"))
    for node in purposes:
        if not node.text:
            gaps.append(gap("purpose_text", name=node.path))
        if node.basis is None and not node.basis_under:
            gaps.append(gap("basis", name=node.path))
        if rule.keep is None and node.keep is None:
            gaps.append(gap("retention", name=node.path))
    uncategorised = [program.data[i].path for i in sorted(leaves) if not program.data[i].categories]
    gaps += [gap("category", name=path) for path in uncategorised]
    gives = any(TAG_DISCLOSURE in program.actions[action] for action in rule.actions or ())
    if gives and not rule.cite:
        countries = [party.name for party in rule.recipients or () if party.kind == "country"]
        gaps += [gap("safeguard", name=country) for country in countries]
    if not _measures(program, wording, rule):
        gaps.append(gap("measures"))
    return gaps


def _joined(parts: object) -> str:
    return "; ".join(parts)  # type: ignore[arg-type]  # an iterable of texts
