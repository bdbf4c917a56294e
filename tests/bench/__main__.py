"""Measures, prints tables, and writes JSON on demand.

    ./dev bench                    all parts
    ./dev bench --only unary       one part: unary, batch, engine, peers, …
    ./dev bench --quick            fewer rounds
    ./dev bench --json FILE        figures with both sides of each ratio

Nothing here passes or fails by time: goals stand beside the figures, and a reader judges. Peers are
fetched from their package registries into `.bench/` the first time; who cannot be had is named.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from tests.bench.parts import PARTS


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="./dev bench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--only", metavar="PARTS", help=f"comma separated: {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, coarser figures")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    options = parser.parse_args()
    wanted = options.only.split(",") if options.only else list(PARTS)
    if unknown := [name for name in wanted if name not in PARTS]:
        parser.error(f"no part is called {', '.join(unknown)}; there are {', '.join(PARTS)}")
    figures = {}
    for name in wanted:
        figures[name] = PARTS[name](is_quick=options.quick)
        if options.json:  # as far as it has come, for a long run may be interrupted
            options.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
