"""`consentry packs`: the law packs at hand, what is in them, and what is about to change."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

from consentry.app.exit_codes import EXIT_CODES_HELP, ExitCode
from consentry.app.output import Console, counted, err, out
from consentry.app.policy_files import show_diagnostics
from consentry.compiler.load import OWN_PACKS
from consentry.compiler.pack_contents import (
    Change,
    PackContents,
    PackRegime,
    PackRule,
    read_contents,
)
from consentry.diagnostics.diagnostic import Diagnostic
from consentry.diagnostics.span import Source
from consentry.diagnostics.suggest import closest
from consentry.lang.parse import parse_module
from consentry.pdp.sources import read_packs, read_policy_folder

_EXAMPLES = """\
examples:
  consentry packs                       every pack: version, lines, rules, citations
  consentry packs ccpa                  what one says, rule by rule, with its citations
  consentry packs --changes             what begins or ends, from today on
  consentry packs --changes --as-of 2025-01-01 lgpd
  consentry packs --text ccpa           the text itself, to read or to keep
  consentry packs --policies policies   the packs of this policy set, too

"""
_HEADINGS = ("pack", "version", "lines", "rules", "citations", "unchecked", "law")


def build_parser() -> argparse.ArgumentParser:
    """The parser of this verb."""
    parser = argparse.ArgumentParser(
        prog="consentry packs",
        description="List the law packs at hand, or show what is in some of them.",
        epilog=_EXAMPLES + EXIT_CODES_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="packs to show; none: list all")
    parser.add_argument(
        "--policies", type=Path, metavar="DIR", help="a policy set whose own packs count, too"
    )
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--changes", action="store_true", help="dates of effect that are to come")
    shown.add_argument("--text", action="store_true", help="print the texts themselves")
    parser.add_argument(
        "--as-of", type=date.fromisoformat, metavar="DATE", help="take this day for today"
    )
    parser.add_argument("--json", action="store_true", help="report as JSON")
    return parser


def run(options: argparse.Namespace) -> int:
    """Lists or shows; a name that no pack has is wrong usage, a pack that is broken a finding."""
    sources, problems = _sources(options.policies)
    if problems:
        show_diagnostics(err(), problems, {source.name: source for source in sources.values()})
        return ExitCode.FINDINGS
    for name in options.names:
        if name not in sources:
            nearest = closest(name, sources)
            hint = f"; did you mean `{nearest}`?" if nearest else ""
            err().line(f"no pack is called `{name}`{hint}")
            return ExitCode.USAGE
    wanted = {name: sources[name] for name in options.names or sources}
    packs = [read_contents(name, source) for name, source in wanted.items()]
    today = options.as_of or datetime.now(UTC).date()
    if options.json:
        out().json([_json(pack, today) for pack in packs])
    elif options.text:
        for source in wanted.values():
            out().line(source.text.rstrip("\n"))
    elif options.changes:
        _show_changes(out(), packs, today)
    elif options.names:
        for pack in packs:
            _show(out(), pack)
    else:
        _list(out(), packs)
    return ExitCode.OK


def _sources(
    policies: Path | None,
) -> tuple[Mapping[str, Source], tuple[Diagnostic, ...]]:
    """Shipped packs by name, then those of the policy set, and what is wrong with the latter."""
    found = dict(read_packs())
    if policies is None:
        return found, ()
    sources, problems = read_policy_folder(policies)
    for source in sources:
        if source.name.startswith(OWN_PACKS):
            name = source.name.rpartition("/")[2].removesuffix(".policy")
            found.setdefault(name, source)
            problems = (*problems, *parse_module(source).diagnostics)
    return found, problems


def _list(console: Console, packs: Sequence[PackContents]) -> None:
    rows = [_HEADINGS, *(_row(pack) for pack in packs)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS) - 1)]
    for row in rows:
        cells = [
            cell.ljust(width) if place < 2 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=False))
        ]
        line = "  ".join([*cells, row[-1]]).rstrip()
        console.line(console.styled(line, "bold") if row is _HEADINGS else line)
    rules = sum(len(pack.rules) for pack in packs)
    lines = sum(pack.line_count for pack in packs)
    citations = sum(len(pack.citations) for pack in packs)
    told = (counted(len(packs), "pack"), counted(lines, "line"), counted(rules, "rule"))
    console.line(f"{', '.join(told)}, {counted(citations, 'citation')}")


def _row(pack: PackContents) -> tuple[str, ...]:
    laws = "; ".join(regime.text or regime.name for regime in pack.regimes)
    numbers = (pack.line_count, len(pack.rules), len(pack.citations), pack.unchecked_count)
    version = ", ".join(pack.versions) or "-"
    return (pack.name, version, *(f"{number:,}" for number in numbers), laws or "vocabulary")


def _show(console: Console, pack: PackContents) -> None:
    head = f"{pack.name}: {counted(pack.line_count, 'line')} in {pack.file}"
    console.line(console.styled(head, "bold"))
    if pack.uses:
        console.line(f"uses {', '.join(pack.uses)}")
    for regime in pack.regimes:
        console.line()
        console.line(f"{regime.name} {regime.version}: {regime.text}{_dates(regime)}".rstrip())
        for rule in regime.rules:
            code = f" as {rule.code}" if rule.code != rule.name else ""
            console.line(f"  {console.styled(rule.word, 'cyan')} {rule.name}{code}{_dates(rule)}")
            for told in (rule.text, rule.cite):
                if told:
                    console.line(f"      {told}")
    console.line()


def _dates(dated: PackRule | PackRegime) -> str:
    begins, ends = dated.from_, dated.until
    return (f", from {begins}" if begins else "") + (f", until {ends}" if ends else "")


def _show_changes(console: Console, packs: Sequence[PackContents], today: date) -> None:
    coming = sorted(
        ((change, pack) for pack in packs for change in pack.changes_after(today)),
        key=lambda entry: (entry[0].on, entry[1].name, entry[0].line),
    )
    for change, pack in coming:
        console.line(f"{change.on}  {_told(change)}  ({pack.file}:{change.line})")
    if not coming:
        console.line(f"nothing begins or ends after {today}")


def _told(change: Change) -> str:
    return f"{'from then' if change.begins else 'until then'}: {change.what}"


def _json(pack: PackContents, today: date) -> dict[str, object]:
    return {
        "name": pack.name,
        "file": pack.file,
        "versions": list(pack.versions),
        "uses": list(pack.uses),
        "lines": pack.line_count,
        "rules": len(pack.rules),
        "citations": len(pack.citations),
        "unchecked": pack.unchecked_count,
        "regimes": [
            {
                "name": regime.name,
                "text": regime.text,
                "version": regime.version,
                "from": _iso(regime.from_),
                "until": _iso(regime.until),
                "rules": [
                    {
                        "word": rule.word,
                        "name": rule.name,
                        "code": rule.code,
                        "text": rule.text,
                        "cite": rule.cite,
                        "line": rule.line,
                        "from": _iso(rule.from_),
                        "until": _iso(rule.until),
                    }
                    for rule in regime.rules
                ],
            }
            for regime in pack.regimes
        ],
        "changes": [
            {"on": change.on.isoformat(), "what": change.what, "begins": change.begins}
            for change in pack.changes_after(today)
        ],
    }


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day is not None else None
