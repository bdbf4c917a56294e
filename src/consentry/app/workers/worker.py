"""One worker: a sidecar whose ledger is written, and whose metrics are told, by its parent.

Started by `process.Worker` with the descriptors of its links in its arguments. It leaves when its
parent says so, and at once when its parent is gone: nobody would move the counter any more.
"""

from __future__ import annotations

import os
import queue
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from multiprocessing.connection import Connection
from typing import Any

from consentry.app.ledgers import OpenLedger
from consentry.app.settings import Settings
from consentry.app.state_folder import LEDGER_FILE, LEDGER_FOLDER
from consentry.app.system import ProcessIds, SystemClock
from consentry.app.wiring import Application, WorkerPart
from consentry.app.workers.link import Caller, serve
from consentry.app.workers.orders import Order, Status
from consentry.consent.erasure import Erased
from consentry.consent.ledger import Recorded
from consentry.consent.shared_counter import SharedCounter
from consentry.consent.sqlite_follower import SqliteFollower
from consentry.consent.verifier import Progress
from consentry.model.consent import ConsentEvent
from consentry.pdp.errors import NotReadyError
from consentry.publish.publisher import Format
from consentry.server.ledger_service import LedgerMethods
from consentry.server.statements import Served
from consentry.telemetry.logs import configure_logging
from consentry.telemetry.metrics import Metrics


class _ParentWrites:
    """The ledger's writer, in the parent; and its verifier."""

    def __init__(self, writes: Caller, control: Caller) -> None:
        self._writes = writes
        self._control = control

    def record(self, events: Sequence[ConsentEvent]) -> tuple[Recorded, ...]:
        recorded: tuple[Recorded, ...] = self._writes.call("record", tuple(events))
        return recorded

    def erase(self, data_subject_id: str, *, with_rights: bool = False) -> Erased:
        erased: Erased = self._writes.call("erase", (data_subject_id, with_rights))
        return erased

    @property
    def progress(self) -> Progress:
        progress: Progress = self._control.call("progress")
        return progress

    def again(self) -> None:
        self._control.call("verify_again")


class WorkerProcess:
    """The process, from its first question to its parent to its end."""

    def __init__(self, descriptors: Sequence[int]) -> None:
        writes, control, commands, reloads, wakes, counter = descriptors
        self._writes = Caller(Connection(writes))
        self._control = Caller(Connection(control))
        self._commands = Connection(commands)
        self._reloads = Connection(reloads)
        self._wakes = socket.socket(fileno=wakes)
        self._counter = SharedCounter(counter)
        self._orders: queue.SimpleQueue[str] = queue.SimpleQueue()

    def run(self) -> None:
        """Serves until it is told to leave."""
        order: Order = self._control.call("hello")
        settings = Settings(**order.settings)
        configure_logging(settings.log.level, sys.stdout)
        part = WorkerPart(
            number=order.number,
            handles=order.handles,
            listen=order.listen,
            reload=lambda: self._control.call("reload"),
            open_ledger=self._open_ledger if order.has_writer else None,
        )
        application = Application(settings, part)
        try:
            self._control.call("loaded", application.load_first())
            self._follow_parent(application)
            application.start()
            self._control.call("ready")
            if self._orders.get() == "drain":
                threading.Thread(target=self._hurry, args=(application,), daemon=True).start()
                application.drain()
        finally:
            application.close()
        self._control.call("bye", list(application.metrics.registry.collect()))

    def _hurry(self, application: Application) -> None:
        if self._orders.get() == "stop":
            application.stop()

    def _follow_parent(self, application: Application) -> None:
        ledger = application.ledger

        def command(name: str, argument: Any) -> Any:
            match name:
                case "metrics":
                    return list(application.metrics.registry.collect())
                case "statement":
                    return _statement_of(application, *argument)
                case "status":
                    return _status_of(application)
                case _:
                    self._orders.put(name)
                    return None

        def wake() -> None:
            while self._wakes.recv(4_096):
                # Reads what it has not seen: those who watch are told without being asked for.
                ledger.position()

        loops = (
            lambda: serve(self._commands, command),
            lambda: serve(self._reloads, lambda *_: application.reload()),
            wake,
        )
        for loop in loops:
            threading.Thread(target=_until_orphaned, args=(loop,), daemon=True).start()

    def _open_ledger(
        self,
        settings: Settings,
        opening: ExitStack,
        *,
        clock: SystemClock,
        ids: ProcessIds,  # noqa: ARG002  # the parent names what it writes
        metrics: Metrics,  # noqa: ARG002  # the parent tells of the file
    ) -> OpenLedger:
        parent = _ParentWrites(self._writes, self._control)
        ledger = SqliteFollower(
            settings.state.path / LEDGER_FOLDER / LEDGER_FILE,
            clock=clock,
            counter=self._counter,
            writer=parent,
        )
        opening.callback(ledger.close)
        clock.start_from(ledger.newest_us())
        methods = LedgerMethods(ledger=ledger, eraser=ledger, verifier=parent)
        return OpenLedger(
            ledger=ledger,
            start=lambda: None,
            keeping=(methods,),
            find_ledger_id=lambda: ledger.ledger_id,
        )


def _until_orphaned(loop: Any) -> None:
    """Runs what ends only when the parent is gone; then nothing here may answer any more."""
    try:
        loop()
    finally:
        os._exit(1)


def _status_of(application: Application) -> Status:
    sidecar = application.sidecar
    return Status(
        unreadiness=sidecar.find_unreadiness(),
        has_policies=application.store.current is not None,
        has_ledger=sidecar.is_ledger_usable(),
        can_record=sidecar.can_record(),
    )


def _statement_of(application: Application, kind: Format, language: str) -> Served | None:
    try:
        return application.statements.get(kind, language)
    except NotReadyError:
        return None


def main(arguments: Sequence[str]) -> None:
    """What `process.Worker` starts; `arguments` are the descriptors of the links."""
    # Signals go to whole groups of processes: what they mean for a worker, its parent says.
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    WorkerProcess([int(text) for text in arguments]).run()


if __name__ == "__main__":
    main(sys.argv[1:])
