"""Measures, prints a table, and writes JSON on demand.

    ./dev bench                    all parts
    ./dev bench --only unary       one of unary, batch, engine
    ./dev bench --quick            fewer rounds
    ./dev bench --json FILE        figures with both sides of each ratio

Nothing here passes or fails by time: goals stand beside the figures, and a reader judges.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from tests.bench import engine, unary
from tests.bench.measure import Series

PARTS = ("unary", "batch", "engine")
RULE_COUNTS = (10, 100, 1_000, 10_000)


def say(text: str) -> None:
    """Progress, on the error stream, over the last line."""
    print(f"\r  {text:<40}", end="", file=sys.stderr, flush=True)


def table(title: str, series: Series, base: str, goals: dict[str, str]) -> dict[str, object]:
    """Prints one part and returns its figures."""
    print(f"\n{title}")
    print(f"  {'':<14}{'us':>9}   {'ratio to ' + base:>24}   goal")
    figures: dict[str, object] = {}
    for side in series.rounds:
        low, middle, high = series.ratio(side, base)
        us = series.median(side)
        ratio = f"{middle:.2f} ({low:.2f} to {high:.2f})"
        print(f"  {side:<14}{us:>9.2f}   {ratio:>24}   {goals.get(side, '')}")
        figures[side] = {
            "us": round(us, 3),
            "base": base,
            "base_us": round(series.median(base), 3),
            "ratio": {"min": round(low, 4), "median": round(middle, 4), "max": round(high, 4)},
            "goal": goals.get(side, ""),
            "rounds": len(series.rounds[side]),
        }
    return figures


def run_part(part: str, *, is_quick: bool) -> dict[str, object]:
    """Measures and prints one part."""
    if part == "unary":
        shown: dict[str, object] = {}
        for in_flight in (1, 16):
            series = unary.measure(
                rounds=3 if is_quick else 15,
                calls=500 if is_quick else 2000,
                in_flight=in_flight,
                say=say,
            )
            title = f"Unary Check, {in_flight} in flight: server CPU per call"
            goals = {"hit": "<= 1.15", "miss": "<= 1.50", "echo again": "noise of the pair"}
            shown[f"in_flight_{in_flight}"] = table(title, series, "echo", goals)
        return shown
    if part == "batch":
        series = unary.measure_batch(rounds=3 if is_quick else 10, say=say)
        return table("CheckBatch of 1,000: server CPU per check", series, "hit", {})
    series = engine.measure(
        rule_counts=RULE_COUNTS,
        rounds=3 if is_quick else 15,
        evaluations=500 if is_quick else 5000,
        say=say,
    )
    goals = {f"{count} rules": "0.80 to 1.20" for count in RULE_COUNTS[1:]}
    return table("Engine: time of one evaluation", series, "10 rules", goals)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="./dev bench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--only", choices=PARTS, action="append", help="a part; may repeat")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, coarser figures")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    options = parser.parse_args()
    figures = {part: run_part(part, is_quick=options.quick) for part in options.only or PARTS}
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
