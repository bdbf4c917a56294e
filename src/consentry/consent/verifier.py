"""Verifying a whole ledger while it serves: a little at a time, behind everything else."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from consentry.consent.chain import Row, Verification
from consentry.consent.errors import LedgerCorruptError, LedgerError
from consentry.model.ports import Clock

log = logging.getLogger(__name__)

_PAGE_COUNT: Final = 500
# Between two pages: the walk takes about a quarter of one core, and no check waits for long.
_PAUSE_S: Final = 0.02


class VerifiableLedger(Protocol):
    """What a store offers to whoever verifies it."""

    @property
    def ledger_id(self) -> str:
        """The identity that the chain begins with."""
        ...

    def read_rows(self, after_position: int, limit: int) -> Sequence[Row]:
        """Rows of the chain, in order."""
        ...

    def check_store(self) -> None:
        """Lets the store check itself: indexes, pages.

        Raises:
            LedgerCorruptError: something is damaged.
        """
        ...

    def mark_damaged(self, problem: LedgerCorruptError) -> None:
        """Serves nothing from now on: what is damaged could permit what was withdrawn."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a verification has come; `fault` ends it, as does `is_done`.

    `digest` is the chain's at `position`. Times are microseconds since the epoch, 0: not yet.
    """

    position: int = 0
    digest: bytes = b""
    erased_count: int = 0
    is_done: bool = False
    fault: LedgerCorruptError | None = None
    started_at_us: int = 0
    ended_at_us: int = 0


class Verifier:
    """Walks the whole chain once after `start`, and anew each time it is asked to.

    One thread; `progress` may be read by any. A store that cannot be read ends the walk undone:
    nothing is known to be wrong then.
    """

    def __init__(
        self, ledger: VerifiableLedger, clock: Clock, *, pause_s: float = _PAUSE_S
    ) -> None:
        self._ledger: Final = ledger
        self._clock: Final = clock
        self._pause_s: Final = pause_s
        self._is_wanted = threading.Event()
        self._is_closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="consentry-verify", daemon=True)
        self.progress = Progress()

    def start(self, *, is_wanted: bool = True) -> None:
        """Begins the first walk, or waits to be asked for it."""
        if is_wanted:
            self._is_wanted.set()
        self._thread.start()

    def again(self) -> None:
        """Begins another walk, unless one is under way."""
        if self.progress.ended_at_us or not self.progress.started_at_us:
            self.progress = Progress(started_at_us=self._clock.now_us())
            self._is_wanted.set()

    def close(self) -> None:
        """Ends the walk where it stands."""
        self._is_closing.set()
        self._is_wanted.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while True:
            self._is_wanted.wait()
            self._is_wanted.clear()
            if self._is_closing.is_set():
                return
            self.progress = Progress(started_at_us=self._clock.now_us())
            try:
                is_done = self._walk()
            except LedgerCorruptError as problem:
                log.error(  # noqa: TRY400 (the fault is the ledger's; a trace of ours says nothing)
                    "ledger_damaged", extra={"position": problem.position, "fault": problem.code}
                )
                self._ledger.mark_damaged(problem)
                self._end(fault=problem)
            except LedgerError as problem:
                log.warning("ledger_verify_stopped", extra={"error": type(problem).__name__})
                self._end()
            else:
                if is_done:
                    log.info("ledger_verified", extra={"position": self.progress.position})
                self._end(is_done=is_done)

    def _walk(self) -> bool:
        """Whether it came to the end."""
        walk = Verification(self._ledger.ledger_id)
        self._ledger.check_store()
        while not self._is_closing.is_set():
            rows = self._ledger.read_rows(walk.head.position, _PAGE_COUNT)
            head = walk.feed(rows)
            self.progress = replace(
                self.progress,
                position=head.position,
                digest=head.digest,
                erased_count=walk.erased_count,
            )
            if len(rows) < _PAGE_COUNT:
                walk.finish()
                return True
            self._is_closing.wait(self._pause_s)
        return False

    def _end(self, *, is_done: bool = False, fault: LedgerCorruptError | None = None) -> None:
        self.progress = replace(
            self.progress, is_done=is_done, fault=fault, ended_at_us=self._clock.now_us()
        )
