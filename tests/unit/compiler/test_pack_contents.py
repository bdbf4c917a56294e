"""Claims about what is told of a pack: its laws, rules, citations, and coming changes."""

from __future__ import annotations

from datetime import date

from consentry.compiler.pack_contents import Change, read_contents
from consentry.diagnostics.span import Source

TEXT = """\
use law
set lamps = ["a", "b" from 2026-03-01, "c" from 2026-03-01, "d" until 2027-01-01]

regime lantern_act "An invented law" {
    version "7"
    from 2025-01-01
    set places = ["XQ" from 2026-05-01]
    permit agreed "They agreed" as consent_valid { cite "s. 1" }
    forbid no_lanterns "Nobody" { until 2026-12-31 cite "s. 2 [unchecked]" }
    oblige tell_them
}
"""
PACK = read_contents("lantern", Source("packs/lantern.policy", TEXT))


def test_lines_rules_and_citations_are_counted() -> None:
    assert (PACK.line_count, len(PACK.rules), len(PACK.citations)) == (11, 3, 2)
    assert PACK.unchecked_count == 1
    assert (PACK.uses, PACK.versions) == (("law",), ("7",))


def test_a_rule_is_told_with_its_code_and_its_place() -> None:
    (agreed, forbidden, duty) = PACK.rules

    assert (agreed.word, agreed.name, agreed.code, agreed.line) == (
        "permit", "agreed", "consent_valid", 8,
    )  # fmt: skip
    assert (forbidden.code, forbidden.until) == ("no_lanterns", date(2026, 12, 31))
    assert (duty.word, duty.cite) == ("oblige", "")


def test_what_begins_and_ends_is_told_in_order() -> None:
    assert [(change.on.isoformat(), change.what, change.begins) for change in PACK.changes] == [
        ("2025-01-01", "regime `lantern_act`", True),
        ("2026-03-01", "`b`, `c` in set `lamps`", True),
        ("2026-05-01", "`XQ` in set `lantern_act.places`", True),
        ("2026-12-31", "forbid `lantern_act.no_lanterns`", False),
        ("2027-01-01", "`d` in set `lamps`", False),
    ]


def test_what_is_past_is_no_coming_change() -> None:
    coming = PACK.changes_after(date(2026, 12, 31))

    assert coming == (Change(on=date(2027, 1, 1), what="`d` in set `lamps`", begins=False, line=2),)
