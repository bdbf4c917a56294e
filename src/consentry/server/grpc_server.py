"""A grpcio server with our options, on our addresses."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import grpc

from consentry.server.addresses import (
    UNIX_PREFIX,
    AddressError,
    AddressInUseError,
    SocketPath,
    open_tcp_socket,
    parse_host_port,
)
from consentry.server.certificates import ServerCertificates
from consentry.server.door import Door, Entry
from consentry.server.options import Listen, ServerOptions, Tls
from consentry.server.scheduling import starting_patient_threads


def channel_options(options: ServerOptions, connection_limit: int) -> tuple[tuple[str, int], ...]:
    """Options of the transport, which ignores misspelt ones: tests assert their effect."""
    return (
        # Else a second server on the same port starts, and takes half of the calls.
        ("grpc.so_reuseport", int(options.shares_port)),
        ("grpc.max_receive_message_length", options.max_message_bytes),
        ("grpc.max_send_message_length", -1),
        # From the first on calls are refused at random, above the second all are.
        ("grpc.max_metadata_size", options.max_metadata_bytes // 2),
        ("grpc.absolute_max_metadata_size", options.max_metadata_bytes),
        # For each address: above it a connection is closed as soon as it is accepted.
        ("grpc.max_allowed_incoming_connections", connection_limit),
        ("grpc.server_handshake_timeout_ms", round(options.handshake_s * 1000)),
        # Bounds what one connection can make us do. The caller's library queues what is above it.
        ("grpc.max_concurrent_streams", options.max_concurrent_streams),
        # Else calls that were answered and not yet cleared away count, too, and a caller who keeps
        # to the bound has calls refused (ADR 48).
        ("grpc.http.overload_protection", 0),
        # A caller that pings more often than every 10 s with calls, 60 s without, is sent away.
        ("grpc.http2.min_ping_interval_without_data_ms", 60_000),
        ("grpc.http2.max_ping_strikes", 2),
        ("grpc.keepalive_time_ms", 120_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.keepalive_permit_without_calls", 1),
    )


class GrpcServer:
    """One grpcio server: bound by `bind`, serving from `start` to `stop`.

    Owned by one thread. `default_threads` run what chose no pool of its own: health. Addresses that
    other machines can reach are refused unless they are secured, or `insecure_off_loopback`.
    """

    def __init__(
        self,
        entries: Mapping[str, Entry],
        options: ServerOptions,
        *,
        default_threads: int = 2,
        insecure_off_loopback: bool = False,
        certificates: ServerCertificates | None = None,
        knows_callers: bool = False,
        connection_limit: int | None = None,
    ) -> None:
        self._knows_callers: Final = knows_callers
        self._certificates: Final = certificates
        self._options = options
        self._insecure_off_loopback = insecure_off_loopback
        self._sockets: list[SocketPath] = []
        self._pool: Final = ThreadPoolExecutor(
            max_workers=default_threads, thread_name_prefix="consentry-health"
        )
        self._server: Final = grpc.server(
            self._pool,
            handlers=[Door(entries)],
            options=channel_options(options, connection_limit or options.connection_limit),
            compression=grpc.Compression.NoCompression,
        )

    def bind(self, addresses: Sequence[Listen | str]) -> tuple[str, ...]:
        """Take the addresses; gives them back with real ports.

        Raises:
            AddressInUseError: a living server has one of them.
            AddressError: one of them cannot be used.
        """
        return tuple(
            self._bind(Listen(address=each) if isinstance(each, str) else each)
            for each in addresses
        )

    def _bind(self, listen: Listen) -> str:
        if listen.is_unix:
            mode = self._options.socket_mode if listen.mode is None else listen.mode
            path = SocketPath(listen.address, mode=mode, group=listen.group)
            path.claim()
            self._sockets.append(path)
            path.bind(self._server.add_insecure_port)
            return f"{UNIX_PREFIX}{path.path}"
        is_safe = self._insecure_off_loopback or listen.is_secured(
            knows_callers=self._knows_callers
        )
        address = parse_host_port(listen.address, insecure_off_loopback=is_safe)
        try:
            if listen.tls is Tls.NONE:
                port = self._server.add_insecure_port(str(address))
            elif self._certificates is None:
                raise AddressError(f"{address}: there is no certificate to show")
            else:
                made = self._certificates.credentials(listen.tls)
                port = self._server.add_secure_port(str(address), made)
        except RuntimeError:
            # grpcio does not say why: asking the system for the same port does.
            open_tcp_socket(address).close()
            raise AddressInUseError(f"{address}: the port is in use") from None
        return str(type(address)(address.host, port))

    def start(self) -> None:
        """Serve."""
        # The thread that takes calls in starts those that run them, and they are as it is.
        with starting_patient_threads():
            self._server.start()

    def begin_stop(self, grace_s: float) -> threading.Event:
        """Take no new calls; the event is set when none is owed an answer any more.

        After `grace_s` what is still under way is cancelled.
        """
        return self._server.stop(grace_s)

    def close(self) -> None:
        """Give up the addresses and the threads.

        Only after the server has stopped: it submits to its pools until then.
        """
        self._pool.shutdown(wait=False)
        for path in self._sockets:
            path.remove()
        self._sockets.clear()
