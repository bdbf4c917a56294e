"""`consentry test`: runs the tests that stand in the policies, and measures what they reach."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from consentry.app.coverage_text import coverage_json, show_coverage
from consentry.app.decision_text import decision_json
from consentry.app.exit_codes import EXIT_CODES_HELP, ExitCode
from consentry.app.junit import junit_xml
from consentry.app.output import Console, counted, err, out
from consentry.app.policy_files import (
    Compiled,
    compile_path,
    diagnostics_json,
    pack_tests_path,
    show_diagnostics,
)
from consentry.author.coverage import Coverage, CoverageRecorder
from consentry.author.policy_tests import (
    CheckOutcome,
    TestOutcome,
    TestReport,
    run_policy_tests,
)
from consentry.diagnostics.span import Source

_EXAMPLES = """\
examples:
  consentry test policies
  consentry test policies -k withdrawn       names that contain a word
  consentry test policies -k 'newsletter_*'  names that match a pattern
  consentry test policies --coverage         what no test reaches
  consentry test policies --min 100          fails below full coverage
  consentry test --pack ccpa --min 100       the tests and the coverage of a law pack

"""


def build_parser() -> argparse.ArgumentParser:
    """The parser of this verb."""
    parser = argparse.ArgumentParser(
        prog="consentry test",
        description="Run the `test` declarations of a policy set through the real engine.",
        epilog=_EXAMPLES + EXIT_CODES_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "paths",
        nargs="*",
        metavar="PATH",
        help="folders with .policy files, or single files; each is a policy set of its own "
        "(default: policies; with --pack, the tests that come with the pack)",
    )
    parser.add_argument("-k", dest="pattern", metavar="PATTERN", help="only tests with this name")
    parser.add_argument("--coverage", action="store_true", help="tell what the tests reach")
    parser.add_argument(
        "--min",
        dest="least",
        type=_percent,
        metavar="PERCENT",
        help="fail when fewer rules, ways of conditions or regimes are reached",
    )
    parser.add_argument("--pack", metavar="NAME", help="measure the coverage of this law pack")
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write a JUnit report too")
    parser.add_argument("--json", action="store_true", help="report as JSON")
    parser.add_argument("-v", "--verbose", action="store_true", help="name the tests that pass too")
    return parser


def _percent(word: str) -> float:
    value = float(word)
    if not 0 <= value <= 100:
        raise argparse.ArgumentTypeError("a percentage lies between 0 and 100")
    return value


def wanted_by(pattern: str | None) -> Callable[[str], bool]:
    """Whether a name is asked for: a part of it, or a pattern with `*` and `?`."""
    if not pattern:
        return lambda _name: True
    if any(character in pattern for character in "*?["):
        return lambda name: fnmatchcase(name, pattern)
    return lambda name: pattern in name


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ran:
    """What all sets of one command line came to."""

    report: TestReport
    coverage: Coverage | None
    sources: dict[str, Source]


def run(options: argparse.Namespace) -> int:
    """Compiles, runs, reports. A pattern that no test has is a finding: a typo must not pass."""
    sets = [compile_path(path) for path in _paths(options)]
    broken = [compiled for compiled in sets if compiled.has_errors]
    if broken:
        return _refuse(options, broken)
    try:
        ran = _run(options, sets)
    except ValueError as problem:
        err().line(f"consentry test: {problem}")
        return ExitCode.USAGE
    report, coverage = ran.report, ran.coverage
    is_empty = not report.outcomes and bool(options.pattern)
    is_short = coverage is not None and not coverage.is_at_least(options.least or 0.0)
    if options.junit is not None:
        options.junit.write_text(junit_xml(report.outcomes, _failure_lines), encoding="utf-8")
    if options.json:
        told = _json(report)
        if coverage is not None:
            told["coverage"] = coverage_json(coverage, ran.sources)
            told["is_passed"] = report.is_passed and not is_short
        out().json(told)
    else:
        _show(out(), report, is_verbose=options.verbose)
        if coverage is not None:
            show_coverage(out(), coverage, ran.sources, options.least)
        if is_empty:
            err().line(f"no test has a name like `{options.pattern}`")
    is_fine = report.is_passed and not is_empty and not is_short
    return ExitCode.OK if is_fine else ExitCode.FINDINGS


def _paths(options: argparse.Namespace) -> list[Path]:
    if options.paths:
        return [Path(path) for path in options.paths]
    return [pack_tests_path(options.pack) if options.pack else Path("policies")]


def _refuse(options: argparse.Namespace, broken: Sequence[Compiled]) -> int:
    if options.json:
        told = [one for c in broken for one in diagnostics_json(c.diagnostics, c.sources)]
        out().json({"is_passed": False, "tests": [], "diagnostics": told})
    else:
        for compiled in broken:
            show_diagnostics(err(), compiled.diagnostics, compiled.sources)
    return ExitCode.FINDINGS


def _run(options: argparse.Namespace, sets: Sequence[Compiled]) -> _Ran:
    is_measured = options.coverage or options.least is not None or options.pack is not None
    outcomes: list[TestOutcome] = []
    coverage: Coverage | None = None
    for compiled in sets:
        recorder = CoverageRecorder(compiled.result, options.pack) if is_measured else None
        report = run_policy_tests(compiled.result, wanted_by(options.pattern), recorder)
        outcomes += report.outcomes
        if recorder is not None:
            found = recorder.coverage()
            coverage = found if coverage is None else coverage.merged(found)
    sources = {name: source for compiled in sets for name, source in compiled.sources.items()}
    return _Ran(report=TestReport(outcomes=tuple(outcomes)), coverage=coverage, sources=sources)


def _show(console: Console, report: TestReport, *, is_verbose: bool) -> None:
    for outcome in report.failed:
        head, *lines = _failure_lines(outcome)
        console.line(f"{console.styled('FAIL', 'red')} {head}")
        for line in lines:
            console.line(line)
        console.line()
    for outcome in report.outcomes if is_verbose else ():
        if outcome.is_passed:
            console.line(f"{console.styled('pass', 'green')} {outcome.name}: {outcome.text}")
    failed = len(report.failed)
    passed = len(report.outcomes) - failed
    told = f"{counted(passed, 'test')} passed, {failed:,} failed"
    told += f" ({counted(report.check_count, 'check')})"
    console.line(console.styled(told, "red" if failed else "green"))


def _failure_lines(outcome: TestOutcome) -> list[str]:
    """Name and place, then each check that failed: what was expected, what came, and why."""
    place = f"{outcome.span.file}:{outcome.span.line}"
    lines = [f"{outcome.name} at {place}: {outcome.text}"]
    for check in outcome.checks:
        if not check.is_passed:
            lines += _check_lines(check)
    return lines


def _check_lines(check: CheckOutcome) -> list[str]:
    lines = [f"  the check at {check.span.file}:{check.span.line}"]
    lines.append(f"    expected  {check.expected}")
    decision = check.decision
    if decision is None:
        return [*lines, *(f"    {difference}" for difference in check.differences)]
    got = f"{decision.effect} {decision.reason}"
    if decision.obligations:
        got += " with " + ", ".join(one.name for one in decision.obligations)
    lines.append(f"    got       {got}")
    lines += [f"    {difference}" for difference in check.differences]
    return [*lines, *(f"      {line}".rstrip() for line in check.explanation)]


def _json(report: TestReport) -> dict[str, object]:
    return {
        "is_passed": report.is_passed,
        "passed": len(report.outcomes) - len(report.failed),
        "failed": len(report.failed),
        "tests": [
            {
                "name": outcome.name,
                "text": outcome.text,
                "file": outcome.span.file,
                "line": outcome.span.line,
                "is_passed": outcome.is_passed,
                "checks": [_check_json(check) for check in outcome.checks],
            }
            for outcome in report.outcomes
        ],
    }


def _check_json(check: CheckOutcome) -> dict[str, object]:
    return {
        "line": check.span.line,
        "expected": check.expected,
        "is_passed": check.is_passed,
        "differences": list(check.differences),
        "decision": decision_json(check.decision) if check.decision is not None else None,
    }
