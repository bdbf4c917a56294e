"""The one that writes: the parent's ledger, as workers ask for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from typing import Any, Final

from consentry.app.ledgers import watch_verifier
from consentry.app.settings import Settings
from consentry.app.state_folder import LEDGER_FILE, LEDGER_FOLDER
from consentry.app.system import ProcessIds, SystemClock
from consentry.consent.chain import Row
from consentry.consent.errors import (
    LedgerBusyError,
    LedgerCorruptError,
    LedgerUnavailableError,
)
from consentry.consent.shared_counter import SharedCounter
from consentry.consent.sqlite import SqliteLedger
from consentry.consent.verifier import Verifier
from consentry.telemetry.metrics import Metrics

_ORPHANS_S: Final = 5.0


class Writer:
    """Records for all workers; any thread may use it.

    With a ledger that is not in the state folder there is nothing to write here: each worker opens
    that ledger itself, as every other sidecar does.

    Raises:
        LedgerError: the ledger cannot be opened.
    """

    def __init__(
        self,
        settings: Settings,
        counter: SharedCounter,
        wake: Callable[[], None],
        opening: ExitStack,
    ) -> None:
        self._counter: Final = counter
        self._wake: Final = wake
        self._ledger: SqliteLedger | None = None
        self._verifier: Verifier | None = None
        if settings.ledger.kind != "sqlite":
            return
        clock = SystemClock()
        ledger = self._ledger = _open(settings, clock)
        opening.callback(ledger.close)
        clock.start_from(ledger.newest_us())
        counter.move(ledger.position())
        ledger.on_change(self._moved)
        self._verifier = Verifier(_Chain(ledger, counter), clock)
        opening.callback(self._verifier.close)

    @property
    def is_there(self) -> bool:
        """Whether workers have their events written here."""
        return self._ledger is not None

    @property
    def lock_descriptors(self) -> tuple[int, ...]:
        """What workers inherit, so that nobody else opens the ledger while one of them lives."""
        return () if self._ledger is None else (self._ledger.file_lock.descriptor,)

    def watch(self, metrics: Metrics) -> None:
        """Show how the file stands."""
        ledger, verifier = self._ledger, self._verifier
        if ledger is not None and verifier is not None:
            watch_verifier(metrics, verifier)
            metrics.watch_gauge("ledger_space_short", lambda: ledger.is_space_short)

    def start(self) -> None:
        """Begin to verify."""
        if self._verifier is not None:
            self._verifier.start()

    def answer(self, name: str, argument: Any) -> Any:
        """What a worker asked for.

        Raises:
            LedgerError: as the ledger does.
        """
        ledger, verifier = self._ledger, self._verifier
        if ledger is None or verifier is None:
            raise LedgerUnavailableError("nothing is written here")
        match name:
            case "record":
                return ledger.record(argument)
            case "erase":
                data_subject_id, with_rights = argument
                return ledger.erase(data_subject_id, with_rights=with_rights)
            case "progress":
                return verifier.progress
            case "verify_again":
                return verifier.again()
            case _:
                raise LedgerUnavailableError("workers and parent are of two versions")

    def _moved(self, _data_subject_ids: Collection[str] | None, position: int) -> None:
        # INVARIANT: after the commit, before the acknowledgement; see `SharedCounter`.
        self._counter.move(position)
        self._wake()


class _Chain:
    """What the verifier walks; a fault in it reaches every worker."""

    def __init__(self, ledger: SqliteLedger, counter: SharedCounter) -> None:
        self._ledger: Final = ledger
        self._counter: Final = counter

    @property
    def ledger_id(self) -> str:
        return self._ledger.ledger_id

    def read_rows(self, after_position: int, limit: int) -> Sequence[Row]:
        return self._ledger.read_rows(after_position, limit)

    def check_store(self) -> None:
        self._ledger.check_store()

    def mark_damaged(self, problem: LedgerCorruptError) -> None:
        self._counter.mark_damaged()
        self._ledger.mark_damaged(problem)


def _open(settings: Settings, clock: SystemClock) -> SqliteLedger:
    """The ledger, as soon as the workers of a parent that was killed have left it."""
    end_s = time.monotonic() + _ORPHANS_S
    while True:
        try:
            return SqliteLedger(
                settings.state.path / LEDGER_FOLDER / LEDGER_FILE,
                clock=clock,
                ids=ProcessIds(),
                anchor=settings.state.anchor_path,
                reserve_bytes=settings.state.reserve_bytes,
            )
        except LedgerBusyError:
            if time.monotonic() > end_s:
                raise
            time.sleep(0.05)
