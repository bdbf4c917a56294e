"""What policy tests reached, as text for a person and as JSON for a program."""

from __future__ import annotations

from collections.abc import Mapping

from consentry.app.output import Console
from consentry.author.coverage import Coverage, CoveredCondition, Share
from consentry.diagnostics.span import Source


def show_coverage(
    console: Console, coverage: Coverage, sources: Mapping[str, Source], least: float | None
) -> None:
    """Prints three shares, then everything that no test reached, with its place."""
    console.line("coverage")
    for name, share in coverage.shares:
        line = f"  {name:<11}{_percent(share):>6}  {share.covered:,} of {share.total:,}"
        if name == "conditions":
            line += " ways"
        is_short = share.percent < (100.0 if least is None else least)
        console.line(console.styled(line, "yellow" if is_short else "green"))
    for rule in coverage.rules:
        if not rule.is_covered:
            console.line(f"  {rule.file}:{rule.line}: no test reaches {rule.kind} {rule.name}")
    for regime in coverage.regimes:
        if not regime.is_covered:
            console.line(f"  {regime.file}:{regime.line}: no test is under regime {regime.name}")
    for condition in coverage.conditions:
        if condition.missing:
            console.line(f"  {_condition_text(condition, sources)}")
    if least is not None and not coverage.is_at_least(least):
        console.line(console.styled(f"coverage is below {least:g} %", "red"))


def _condition_text(found: CoveredCondition, sources: Mapping[str, Source]) -> str:
    span = found.span
    never = " nor ".join(found.missing)
    told = f"{span.file}:{span.line}:{span.column}: never {never} in {found.owner}: "
    told += _excerpt(found, sources)
    if found.unknown_count:
        told += f" (unknown {found.unknown_count:,} times)"
    return told


def _excerpt(found: CoveredCondition, sources: Mapping[str, Source]) -> str:
    source = sources.get(found.span.file)
    if source is None:
        return ""
    return " ".join(source.text[found.span.start : found.span.end].split())


def _percent(share: Share) -> str:
    # 99.96 % is not 100 %.
    hundredths = share.percent
    return f"{hundredths:.0f} %" if hundredths == int(hundredths) else f"{hundredths:.1f} %"


def coverage_json(coverage: Coverage, sources: Mapping[str, Source]) -> dict[str, object]:
    """The same for a program."""
    shares = {
        name: {"covered": share.covered, "total": share.total, "percent": round(share.percent, 2)}
        for name, share in coverage.shares
    }
    return {
        **shares,
        "uncovered_rules": [
            {"kind": rule.kind, "name": rule.name, "file": rule.file, "line": rule.line}
            for rule in coverage.rules
            if not rule.is_covered
        ],
        "uncovered_conditions": [
            {
                "owner": found.owner,
                "text": _excerpt(found, sources),
                "file": found.span.file,
                "line": found.span.line,
                "column": found.span.column,
                "true": found.true_count,
                "false": found.false_count,
                "unknown": found.unknown_count,
            }
            for found in coverage.conditions
            if found.missing
        ],
        "uncovered_regimes": [
            {"name": regime.name, "file": regime.file, "line": regime.line}
            for regime in coverage.regimes
            if not regime.is_covered
        ],
    }
