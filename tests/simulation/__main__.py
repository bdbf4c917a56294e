"""Simulates withdrawals over thousands of sidecars and prints when each last permitted.

    python -m tests.simulation                      10,000 sidecars, 30 withdrawals
    python -m tests.simulation --sidecars 500       fewer
    python -m tests.simulation --bug receipt        with a bug that must show

Exit status is 1 where a sidecar could have permitted beyond the bound.
"""

from __future__ import annotations

import argparse
import json
import sys
import time

from tests.simulation.scenario import NODES, Outcome, SkipsGaps, TrustsReceipt, simulate
from tests.simulation.world import SECOND, Feed

FEEDS = {"none": Feed, "receipt": TrustsReceipt, "gaps": SkipsGaps}
SHARES = (0.5, 0.9, 0.99, 0.999, 1.0)


def say(text: str) -> None:
    """Progress, for a person."""
    if not sys.stderr.isatty():
        return
    print(f"\r  {text:<70}", end="", file=sys.stderr, flush=True)


def show(outcome: Outcome, took_s: float) -> None:
    pairs = len(outcome.last_permits_us)
    print(f"\n{outcome.sidecar_count:,} sidecars on {NODES} nodes, {outcome.withdrawal_count}"
          f" withdrawals: {pairs:,} times a sidecar had to learn of one")  # fmt: skip
    print(f"{outcome.message_count:,} messages, {outcome.lost_count:,} lost; {took_s:.0f} s")
    print("from the acknowledgement to the last moment at which a sidecar could permit:")
    for share in SHARES:
        name = "worst" if share == 1.0 else f"p{share * 100:g}"
        print(f"  {name:<8}{outcome.percentile_ms(share):>10,.1f} ms")
    print(f"beyond the bound of {outcome.bound_us / SECOND:g} s: {outcome.beyond_count}")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.simulation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--sidecars", type=int, default=10_000, metavar="N")
    parser.add_argument("--seconds", type=int, default=30, metavar="S", help="of virtual time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--bound-s", type=float, default=2.0, metavar="S")
    parser.add_argument("--bug", choices=FEEDS, default="none", help="seed a bug")
    parser.add_argument("--json", action="store_true", help="report as JSON")
    options = parser.parse_args()
    began_s = time.monotonic()
    outcome = simulate(
        sidecars=options.sidecars,
        seconds=options.seconds,
        seed=options.seed,
        bound_us=int(options.bound_s * SECOND),
        feed=FEEDS[options.bug],
        say=say,
    )
    if options.json:
        told = {f"p{share * 100:g}_ms": outcome.percentile_ms(share) for share in SHARES}
        print(json.dumps(told | {"beyond": outcome.beyond_count, "seed": options.seed}))
    else:
        show(outcome, time.monotonic() - began_s)
    return 1 if outcome.beyond_count else 0


if __name__ == "__main__":
    sys.exit(main())
