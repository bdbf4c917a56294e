"""`consentry test`: runs the tests that stand in the policies."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path

from consentry.app.decision_text import decision_json
from consentry.app.exit_codes import EXIT_CODES_HELP, ExitCode
from consentry.app.output import Console, counted, err, out
from consentry.app.policy_files import add_path, compile_path, diagnostics_json, show_diagnostics
from consentry.author.policy_tests import (
    CheckOutcome,
    TestOutcome,
    TestReport,
    finding_text,
    run_policy_tests,
)

_EXAMPLES = """\
examples:
  consentry test policies
  consentry test policies -k withdrawn       names that contain a word
  consentry test policies -k 'newsletter_*'  names that match a pattern

"""


def build_parser() -> argparse.ArgumentParser:
    """The parser of this verb."""
    parser = argparse.ArgumentParser(
        prog="consentry test",
        description="Run the `test` declarations of a policy set through the real engine.",
        epilog=_EXAMPLES + EXIT_CODES_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_path(parser)
    parser.add_argument("-k", dest="pattern", metavar="PATTERN", help="only tests with this name")
    parser.add_argument("--json", action="store_true", help="report as JSON")
    parser.add_argument("-v", "--verbose", action="store_true", help="name the tests that pass too")
    return parser


def wanted_by(pattern: str | None) -> Callable[[str], bool]:
    """Whether a name is asked for: a part of it, or a pattern with `*` and `?`."""
    if not pattern:
        return lambda _name: True
    if any(character in pattern for character in "*?["):
        return lambda name: fnmatchcase(name, pattern)
    return lambda name: pattern in name


def run(options: argparse.Namespace) -> int:
    """Compiles, runs, reports. A pattern that no test has is a finding: a typo must not pass."""
    compiled = compile_path(Path(options.path))
    if compiled.has_errors:
        if options.json:
            told = diagnostics_json(compiled.diagnostics, compiled.sources)
            out().json({"is_passed": False, "tests": [], "diagnostics": told})
        else:
            show_diagnostics(err(), compiled.diagnostics, compiled.sources)
        return ExitCode.FINDINGS
    report = run_policy_tests(compiled.result, wanted_by(options.pattern))
    is_empty = not report.outcomes and bool(options.pattern)
    if options.json:
        out().json(_json(report))
    else:
        _show(out(), report, is_verbose=options.verbose)
        if is_empty:
            err().line(f"no test has a name like `{options.pattern}`")
    return ExitCode.OK if report.is_passed and not is_empty else ExitCode.FINDINGS


def _show(console: Console, report: TestReport, *, is_verbose: bool) -> None:
    for outcome in report.outcomes:
        if outcome.is_passed and is_verbose:
            console.line(f"{console.styled('pass', 'green')} {outcome.name}: {outcome.text}")
        if not outcome.is_passed:
            _show_failure(console, outcome)
    failed = len(report.failed)
    passed = len(report.outcomes) - failed
    told = f"{counted(passed, 'test')} passed, {failed:,} failed"
    told += f" ({counted(report.check_count, 'check')})"
    console.line(console.styled(told, "red" if failed else "green"))


def _show_failure(console: Console, outcome: TestOutcome) -> None:
    place = f"{outcome.span.file}:{outcome.span.line}"
    console.line(f"{console.styled('FAIL', 'red')} {outcome.name} at {place}: {outcome.text}")
    for check in outcome.checks:
        if not check.is_passed:
            _show_check(console, check)
    console.line()


def _show_check(console: Console, check: CheckOutcome) -> None:
    console.line(f"  the check at {check.span.file}:{check.span.line} expects {check.expected}")
    for difference in check.differences:
        console.line(f"    {difference}")
    for finding in check.decision.findings if check.decision is not None else ():
        console.line(f"      {finding_text(finding)}")


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
