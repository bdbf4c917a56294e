"""Space that is kept back for withdrawals: a file beside the ledger that can be given up.

A disk that is full refuses a withdrawal like anything else. So some of it is taken beforehand, and
given back when only events that narrow what may be done can be helped by it. From then on nothing
else is recorded until the space can be taken again.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

from consentry.consent.errors import LedgerFullError
from consentry.consent.group import Ticket
from consentry.model.ports import Clock

log = logging.getLogger(__name__)

SUFFIX: Final = ".reserve"
RESERVE_BYTES: Final = 16 * 1024 * 1024
_RETRY_S: Final = 1.0
_Written = TypeVar("_Written")


class Reserve:
    """The reserve of one ledger; used under its writer lock. 0 bytes: none is kept."""

    def __init__(self, ledger: Path, size_bytes: int, clock: Clock) -> None:
        self._path = ledger.with_name(ledger.name + SUFFIX)
        self._size_bytes = size_bytes
        self._clock = clock
        self._tried_at_s = clock.monotonic_s()
        self.is_short = not self._take()
        if self.is_short:
            log.error("ledger_space_short", extra={"reserve_bytes": size_bytes})

    def write(
        self,
        tickets: Sequence[Ticket],
        append: Callable[[Sequence[Ticket]], None],
        make_usable: Callable[[], None],
    ) -> None:
        """Has all appended; where space is short only those that narrow, with the help of this.

        Raises:
            LedgerFullError: none of them narrows, or the help was not enough.
        """
        self.retake()
        narrowing = [ticket for ticket in tickets if ticket.is_narrowing]
        if len(narrowing) == len(tickets):
            self.helping(lambda: append(tickets), make_usable)
            return
        try:
            self._refuse_if_short()
            append(tickets)
        except LedgerFullError as problem:
            if not narrowing:
                raise
            for ticket in tickets:
                if ticket not in narrowing:
                    ticket.problem = problem
            make_usable()
            self.helping(lambda: append(narrowing), make_usable)

    def _refuse_if_short(self) -> None:
        if self.is_short:
            raise LedgerFullError("space is short: only what narrows is recorded")

    def helping(self, write: Callable[[], _Written], make_usable: Callable[[], None]) -> _Written:
        """What `write` gives; on a full disk it is tried once more with the space given up.

        Raises:
            LedgerFullError: there was none to give, or it was not enough.
        """
        try:
            return write()
        except LedgerFullError:
            if not self.release():
                raise
        make_usable()
        return write()

    def release(self) -> bool:
        """Gives the space up; whether there was any. Short from now on, until `retake`."""
        try:
            is_held = self._size_bytes > 0 and self._path.stat().st_size > 0
            if is_held:
                os.truncate(self._path, 0)
        except OSError:
            is_held = False
        if not self.is_short:
            log.error("ledger_space_short", extra={"reserve_bytes": self._size_bytes})
        self.is_short = True
        self._tried_at_s = self._clock.monotonic_s()
        return is_held

    def retake(self) -> None:
        """Tries to take the space again where it is short, at most once a second."""
        if not self.is_short:
            return
        now_s = self._clock.monotonic_s()
        if now_s - self._tried_at_s < _RETRY_S:
            return
        self._tried_at_s = now_s
        if self._take():
            self.is_short = False
            log.info("ledger_space_regained", extra={"reserve_bytes": self._size_bytes})

    def _take(self) -> bool:
        """Whether the space is held now."""
        if self._size_bytes <= 0:
            return True
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return False
        try:
            held = os.fstat(descriptor)
            # Blocks and not only the size: a file with a hole in it holds nothing.
            if held.st_size != self._size_bytes or held.st_blocks * 512 < self._size_bytes:
                os.posix_fallocate(descriptor, 0, self._size_bytes)
                os.truncate(descriptor, self._size_bytes)
        except OSError:
            # Half of it would only keep from others what is no help to us.
            os.truncate(descriptor, 0)
            return False
        else:
            return True
        finally:
            os.close(descriptor)
