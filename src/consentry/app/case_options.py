"""Options of the verbs that look at all cases: from when on, and how many at most."""

from __future__ import annotations

import argparse
import time
from datetime import date
from typing import Final

from consentry.model.values import MICROS_PER_DAY, midnight_us

DEFAULT_LIMIT: Final = 1_000_000


def add_case_options(parser: argparse.ArgumentParser, what: str) -> None:
    """`--since` and `--limit`; `what` is what has a number of cases."""
    parser.add_argument(
        "--since",
        type=_day,
        metavar="DATE",
        help="look at decisions from this day on (default: today, UTC)",
    )
    parser.add_argument(
        "--limit",
        type=int,
        default=DEFAULT_LIMIT,
        metavar="N",
        help=f"leave {what} with more cases undecided (default: {DEFAULT_LIMIT:,})",
    )


def since_of(options: argparse.Namespace) -> int:
    """The first instant that counts, in microseconds."""
    if options.since is not None:
        return midnight_us(options.since)
    now_us = time.time_ns() // 1000
    return now_us - now_us % MICROS_PER_DAY


def _day(word: str) -> date:
    try:
        return date.fromisoformat(word)
    except ValueError:
        raise argparse.ArgumentTypeError("a date is written like 2026-05-01") from None
