"""`consentry diff`: which decisions change between two policy sets, each kind with an example."""

from __future__ import annotations

import argparse

from consentry.app.case_options import add_case_options, since_of
from consentry.app.exit_codes import EXIT_CODES_HELP, ExitCode
from consentry.app.output import Console, counted, err, out
from consentry.app.policy_files import Compiled, compile_set, diagnostics_json, show_diagnostics
from consentry.app.progress import Progress
from consentry.author.as_test import case_as_test
from consentry.author.cases.questions import Key
from consentry.author.difference import (
    CHANGE_TEXTS,
    GRANTS_MORE,
    Answer,
    Change,
    Difference,
    find_difference,
)
from consentry.author.telling import instant_text, mask_text
from consentry.model.program import Program

_EXAMPLES = """\
examples:
  consentry diff old-policies policies
  consentry diff state/policies:3f9c02ab policies     a set that was active, by its digest
  git archive main policies | tar -x -C /tmp/main && consentry diff /tmp/main/policies policies

"""
_SHOWN_PLACES = 5


def build_parser() -> argparse.ArgumentParser:
    """The parser of this verb."""
    parser = argparse.ArgumentParser(
        prog="consentry diff",
        description=(
            "Say which decisions change from policy set A to policy set B: every case that a rule "
            "of either can tell apart is asked of both. Leaves with 1 when somebody may do more."
        ),
        epilog=_EXAMPLES + EXIT_CODES_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    place = "a folder, a file, or ARCHIVE:DIGEST (some first digits are enough)"
    parser.add_argument("before", metavar="A", help=f"the set before: {place}")
    parser.add_argument("after", metavar="B", help="the set after, likewise")
    parser.add_argument(
        "--any", dest="is_strict", action="store_true", help="leave with 1 on any change"
    )
    add_case_options(parser, "questions")
    parser.add_argument("--json", action="store_true", help="report as JSON")
    return parser


def run(options: argparse.Namespace) -> int:
    """Compiles both, compares, reports."""
    try:
        before, after = compile_set(options.before), compile_set(options.after)
    except ValueError as problem:
        err().line(f"consentry diff: {problem}")
        return ExitCode.USAGE
    broken = [compiled for compiled in (before, after) if compiled.has_errors]
    if broken:
        return _refuse(options, broken)
    progress = Progress(err(), "cases")
    since_us = since_of(options)
    found = find_difference(
        before.result, after.result, since_us=since_us, limit=options.limit, progress=progress
    )
    progress.close()
    program = after.result.program
    assert program is not None
    if options.json:
        out().json(_json(found, program, since_us))
    else:
        _show(out(), found, program, since_us)
    if found.is_granting_more or (options.is_strict and found.changes):
        return ExitCode.FINDINGS
    return ExitCode.UNDECIDED if found.unasked else ExitCode.OK


def _refuse(options: argparse.Namespace, broken: list[Compiled]) -> int:
    if options.json:
        told = [one for c in broken for one in diagnostics_json(c.diagnostics, c.sources)]
        out().json({"error": "the policies have errors", "diagnostics": told})
    else:
        for compiled in broken:
            show_diagnostics(err(), compiled.diagnostics, compiled.sources)
    return ExitCode.USAGE


def _show(console: Console, found: Difference, program: Program, since_us: int) -> None:
    for change in found.changes:
        _show_change(console, change, program)
    for unasked in found.unasked:
        told = console.styled("undecided", "yellow")
        console.line(f"{told}  {_key_text(unasked.key)}: {unasked.why}")
    asked = f"{counted(found.case_count, 'case')} of {counted(found.question_count, 'question')}"
    told = "somebody may do more" if found.is_granting_more else "nobody may do more"
    if found.unasked:
        told += f", {counted(len(found.unasked), 'question')} undecided"
    style = "red" if found.is_granting_more else "yellow" if found.unasked else "green"
    console.line(
        console.styled(f"{told} ({asked} from {instant_text(since_us)} on", style)
        + console.styled(f"; {found.same_count:,} questions need no asking)", style)
    )


def _show_change(console: Console, change: Change, program: Program) -> None:
    style = "red" if change.kind in GRANTS_MORE else "cyan"
    word = console.styled(f"{change.kind:<12}", style)
    console.line(f"{word} {CHANGE_TEXTS[change.kind]}: {counted(change.count, 'case')}")
    for key, count in list(change.keys.items())[:_SHOWN_PLACES]:
        console.line(f"             {_key_text(key)}: {count:,}")
    if len(change.keys) > _SHOWN_PLACES:
        console.line(f"             and {len(change.keys) - _SHOWN_PLACES:,} more")
    console.line(f"  before   {_answer_text(change.before)}")
    console.line(f"  after    {_answer_text(change.after)}")
    console.line()
    for line in _example(change, program).splitlines():
        console.line(f"    {line}" if line else "")
    console.line()


def _key_text(key: Key) -> str:
    return f"{key.action} {key.leaf} for {key.purpose}"


def _answer_text(answer: Answer) -> str:
    told = f"{answer.effect} {answer.reason}"
    if answer.mask is not None:
        told += f", mask {mask_text(answer.mask)}"
    if answer.obligations:
        told += " with " + ", ".join(sorted(answer.obligations))
    return told


def _example(change: Change, program: Program) -> str:
    return case_as_test(
        change.example,
        program,
        name=f"{change.kind}_example",
        title=CHANGE_TEXTS[change.kind].capitalize(),
        effect=change.after.effect,
        reason=change.after.reason if " " not in change.after.reason else "",
    )


def _json(found: Difference, program: Program, since_us: int) -> dict[str, object]:
    return {
        "grants_more": found.is_granting_more,
        "since": instant_text(since_us),
        "cases": found.case_count,
        "questions": found.question_count,
        "same_questions": found.same_count,
        "changes": [
            {
                "kind": change.kind.value,
                "count": change.count,
                "places": [
                    {"action": k.action, "data": k.leaf, "purpose": k.purpose, "count": n}
                    for k, n in change.keys.items()
                ],
                "before": _answer_json(change.before),
                "after": _answer_json(change.after),
                "example": _example(change, program),
            }
            for change in found.changes
        ],
        "undecided": [
            {
                "action": one.key.action,
                "data": one.key.leaf,
                "purpose": one.key.purpose,
                "why": one.why,
            }
            for one in found.unasked
        ],
    }


def _answer_json(answer: Answer) -> dict[str, object]:
    return {
        "effect": answer.effect.value,
        "reason": answer.reason,
        "mask": mask_text(answer.mask),
        "obligations": sorted(answer.obligations),
    }
