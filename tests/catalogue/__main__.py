"""Runs the rows of the catalogues, and prints what became of each and the invariant it holds.

    python -m tests.catalogue                all rows, without those that take long
    python -m tests.catalogue --slow         with them
    python -m tests.catalogue R4 X9          these rows

Leaves with 1 when a row does not hold.
"""

from __future__ import annotations

import argparse
import sys

import pytest

from tests.catalogue.rows import rows
from tests.catalogue.run import Held, lines


def main() -> int:
    """Runs what is wanted and tells of it."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.catalogue",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("rows", nargs="*", metavar="ROW")
    parser.add_argument("--slow", action="store_true", help="with the rows that take long")
    options = parser.parse_args()
    if unknown := set(options.rows) - {row.name for row in rows()}:
        parser.error(f"no row is called {', '.join(sorted(unknown))}")
    wanted = [row for row in rows() if not options.rows or row.name in options.rows]
    nodes = sorted({node for row in wanted for node in row.shown_by})
    held = Held()
    marker = [] if options.slow else ["-m", "not slow"]
    if nodes:
        pytest.main(
            ["-q", "--no-header", "-p", "no:cacheprovider", *marker, *nodes], plugins=[held]
        )
    for line in lines(held, wanted):
        print(line)
    for name, value in held.figures().items():
        print(f"{name}: {value}")
    return 1 if any(held.verdict(row) == "broken" for row in wanted) else 0


if __name__ == "__main__":
    sys.exit(main())
