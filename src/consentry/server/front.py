"""The doors of a parent that has workers answer: health and HTTP, for all of them together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from starlette.routing import Route

from consentry.server.addresses import open_tcp_socket, parse_host_port
from consentry.server.grpc_server import GrpcServer
from consentry.server.health import Health
from consentry.server.http import Expose, HttpDoor, build_app
from consentry.server.options import ServerOptions

_CLOSE_S: Final = 5.0


class FrontDoors:
    """Opened by `open`, closed by `close`, by one thread; `update` and `drain` from any."""

    def __init__(
        self,
        options: ServerOptions,
        *,
        expose: Expose,
        find_unreadiness: Callable[[], str | None],
        pages: Sequence[Route] = (),
    ) -> None:
        self._options: Final = options
        self._expose: Final = expose
        self._find_unreadiness: Final = find_unreadiness
        self._pages: Final = pages
        self._health: Final = Health()
        self._server: GrpcServer | None = None
        self._http: HttpDoor | None = None

    def open(self) -> tuple[str | None, str | None]:
        """Takes the addresses and serves; those of health and of HTTP, None where there is no door.

        Raises:
            AddressInUseError: a living server has one of the addresses.
            AddressError: one of them cannot be used.
        """
        options = self._options
        health = http = None
        if options.health_listen is not None:
            # Who asks here (a kubelet, a Prometheus) comes from elsewhere; see `Sidecar`.
            self._server = GrpcServer(
                self._health.entries(),
                options,
                insecure_off_loopback=True,
                connection_limit=options.health_connection_limit,
            )
            health = self._server.bind((options.health_listen,))[0]
            self._server.start()
        if options.http_listen is not None:
            address = parse_host_port(options.http_listen, insecure_off_loopback=True)
            listener = open_tcp_socket(address)
            app = build_app(
                expose=self._expose,
                find_unreadiness=self._find_unreadiness,
                version={"version": options.version},
                pages=self._pages,
            )
            self._http = HttpDoor(app, listener, options)
            self._http.start()
            http = str(type(address)(address.host, listener.getsockname()[1]))
        return health, http

    def update(
        self, *, has_policies: bool, has_ledger: bool, can_record: bool, is_ready: bool
    ) -> None:
        """Tell callers of the health service how things stand now."""
        self._health.update(
            has_policies=has_policies,
            has_ledger=has_ledger,
            can_record=can_record,
            is_ready=is_ready,
        )

    def drain(self) -> None:
        """NOT_SERVING, for good."""
        self._health.drain()

    def close(self) -> None:
        """Stop serving and give the addresses up."""
        if self._server is not None:
            self._server.begin_stop(0.0).wait(_CLOSE_S)
            self._server.close()
        if self._http is not None:
            self._http.stop()
