"""How the doors stand: plain, frozen values that `app` fills from the settings."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from consentry.server.addresses import UNIX_PREFIX


class Tls(StrEnum):
    """How a TCP address is secured; `mutual` also asks the caller for a certificate."""

    NONE = "none"
    SERVER = "server"
    MUTUAL = "mutual"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """One address for gRPC: `host:port`, or `unix:/path` with its mode and group.

    `identity` names the one caller that a Unix socket belongs to; "": whoever comes says who it is.
    """

    address: str
    identity: str = ""
    mode: int | None = None
    group: str = ""
    tls: Tls = Tls.NONE

    @property
    def is_unix(self) -> bool:
        """Whether it is a path and no port."""
        return self.address.startswith(UNIX_PREFIX)

    def is_secured(self, *, knows_callers: bool) -> bool:
        """Whether it may stand where other machines reach it.

        TLS alone keeps others from listening in; it does not keep them from calling.
        """
        return self.tls is Tls.MUTUAL or (self.tls is Tls.SERVER and knows_callers)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """Addresses, limits and times of one sidecar.

    `shares_port`: other workers of the same sidecar listen on the same ports.

    An address is `host:port` (port 0: any free one) or `unix:/path`; in `listen` more may be said
    of each. `health_listen` and `http_listen` None mean no such door; `is_http_personal`: the HTTP
    port shows what is personal, and keeps to loopback as gRPC does. Limits count calls in flight,
    one for each class of methods; a stream has a thread of its own for as long as it lives, and
    ends when its caller has read nothing of what it was sent for `slow_reader_s`. Each address
    holds `connection_limit` connections, and closes what has not said within `handshake_s` that it
    speaks HTTP/2: the door of health must find a file descriptor whatever others do (ADR 39).
    `watch_bound_s` is how long a cache at a caller's side may live on without a word from us.
    `drain_delay_s` is how long a draining sidecar serves on while its readiness says no; `grace_s`
    is how long it then waits for calls that it owes an answer.
    """

    listen: tuple[Listen | str, ...] = ("127.0.0.1:7470",)
    health_listen: str | None = "127.0.0.1:7471"
    http_listen: str | None = "127.0.0.1:7472"
    insecure_off_loopback: bool = False
    is_http_personal: bool = False
    shares_port: bool = False
    socket_mode: int = 0o600
    max_message_bytes: int = 1024 * 1024
    max_metadata_bytes: int = 16 * 1024
    connection_limit: int = 4_096
    health_connection_limit: int = 64
    handshake_s: float = 10.0
    max_batch_items: int = 1_000
    max_concurrent_streams: int = 48
    check_threads: int = 4
    wait_threads: int = 6
    check_limit: int = 832
    wait_limit: int = 64
    stream_limit: int = 64
    slow_reader_s: float = 30.0
    watch_bound_s: float = 2.0
    http_connection_limit: int = 64
    http_header_bytes: int = 16 * 1024
    http_idle_s: float = 10.0
    drain_delay_s: float = 3.0
    grace_s: float = 10.0
    health_period_s: float = 1.0
    readiness_follows_ledger: bool = True
    version: str = ""

    def __post_init__(self) -> None:
        if not self.listen:
            raise ValueError("listen: at least one address is needed")
        for name in (
            "max_message_bytes", "max_metadata_bytes", "connection_limit",
            "health_connection_limit", "handshake_s", "max_batch_items", "max_concurrent_streams",
            "check_threads", "wait_threads", "check_limit", "wait_limit", "stream_limit",
            "slow_reader_s", "watch_bound_s", "http_connection_limit", "http_header_bytes",
            "http_idle_s", "health_period_s",
        ):  # fmt: skip
            if getattr(self, name) <= 0:
                raise ValueError(f"{name}: must be above 0; there is no unlimited")
        if any(listen.identity and not listen.is_unix for listen in self.listens):
            raise ValueError("listen: only a Unix socket can belong to one identity")
        if self.drain_delay_s < 0 or self.grace_s < 0:
            raise ValueError("drain_delay_s, grace_s: must not be negative")

    @property
    def listens(self) -> tuple[Listen, ...]:
        """`listen`, each with all that can be said of it."""
        return tuple(
            Listen(address=listen) if isinstance(listen, str) else listen for listen in self.listen
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundAddresses:
    """Where a started sidecar listens, with the real ports, in the form that gRPC clients take."""

    grpc: tuple[str, ...]
    health: str | None
    http: str | None
