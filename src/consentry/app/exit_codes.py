"""What the exit status of `consentry` means; scripts may rely on it."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Every status that `consentry` leaves with."""

    OK = 0
    FINDINGS = 1
    USAGE = 2
    ADDRESS_IN_USE = 3
    LEDGER = 4
    UNDECIDED = 5
    INTERRUPTED = 130


EXIT_CODES_HELP = """\
exit status:
  0    done, and nothing to report (eval, explain: permitted)
  1    findings: errors in policies, failed tests, files not formatted, denied, a broken promise,
       widened access
  2    wrong usage or configuration
  3    an address or socket is taken
  4    the ledger cannot be opened
  5    undecided: more cases than can be looked at (prove, diff), not replayed (audit)
  130  interrupted
"""
