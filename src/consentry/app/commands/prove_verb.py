"""`consentry prove`: every `never` is proven, refuted by an example, or named as undecided."""

from __future__ import annotations

import argparse
from pathlib import Path

from consentry.app.case_options import add_case_options, since_of
from consentry.app.exit_codes import EXIT_CODES_HELP, ExitCode
from consentry.app.output import Console, counted, err, out
from consentry.app.policy_files import add_path, compile_path, diagnostics_json, show_diagnostics
from consentry.app.progress import Progress
from consentry.author.as_test import case_as_test
from consentry.author.prove import PromiseOutcome, Verdict, prove
from consentry.author.telling import finding_text, instant_text
from consentry.model.decision import Effect
from consentry.model.program import Program

_EXAMPLES = """\
examples:
  consentry prove policies
  consentry prove policies --promise profile_children --since 2026-01-01
  consentry prove policies --json

"""
_STYLES = {Verdict.PROVEN: "green", Verdict.REFUTED: "red", Verdict.UNDECIDED: "yellow"}


def build_parser() -> argparse.ArgumentParser:
    """The parser of this verb."""
    parser = argparse.ArgumentParser(
        prog="consentry prove",
        description=(
            "Hold every `never` of a policy set against all cases that its rules can tell apart. "
            "A promise is proven, refuted by one example, or undecided, with the reason. Nothing "
            "is sampled."
        ),
        epilog=_EXAMPLES + EXIT_CODES_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_path(parser)
    parser.add_argument("--promise", metavar="NAME", help="only the promise of this name")
    add_case_options(parser, "a promise")
    parser.add_argument("--json", action="store_true", help="report as JSON")
    return parser


def run(options: argparse.Namespace) -> int:
    """Compiles, proves, reports; a set without a promise is a finding, as a typo would be one."""
    compiled = compile_path(Path(options.path))
    program = compiled.result.program
    if compiled.has_errors or program is None:
        if options.json:
            told = diagnostics_json(compiled.diagnostics, compiled.sources)
            out().json({"is_proven": False, "promises": [], "diagnostics": told})
        else:
            show_diagnostics(err(), compiled.diagnostics, compiled.sources)
        return ExitCode.FINDINGS
    progress = Progress(err(), "cases")
    since_us = since_of(options)
    outcomes = prove(
        compiled.result,
        since_us=since_us,
        limit=options.limit,
        progress=progress,
        is_wanted=lambda name: options.promise in (None, name),
    )
    progress.close()
    if options.json:
        out().json(_json(outcomes, program, since_us))
    else:
        for outcome in outcomes:
            _show(out(), outcome, program)
        _show_sum(out(), outcomes, since_us)
    return _status(outcomes)


def _status(outcomes: tuple[PromiseOutcome, ...]) -> ExitCode:
    verdicts = {outcome.verdict for outcome in outcomes}
    if not outcomes or Verdict.REFUTED in verdicts:
        return ExitCode.FINDINGS
    return ExitCode.UNDECIDED if Verdict.UNDECIDED in verdicts else ExitCode.OK


def _show(console: Console, outcome: PromiseOutcome, program: Program) -> None:
    promise = outcome.promise
    verdict = console.styled(f"{outcome.verdict:<9}", _STYLES[outcome.verdict])
    text = f": {promise.text}" if promise.text else ""
    console.line(f"{verdict} {promise.name} at {promise.file}:{promise.line}{text}")
    match outcome.verdict:
        case Verdict.PROVEN if outcome.question_count:
            asked = counted(outcome.question_count, "question")
            console.line(f"          in {counted(outcome.case_count, 'case')} of {asked}")
        case Verdict.PROVEN:
            console.line("          no permit reaches what it speaks of")
        case Verdict.UNDECIDED:
            console.line(f"          {outcome.why}")
        case Verdict.REFUTED:
            console.line("          this is permitted:")
            for finding in outcome.decision.findings if outcome.decision is not None else ():
                console.line(f"            {finding_text(finding)}")
            console.line("          as a test, which fails as long as the promise is broken:")
            console.line()
            for line in _example(outcome, program).splitlines():
                console.line(f"    {line}" if line else "")
            console.line()


def _example(outcome: PromiseOutcome, program: Program) -> str:
    if outcome.example is None:
        return ""
    promise = outcome.promise
    return case_as_test(
        outcome.example,
        program,
        name=f"never_{promise.name}",
        title=promise.text or "A promise is kept",
        effect=Effect.DENY,
    )


def _show_sum(console: Console, outcomes: tuple[PromiseOutcome, ...], since_us: int) -> None:
    if not outcomes:
        console.line(console.styled("there is no such promise: no `never` to prove", "red"))
        return
    counts = {v: sum(outcome.verdict is v for outcome in outcomes) for v in Verdict}
    told = f"{counted(counts[Verdict.PROVEN], 'promise')} proven, "
    told += f"{counts[Verdict.REFUTED]:,} refuted, {counts[Verdict.UNDECIDED]:,} undecided"
    cases = counted(sum(outcome.case_count for outcome in outcomes), "case")
    style = "green" if counts[Verdict.PROVEN] == len(outcomes) else "red"
    console.line(console.styled(f"{told} ({cases} from {instant_text(since_us)} on)", style))


def _json(
    outcomes: tuple[PromiseOutcome, ...], program: Program, since_us: int
) -> dict[str, object]:
    return {
        "is_proven": bool(outcomes) and all(o.verdict is Verdict.PROVEN for o in outcomes),
        "since": instant_text(since_us),
        "digest": program.digest,
        "promises": [
            {
                "name": outcome.promise.name,
                "text": outcome.promise.text,
                "file": outcome.promise.file,
                "line": outcome.promise.line,
                "verdict": outcome.verdict.value,
                "cases": outcome.case_count,
                "questions": outcome.question_count,
                "why": outcome.why,
                "example": _example(outcome, program),
            }
            for outcome in outcomes
        ],
    }
