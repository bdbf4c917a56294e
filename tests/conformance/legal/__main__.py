"""Runs a file of legal scenarios against the law packs of this checkout.

    python -m tests.conformance.legal                 the project's own corpus
    python -m tests.conformance.legal FILE            any file of the same schema
    python -m tests.conformance.legal FILE --only LGPD --only CHILD-008 --verbose
    python -m tests.conformance.legal FILE --json

Exit status: 0 all passed, 1 some failed, 2 the file cannot be read or is not one of scenarios.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from tests.conformance.legal.policy_text import policy_text
from tests.conformance.legal.running import Bench, Outcome, ask_engine, by_regime, run_all
from tests.conformance.legal.schema import FileError, Scenario, read_scenarios

CORPUS = Path(__file__).with_name("scenarios.yaml")


def main(arguments: list[str]) -> int:
    options = _parser().parse_args(arguments)
    try:
        scenarios = [s for s in read_scenarios(options.file) if _is_wanted(s, options.only)]
    except FileError as problem:
        print(problem, file=sys.stderr)
        return 2
    if not scenarios:
        print(f"{options.file}: no scenario is called {' or '.join(options.only)}", file=sys.stderr)
        return 2
    began_s = time.monotonic()
    bench = Bench()
    if options.policy:
        for scenario in scenarios:
            print(f"# {scenario.id}\n{policy_text(scenario, bench.vocabulary)}")
        return 0
    outcomes = run_all(scenarios, ask_engine, bench)
    took_s = time.monotonic() - began_s
    if options.json:
        print(json.dumps(_as_json(outcomes, took_s), indent=2))
    else:
        _print(outcomes, took_s, is_verbose=options.verbose)
    return 0 if all(outcome.is_passed for outcome in outcomes) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.conformance.legal",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path, nargs="?", default=CORPUS, metavar="FILE")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="WORD",
        help="scenarios of this regime, or whose id begins so; may repeat",
    )
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--verbose", action="store_true", help="all reasons of each answer")
    parser.add_argument("--policy", action="store_true", help="print the houses and ask nothing")
    return parser


def _is_wanted(scenario: Scenario, words: list[str]) -> bool:
    return not words or any(
        scenario.regime == word or scenario.id.startswith(word) for word in words
    )


def _print(outcomes: list[Outcome], took_s: float, *, is_verbose: bool) -> None:
    for outcome in outcomes:
        scenario = outcome.scenario
        print(f"{'passed' if outcome.is_passed else 'FAILED'}  {scenario.id}  {scenario.title}")
        for difference in outcome.differences:
            print("        " + difference.replace("\n", "\n        ").rstrip())
        if outcome.reasons and (is_verbose or not outcome.is_passed):
            print(f"        all reasons: {', '.join(outcome.reasons)}")
    print()
    for regime, (passed, failed) in by_regime(outcomes).items():
        print(f"{regime:10} {passed:4} passed  {failed:4} failed")
    failed = sum(not outcome.is_passed for outcome in outcomes)
    print(f"{'all':10} {len(outcomes) - failed:4} passed  {failed:4} failed  in {took_s:.1f} s")


def _as_json(outcomes: list[Outcome], took_s: float) -> dict[str, object]:
    return {
        "passed": sum(outcome.is_passed for outcome in outcomes),
        "failed": sum(not outcome.is_passed for outcome in outcomes),
        "seconds": round(took_s, 2),
        "by_regime": {
            regime: {"passed": passed, "failed": failed}
            for regime, (passed, failed) in by_regime(outcomes).items()
        },
        "scenarios": [
            {
                "id": outcome.scenario.id,
                "regime": outcome.scenario.regime,
                "passed": outcome.is_passed,
                "differences": list(outcome.differences),
                "reasons": list(outcome.reasons),
            }
            for outcome in outcomes
        ],
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
