"""The doors of one sidecar, put together: opened by `start`, closed by `drain` or `stop`."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from starlette.routing import Route

from consentry.model.ports import Clock
from consentry.server.addresses import open_tcp_socket, parse_host_port
from consentry.server.at_least import WaitFor
from consentry.server.authorization_service import AuthorizationMethods
from consentry.server.callers import OPEN, Callers
from consentry.server.calls import RawBehaviour
from consentry.server.certificates import ServerCertificates
from consentry.server.consent_service import ConsentMethods
from consentry.server.gate import Gate
from consentry.server.grpc_server import GrpcServer
from consentry.server.handles import Handles, new_handles
from consentry.server.health import Health, reflection_entries
from consentry.server.http import HttpDoor, build_app
from consentry.server.http_calls import HttpCalls, HttpService
from consentry.server.main_doors import MainDoors
from consentry.server.methods import Methods, Pools
from consentry.server.options import BoundAddresses, ServerOptions
from consentry.server.page_tokens import PageTokens
from consentry.server.policy_service import PolicyMethods
from consentry.server.ports import ConsentLedger, Decider, Policies
from consentry.server.streams import BIDI_STREAM, SERVER_STREAM, OpenStreams, StreamService
from consentry.server.tracing import CallTracer
from consentry.server.watch import WatchHub
from consentry.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

NO_POLICIES: Final = "no_policies"
POLICIES_STALE: Final = "policies_stale"
DRAINING: Final = "draining"
LEDGER_UNAVAILABLE: Final = "ledger_unavailable"
AUDIT_UNAVAILABLE: Final = "audit_unavailable"

# A call may take this much longer than its grace to notice that it was cancelled.
_CANCEL_MARGIN_S: Final = 5.0


class LedgerProbe(Protocol):
    """Looks whether the ledger can be used now; asked often, from any thread."""

    def __call__(self) -> bool:
        """Whether it can; raising means that it cannot."""
        ...


class Service(Protocol):
    """Some methods of the sidecar."""

    def behaviours(self) -> dict[str, RawBehaviour]:
        """By full method name."""
        ...


def _all_behaviours(services: Sequence[Service]) -> dict[str, RawBehaviour]:
    return {name: made for service in services for name, made in service.behaviours().items()}


class Sidecar:
    """All doors over one decision point, one ledger and one policy store.

    Started by one thread; all else may be called by any.
    """

    def __init__(
        self,
        *,
        decider: Decider,
        ledger: ConsentLedger,
        policies: Policies,
        metrics: Metrics,
        clock: Clock,
        options: ServerOptions,
        handles: Handles | None = None,
        is_ledger_usable: LedgerProbe | None = None,
        asking: Sequence[Service] = (),
        further: Sequence[Service] = (),
        pages: Sequence[Route] = (),
        http_services: Sequence[HttpService] = (),
        following: Sequence[StreamService] = (),
        wait_for: WaitFor | None = None,
        can_record: Callable[[], bool] = lambda: True,
        tracer: CallTracer | None = None,
        callers: Callers = OPEN,
        certificates: ServerCertificates | None = None,
    ) -> None:
        """`handles` are those of the answers: without any, nobody is told of a match. `asking` are
        services that ask the decider as a check does, `further` some whose methods may wait,
        `following` some whose answers are streams. `pages` are served to people, `http_services`
        to callers over HTTP; `wait_for` waits for a ledger position, `can_record` says whether
        answers can be recorded, `tracer` makes spans of calls, `callers` may call, `certificates`
        are shown where it is secure.
        """
        self._options, self._pages, self._http_services = options, pages, http_services
        self._policies, self._ledger = policies, ledger
        self.can_record: Final = can_record
        self._probe: Final = is_ledger_usable or self._can_read_ledger
        self._is_draining, self._is_stopped = threading.Event(), threading.Event()
        # Held while the doors are closed; guards `_is_closed`.
        self._stop_lock, self._is_closed = threading.Lock(), False
        self.pools: Final = Pools(options, metrics)
        self.health, self.streams = Health(), OpenStreams()
        self.watch: Final = WatchHub(
            ledger=ledger, policies=policies, handles=handles or new_handles(),
            clock=clock, metrics=metrics, bound_s=options.watch_bound_s,
        )  # fmt: skip
        gate = Gate(callers, metrics, clock)
        methods = Methods(self.pools, metrics, gate, self.streams, tracer)
        self._calls: Final = HttpCalls(self.pools, methods.gate, metrics)
        self._add_authorization(methods, decider, wait_for, asking)
        consent = ConsentMethods(
            ledger=ledger, policies=policies, clock=clock, metrics=metrics, tokens=PageTokens()
        )
        methods.add(consent.behaviours(), self.pools.wait, wait_for)
        policy = PolicyMethods(policies, after_reload=self.refresh_health)
        methods.add(_all_behaviours((policy, *further)), self.pools.wait)
        for service in (self.watch, *following):
            methods.add_streams(SERVER_STREAM, service.streams())
        methods.open_to_all(self.health.entries() | reflection_entries(self.pools.reflect))
        self._main: Final = MainDoors(options, methods, certificates)
        self._health_server: Final = self._health_only(options)
        self._metrics: Final = metrics
        self._http: HttpDoor | None = None
        self._ticker = threading.Thread(target=self._tick, name="consentry-tick", daemon=True)

    def _add_authorization(
        self,
        methods: Methods,
        decider: Decider,
        wait_for: WaitFor | None,
        asking: Sequence[Service],
    ) -> None:
        authorization = AuthorizationMethods(
            decider,
            self._options.max_batch_items,
            wait_for=wait_for,
            note_refusal=methods.gate.note_refusal,
        )
        methods.add(authorization.behaviours(), self.pools.check, wait_for)
        methods.add(_all_behaviours(asking), self.pools.check)
        methods.add_streams(BIDI_STREAM, authorization.streams())

    def _health_only(self, options: ServerOptions) -> GrpcServer | None:
        # The doors of health and of metrics give no decisions and no personal data away, and who
        # asks there (a kubelet, a Prometheus) comes from elsewhere: they may listen anywhere.
        if options.health_listen is None:
            return None
        return GrpcServer(
            self.health.entries(),
            options,
            insecure_off_loopback=True,
            connection_limit=options.health_connection_limit,
        )

    def start(self) -> BoundAddresses:
        """Takes all addresses, then serves; gives back where.

        Raises:
            AddressInUseError: a living server has one of the addresses.
            AddressError: one of them cannot be used.
        """
        options = self._options
        http = None
        try:
            grpc = self._main.bind()
            health = None
            if self._health_server is not None and options.health_listen is not None:
                health = self._health_server.bind((options.health_listen,))[0]
            if options.http_listen is not None:
                http = self._open_http(options.http_listen)
            self.refresh_health()
            if self._health_server is not None:
                self._health_server.start()
            self._main.start()
            if self._http is not None:
                self._http.start()
        except BaseException:
            self.stop(grace_s=0.0)
            raise
        self._ticker.start()
        return BoundAddresses(grpc=grpc, health=health, http=http)

    def _open_http(self, text: str) -> str:
        services, options = self._http_services, self._options
        # Metrics and public pages may be read from anywhere; what is personal, and who calls here,
        # needs a wire that nobody listens to.
        is_harmless = not (services or options.is_http_personal)
        address = parse_host_port(
            text, insecure_off_loopback=is_harmless or options.insecure_off_loopback
        )
        listener = open_tcp_socket(address)
        calls = self._calls
        app = build_app(
            expose=self._metrics.expose,
            find_unreadiness=self.find_unreadiness,
            version={"version": options.version},
            pages=[
                *self._pages,
                *(route for service in services for route in service.routes()),
                *(calls.route(method) for service in services for method in service.methods()),
            ],
        )
        self._http = HttpDoor(app, listener, self._options)
        return str(type(address)(address.host, listener.getsockname()[1]))

    def find_unreadiness(self) -> str | None:
        """Why traffic should not come here now, as a reason code; None when it should."""
        if self._is_draining.is_set():
            return DRAINING
        if self._policies.current is None:
            return NO_POLICIES
        if not self._policies.is_fresh():
            return POLICIES_STALE
        if not self.can_record():
            return AUDIT_UNAVAILABLE
        if self._options.readiness_follows_ledger and not self.is_ledger_usable():
            return LEDGER_UNAVAILABLE
        return None

    def refresh_health(self) -> None:
        """Tell callers and watchers of the health service how things stand now."""
        if self._is_draining.is_set():
            return
        self.health.update(
            has_policies=self._policies.current is not None,
            has_ledger=self.is_ledger_usable(),
            can_record=self.can_record(),
            is_ready=self.find_unreadiness() is None,
        )

    def cut_slow_readers(self) -> None:
        """End the streams whose callers have read nothing for too long."""
        for _ in range(self.streams.cut_slow_readers(self._options.slow_reader_s)):
            self._metrics.refused.cell("slow_reader").add()

    def drain(self) -> None:
        """Leave without failing a call; back when everything is closed.

        Readiness says no at once, and serving goes on for `drain_delay_s`, so that callers and load
        balancers can go elsewhere. Then no new calls are taken, and those under way have `grace_s`.
        """
        if not self._is_draining.is_set():
            self._is_draining.set()
            self.health.drain()
            log.info("draining", extra={"delay_s": self._options.drain_delay_s})
        # A `stop` from another thread ends the wait.
        self._is_stopped.wait(self._options.drain_delay_s)
        self.stop(grace_s=self._options.grace_s)

    def stop(self, *, grace_s: float = 0.0) -> None:
        """Close the doors now; calls under way have `grace_s`. Any thread may call it."""
        self._is_draining.set()
        self._is_stopped.set()
        # Whoever comes second waits for the first, so that both find everything closed.
        with self._stop_lock:
            if not self._is_closed:
                self._is_closed = True
                self._close(grace_s)

    def _close(self, grace_s: float) -> None:
        self.health.drain()
        is_over = self._main.begin_stop(grace_s)
        self.streams.end(is_over, grace_s)
        is_over.wait(_CANCEL_MARGIN_S)
        if self._health_server is not None:
            self._health_server.begin_stop(0.0).wait(_CANCEL_MARGIN_S)
            self._health_server.close()
        if self._http is not None:
            self._http.stop()
        self._main.close()
        self.pools.shutdown()
        log.info("stopped")

    def _tick(self) -> None:
        while not self._is_stopped.wait(self._options.health_period_s):
            self.refresh_health()
            self.cut_slow_readers()

    def is_ledger_usable(self) -> bool:
        """Whether the state of consent can be had now."""
        try:
            return self._probe()
        except Exception:  # noqa: BLE001  # whatever it is, the ledger cannot be used
            return False

    def _can_read_ledger(self) -> bool:
        # A read of nobody's events reaches the store itself, past whatever is held in memory.
        self._ledger.list_events("", self._ledger.position(), 1)
        return True
