"""The parent of several workers: writes the ledger, adds their metrics up, and never answers.

It has the doors of health and of HTTP, which speak for all. A worker that dies is replaced; its
counts stay. It is used as `wiring.Application` is.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from importlib.metadata import version
from typing import Any, Final

from consentry.app.callers import listens_of, open_certificates
from consentry.app.settings import Settings
from consentry.app.system import SystemClock
from consentry.app.wiring import make_state_folders, server_options
from consentry.app.workers.addresses import SharedAddresses
from consentry.app.workers.link import LinkLostError
from consentry.app.workers.orders import Order, Status
from consentry.app.workers.process import Worker
from consentry.app.workers.writer import Writer
from consentry.consent.shared_counter import new_counter
from consentry.pdp.errors import NotReadyError
from consentry.pdp.policy_store import LoadResult
from consentry.publish.publisher import Format
from consentry.server.addresses import AddressError
from consentry.server.front import FrontDoors
from consentry.server.handles import new_handles
from consentry.server.options import BoundAddresses
from consentry.server.statements import Served
from consentry.server.transparency import transparency_routes
from consentry.telemetry.fleet import FleetMetrics
from consentry.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

NO_WORKERS: Final = "no_workers"
_LOOK_S: Final = 1.0
_FIRST_PAUSE_S: Final = 0.1
_LAST_PAUSE_S: Final = 5.0
_LONG_LIFE_S: Final = 30.0
_MARGIN_S: Final = 15.0


class Supervisor:
    """All workers, and what they share. Used by the main thread, but for `reload` and `stop`.

    `_lock` guards the table of workers; nothing else is done while it is held.
    """

    def __init__(self, settings: Settings) -> None:
        """Opens the ledger and takes the addresses; starts nothing yet.

        Raises:
            OSError: the state folder cannot be made or read.
            LedgerError: the ledger cannot be opened.
            AddressError: an address is taken or cannot be used.
        """
        self.settings: Final = settings
        self._stack: Final = ExitStack()
        self._lock: Final = threading.Lock()
        self._workers: dict[int, Worker] = {}
        self._statuses: dict[int, Status] = {}
        self._pauses_s: dict[int, float] = {}
        self._is_started: Final = threading.Event()
        self._is_leaving: Final = threading.Event()
        self._handles: Final = new_handles()
        self._metrics: Final = Metrics(version=version("consentry"))
        self._fleet: Final = FleetMetrics(self._metrics.registry, self._ask_metrics)
        with ExitStack() as opening:
            make_state_folders(settings.state.path)
            self._counter: Final = new_counter()
            opening.callback(self._counter.close)
            self._writer: Final = Writer(settings, self._counter, self._wake, opening)
            self._writer.watch(self._metrics)
            server = settings.server
            # What the workers would fail at is better said by one.
            open_certificates(settings, SystemClock(), self._metrics)
            self._addresses: Final = SharedAddresses(
                listens_of(settings),
                insecure_off_loopback=server.insecure_off_loopback,
                knows_callers=bool(settings.identities),
            )
            opening.callback(self._addresses.close)
            self._doors: Final = FrontDoors(
                server_options(settings, version("consentry")),
                expose=self._fleet.expose,
                find_unreadiness=self.find_unreadiness,
                pages=transparency_routes(self),
            )
            opening.callback(self._doors.close)
            self._stack.push(opening.pop_all())

    def load_first(self) -> LoadResult:
        """Starts the workers and waits until each has loaded the policies; the worst result.

        Raises:
            OSError: a worker left before that.
        """
        for number in range(self.settings.server.workers):
            self._start_worker(number)
        results = []
        for worker in self._living():
            worker.is_loaded.wait()
            if worker.first_load is None:
                raise OSError(f"worker {worker.number} left before it had loaded the policies")
            results.append(worker.first_load)
        return _worst(results)

    def start(self) -> BoundAddresses:
        """Waits until all workers serve, then opens the doors that speak for them.

        Raises:
            AddressInUseError: a living server has one of the addresses.
            AddressError: one of them cannot be used.
        """
        for worker in self._living():
            worker.is_ready.wait()
            if worker.is_gone.is_set():
                raise AddressError(f"worker {worker.number} left before it served")
        self._is_started.set()
        self._look()
        self._addresses.turn(self._ready_numbers)
        health, http = self._doors.open()
        self._writer.start()
        threading.Thread(target=self._keep_looking, name="consentry-look", daemon=True).start()
        return BoundAddresses(grpc=self._addresses.told, health=health, http=http)

    @property
    def ledger_position(self) -> int:
        """Position of the newest event; 0 where each worker has a ledger of its own."""
        return self._counter.read()

    def reload(self) -> LoadResult:
        """Has every worker read the policies again, all at once; the worst result.

        Raises:
            LinkLostError: there is no worker.
        """
        results: list[LoadResult] = []

        def ask(worker: Worker) -> None:
            try:
                results.append(worker.reload())
            except LinkLostError:  # it is being replaced, and its successor reads what is there
                return

        threads = [threading.Thread(target=ask, args=(worker,)) for worker in self._living()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if not results:
            raise LinkLostError("no worker lives")
        return _worst(results)

    def get(self, kind: Format, language: str) -> Served:
        """The public statement, as one of the workers writes it.

        Raises:
            NotReadyError: none can.
        """
        for worker in self._living():
            if worker.is_ready.is_set():
                try:
                    served: Served | None = worker.ask("statement", (kind, language))
                except LinkLostError:
                    continue
                if served is not None:
                    return served
        raise NotReadyError("no worker has a policy set")

    def find_unreadiness(self) -> str | None:
        """Why traffic should not come here now, as a reason code; None when it should."""
        if self._is_leaving.is_set():
            return "draining"
        with self._lock:
            statuses = [self._statuses[n] for n in self._workers if n in self._statuses]
        if not statuses:
            return NO_WORKERS
        # Callers cannot choose among workers, so one that is not ready speaks for all.
        return next((s.unreadiness for s in statuses if s.unreadiness is not None), None)

    def drain(self) -> None:
        """Leaves without failing a call; back when all workers have left."""
        self._is_leaving.set()
        self._doors.drain()
        self._tell("drain")
        server = self.settings.server
        self._wait_for_workers(server.drain_delay_s + server.grace_s + _MARGIN_S)

    def stop(self) -> None:
        """Has the workers close their doors at once."""
        self._is_leaving.set()
        self._tell("stop")

    def close(self) -> None:
        """Closes what is left: workers at once, then doors, addresses and ledger."""
        self._is_leaving.set()
        self._doors.drain()
        if self._living():
            self._tell("stop")
            self._wait_for_workers(_MARGIN_S)
        self._stack.close()

    def _start_worker(self, number: int) -> None:
        worker = Worker(
            number,
            counter=self._counter.descriptor,
            inherited=self._writer.lock_descriptors,
            handle=self._answer,
            on_exit=self._bury,
        )
        with self._lock:
            self._workers[number] = worker

    def _answer(self, worker: Worker, name: str, argument: Any) -> Any:
        match name:
            case "hello":
                return Order(
                    number=worker.number,
                    settings=self.settings.model_dump(),
                    listen=self._addresses.of_worker(worker.number),
                    handles=self._handles,
                    has_writer=self._writer.is_there,
                )
            case "reload":
                return self.reload()
            case "bye":
                self._fleet.remember(worker.pid, argument)
                return None
            case _:
                return self._writer.answer(name, argument)

    def _bury(self, worker: Worker, code: int) -> None:
        self._fleet.bury(worker.pid)
        number = worker.number
        with self._lock:
            if self._workers.get(number) is worker:
                del self._workers[number]
                self._statuses.pop(number, None)
        if self._is_leaving.is_set() or not self._is_started.is_set():
            return
        if time.monotonic() - worker.started_s > _LONG_LIFE_S:
            self._pauses_s.pop(number, None)
        pause_s = self._pauses_s.get(number, _FIRST_PAUSE_S)
        self._pauses_s[number] = min(_LAST_PAUSE_S, 2 * pause_s)
        log.error("worker_died", extra={"worker": number, "status": code, "again_in_s": pause_s})
        if not self._is_leaving.wait(pause_s):
            self._start_worker(number)

    def _living(self) -> list[Worker]:
        with self._lock:
            return list(self._workers.values())

    def _ready_numbers(self) -> Sequence[int]:
        return [worker.number for worker in self._living() if worker.is_ready.is_set()]

    def _wake(self) -> None:
        for worker in self._living():
            worker.wake()

    def _tell(self, name: str) -> None:
        for worker in self._living():
            if not worker.is_ready.is_set():
                worker.kill()  # it owes nobody an answer
                continue
            try:
                worker.ask(name)
            except LinkLostError:
                continue

    def _wait_for_workers(self, limit_s: float) -> None:
        end_s = time.monotonic() + limit_s
        for worker in self._living():
            if not worker.is_gone.wait(max(0.0, end_s - time.monotonic())):
                log.error("worker_killed", extra={"worker": worker.number})
                worker.kill()
                worker.is_gone.wait(_MARGIN_S)

    def _ask_metrics(self) -> None:
        for worker in self._living():
            if worker.is_ready.is_set():
                try:
                    self._fleet.remember(worker.pid, worker.ask("metrics"))
                except LinkLostError:
                    continue

    def _keep_looking(self) -> None:
        while not self._is_leaving.wait(_LOOK_S):
            self._look()
            # What a worker counted since the last look is lost when it is killed.
            self._ask_metrics()

    def _look(self) -> None:
        for worker in self._living():
            if not worker.is_ready.is_set():
                continue
            try:
                status: Status = worker.ask("status")
            except LinkLostError:
                continue
            with self._lock:
                if self._workers.get(worker.number) is worker:
                    self._statuses[worker.number] = status
        with self._lock:
            statuses = list(self._statuses.values())
        self._doors.update(
            has_policies=bool(statuses) and all(s.has_policies for s in statuses),
            has_ledger=bool(statuses) and all(s.has_ledger for s in statuses),
            can_record=bool(statuses) and all(s.can_record for s in statuses),
            is_ready=self.find_unreadiness() is None,
        )


def _worst(results: Sequence[LoadResult]) -> LoadResult:
    return next((result for result in results if result.is_refused), results[0])
