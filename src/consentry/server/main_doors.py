"""The doors for callers: one grpcio server for each identity that has sockets of its own, and one
for all others.

grpcio does not tell a handler over which of its addresses a call came. A server of its own does:
who calls there is known before the first byte, and costs nothing to find out.
"""

from __future__ import annotations

import threading
from typing import Final

from consentry.server.certificates import ServerCertificates
from consentry.server.grpc_server import GrpcServer
from consentry.server.methods import Methods
from consentry.server.options import ServerOptions


class MainDoors:
    """Used by one thread, as a `GrpcServer` is."""

    def __init__(
        self,
        options: ServerOptions,
        methods: Methods,
        certificates: ServerCertificates | None = None,
    ) -> None:
        """`certificates` are what secured addresses show."""
        self._listens: Final = options.listens
        self._servers: Final = {
            identity: GrpcServer(
                methods.entries(identity),
                options,
                insecure_off_loopback=options.insecure_off_loopback,
                certificates=certificates,
                knows_callers=methods.know_callers,
            )
            for identity in dict.fromkeys(listen.identity for listen in self._listens)
        }

    def bind(self) -> tuple[str, ...]:
        """Take all addresses; gives them back with real ports, in their order.

        Raises:
            AddressInUseError: a living server has one of them.
            AddressError, CertificateError: one of them cannot be used.
        """
        return tuple(self._servers[listen.identity].bind((listen,))[0] for listen in self._listens)

    def start(self) -> None:
        """Serve."""
        for server in self._servers.values():
            server.start()

    def begin_stop(self, grace_s: float) -> threading.Event:
        """As `GrpcServer.begin_stop`, for all."""
        events = [server.begin_stop(grace_s) for server in self._servers.values()]
        if len(events) == 1:
            return events[0]
        is_over = threading.Event()

        def wait() -> None:
            for event in events:
                event.wait()
            is_over.set()

        threading.Thread(target=wait, name="consentry-stop", daemon=True).start()
        return is_over

    def close(self) -> None:
        """Give up the addresses and the threads."""
        for server in self._servers.values():
            server.close()
