"""`consentry ledger erase`: forgets a person."""

from __future__ import annotations

import argparse
from typing import Final

from consentry.app.exit_codes import ExitCode
from consentry.app.ledger.place import CommandError, add_place, find_place
from consentry.app.ledger.remote import add_target, sidecar_at
from consentry.app.output import counted, out
from consentry.app.system import ProcessIds, SystemClock
from consentry.consent.errors import RightsStandError
from consentry.consent.sqlite import SqliteLedger

ERASE_HELP: Final = "forget a person; the chain stays whole"
_STAND: Final = (
    "still in force: {}. What this forbade may be done again to data kept elsewhere; say"
    " --with-rights to forget it too"
)


def add_erase(parser: argparse.ArgumentParser) -> None:
    """The flags of `erase`."""
    add_place(parser)
    add_target(parser)
    parser.add_argument("--subject", required=True, metavar="ID", help="the data subject's id")
    parser.add_argument(
        "--with-rights",
        action="store_true",
        help="forget objections, opt-outs, limits and the like too, though they stand",
    )


def erase(options: argparse.Namespace) -> ExitCode:
    """Says how many events are nobody's now."""
    if options.target:
        with sidecar_at(options) as client:
            answer = client.erase_personal_data(options.subject, with_rights=options.with_rights)
            count = answer.erased_count
    else:
        count = _erase_here(options)
    if count:
        out().line(f"erased: {counted(count, 'event')} of this person. In every backup made before")
        out().line("they still stand; erase again after restoring one.")
    else:
        out().line("the ledger knows nothing of this person")
    return ExitCode.OK


def _erase_here(options: argparse.Namespace) -> int:
    place = find_place(options)
    clock = SystemClock()
    if not place.ledger.is_file():
        raise CommandError(f"there is no ledger at {place.ledger}", ExitCode.LEDGER)
    ledger = SqliteLedger(place.ledger, clock=clock, ids=ProcessIds(), anchor=place.anchor)
    try:
        clock.start_from(ledger.newest_us())
        return ledger.erase(options.subject, with_rights=options.with_rights).count
    except RightsStandError as problem:
        raise CommandError(_STAND.format(", ".join(problem.kinds)), ExitCode.FINDINGS) from problem
    finally:
        ledger.close()
