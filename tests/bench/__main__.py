"""Measures, prints tables, and writes JSON on demand.

    ./dev bench                    all parts, about fifteen minutes
    ./dev bench --only unary       one part or some: unary,batch,…
    ./dev bench --quick            about three minutes: fewer rounds, smaller sizes
    ./dev bench --patient          all rounds, slow starts of peers too, however long it takes
    ./dev bench --json FILE        figures with both sides of each ratio (docs/performance.md)
    ./dev bench --publish          all parts, then figures, pictures and tables of the docs anew
    ./dev bench --draw FILE        the same from figures that --json wrote, without measuring

Nothing here passes or fails by time: goals stand beside the figures, and a reader judges. Peers are
fetched from their package registries into `.bench/` the first time, which is not counted; who
cannot be had is named.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from pathlib import Path

from tests.bench import goals, publish
from tests.bench.about import about
from tests.bench.measure import within
from tests.bench.parts import PARTS
from tests.bench.peers import install
from tests.bench.report import PROGRESS


def main() -> int:
    options = _options()
    if options.draw:
        return publish.publish(json.loads(options.draw.read_text()))
    names = options.only.split(",") if options.only else list(PARTS)
    if "peers" in names:
        install.fetch_all()
    began_s = time.monotonic()
    figures: dict[str, object] = {}
    took: dict[str, int] = {}
    told = {"about": about(is_quick=options.quick) | {"parts_s": took}, "parts": figures}
    for number, name in enumerate(names, start=1):
        part = PARTS[name]
        seconds = part.quick_s if options.quick else part.whole_s
        PROGRESS.begin(f"[{number}/{len(names)}] {name}, about {seconds:.0f} s", seconds)
        part_began_s = time.monotonic()
        with within(math.inf if options.patient else seconds):
            figures[name] = part.measure(is_quick=options.quick)
        took[name] = round(time.monotonic() - part_began_s)
        told["about"] |= _now(began_s)  # type: ignore[operator]  # a dict of objects
        if options.json:  # as far as it has come, for a long run may be interrupted
            options.json.write_text(json.dumps(told, indent=2) + "\n")
    goals.print_summary(figures)
    print(f"\n{len(names)} parts in {time.monotonic() - began_s:.0f} s")
    return publish.publish(told) if options.publish else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./dev bench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--only", metavar="PARTS", help=f"comma separated: {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, coarser figures")
    parser.add_argument("--patient", action="store_true", help="all rounds, however long")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--publish", action="store_true", help="write what the docs show")
    parser.add_argument("--draw", type=Path, metavar="FILE", help="write it from these figures")
    options = parser.parse_args()
    wanted = options.only.split(",") if options.only else []
    if unknown := [name for name in wanted if name not in PARTS]:
        parser.error(f"no part is called {', '.join(unknown)}; there are {', '.join(PARTS)}")
    return options


def _now(began_s: float) -> dict[str, object]:
    return {
        "took_s": round(time.monotonic() - began_s),
        "load_after": round(os.getloadavg()[0], 2),
    }


if __name__ == "__main__":
    sys.exit(main())
