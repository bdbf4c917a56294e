"""The log's view of a store that fails: a line when it begins and one when it works again.

A line for each failing call would bury everything else, and hold up calls where the log is slow.
"""

from __future__ import annotations

import logging

from consentry.consent.errors import LedgerError

log = logging.getLogger(__name__)


class Trouble:
    """Tells the log when something begins to fail and when it works again.

    Without a lock: under threads a line may be told twice, and no more than that.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._is_on = False

    def begin(self, problem: LedgerError) -> None:
        """It failed; the texts of these errors are our own and name nobody."""
        if not self._is_on:
            self._is_on = True
            facts = {"error": type(problem).__name__, "why": str(problem)}
            log.error("%s_failed", self._what, extra=facts)

    def end(self) -> None:
        """It worked."""
        if self._is_on:
            self._is_on = False
            log.info("%s_recovered", self._what)
