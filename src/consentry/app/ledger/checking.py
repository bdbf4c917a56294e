"""`consentry ledger verify` and `head`: does it hold, and where does it end."""

from __future__ import annotations

import argparse
import time
from typing import Final

from consentry.app.exit_codes import ExitCode
from consentry.app.ledger.place import CommandError, add_place, find_place
from consentry.app.ledger.remote import add_target, verify_remote
from consentry.app.output import ProgressBar, counted, err, out
from consentry.consent.anchor import find_anchor
from consentry.consent.errors import LedgerCorruptError
from consentry.consent.sqlite_file import check_expected, head_of_file, verify_file

VERIFY_HELP: Final = "walk the whole hash chain; say where the first fault is"
HEAD_HELP: Final = "print identity, position and digest, to keep them elsewhere"


def add_verify(parser: argparse.ArgumentParser) -> None:
    """The flags of `verify`."""
    add_place(parser)
    add_target(parser)
    parser.add_argument(
        "--expect", metavar="POSITION:DIGEST", help="a head that was kept elsewhere must be in it"
    )
    parser.add_argument("--no-anchor", action="store_true", help="do not look at the anchor file")
    parser.add_argument("--json", action="store_true", help="report as JSON")


def add_head(parser: argparse.ArgumentParser) -> None:
    """The flags of `head`."""
    add_place(parser)
    parser.add_argument("--json", action="store_true", help="report as JSON")


def verify(options: argparse.Namespace) -> ExitCode:
    """0 where all of it holds, 1 where something does not."""
    if options.target:
        return verify_remote(options)
    place = find_place(options)
    expected = parse_head(options.expect) if options.expect else None
    anchor = None if options.no_anchor else find_anchor(place.anchor)
    bar = ProgressBar("verifying")
    begun_s = time.monotonic()
    try:
        checked = verify_file(place.ledger, anchor, bar)
        if expected is not None:
            check_expected(checked, place.ledger, *expected)
    except LedgerCorruptError as problem:
        bar.close()
        if options.json:
            out().json(
                {"holds": False, "position": problem.position, "fault": problem.code,
                 "message": str(problem)}
            )  # fmt: skip
        else:
            err().line(f"consentry ledger verify: {problem}")
        return ExitCode.FINDINGS
    finally:
        bar.close()
    took_s = time.monotonic() - begun_s
    head = checked.head
    if options.json:
        out().json(
            {"holds": True, "ledger_id": checked.ledger_id, "position": head.position,
             "digest": head.digest.hex(), "erased": checked.erased_count,
             "anchored_at": anchor.position if anchor else None, "took_s": round(took_s, 3)}
        )  # fmt: skip
        return ExitCode.OK
    out().line(
        f"it holds: {counted(head.position, 'row')} up to {head.position}:{head.digest.hex()}"
    )
    if checked.erased_count:
        out().line(f"of which the personal part of {checked.erased_count:,} was erased")
    told = f"the anchor at position {anchor.position} is in it" if anchor else "no anchor was asked"
    out().line(f"{told}; {took_s:.1f} s")
    return ExitCode.OK


def head(options: argparse.Namespace) -> ExitCode:
    """Prints where the ledger ends."""
    found = head_of_file(find_place(options).ledger)
    if options.json:
        out().json(
            {"ledger_id": found.ledger_id, "position": found.position, "digest": found.digest.hex()}
        )
    else:
        out().line(f"{found.position}:{found.digest.hex()}")
    return ExitCode.OK


def parse_head(text: str) -> tuple[int, bytes]:
    """A head as `consentry ledger head` printed it.

    Raises:
        CommandError: it is none.
    """
    position, _, digest = text.partition(":")
    try:
        return int(position), bytes.fromhex(digest)
    except ValueError as problem:
        raise CommandError(
            f"--expect takes what `consentry ledger head` prints, not {text!r}", ExitCode.USAGE
        ) from problem
