"""How a channel is made, and when a call is tried again."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import grpc
import grpc.aio

MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """Certificates, each PEM as bytes; `key` and `certificate` together make it mutual.

    `roots` None takes those that grpcio brings. `server_name` is the name that the sidecar's
    certificate must have, where it is not the target's.
    """

    roots: bytes | None = None
    key: bytes | None = None
    certificate: bytes | None = None
    server_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Another try after a failure that says that nothing was done; all within one deadline.

    `attempts` counts the first one. Between two tries lies `backoff_s`, doubled each time, less a
    random part, so that many callers do not come back at once. Writes are tried again as well:
    their idempotency keys see to it that nothing is recorded twice.
    """

    attempts: int = 3
    backoff_s: float = 0.01
    codes: frozenset[grpc.StatusCode] = frozenset({grpc.StatusCode.UNAVAILABLE})

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.backoff_s < 0:
            raise ValueError("attempts: at least 1; backoff_s: not below 0")

    def wait_s(self, attempt: int, code: grpc.StatusCode | None) -> float | None:
        """How long to wait after the `attempt`-th try failed with `code`; None: try no more."""
        if attempt >= self.attempts or code not in self.codes:
            return None
        return self.backoff_s * 2.0 ** (attempt - 1) * random.uniform(0.5, 1.0)  # noqa: S311


NO_RETRY: Final = Retry(attempts=1)


Token: TypeAlias = str | Callable[[], str]
"""A bearer token, or what gives the one of now: asked at each call, so it must be quick."""


def open_channel(target: str, tls: Tls | None, token: Token | None = None) -> grpc.Channel:
    """A channel to `host:port` or `unix:/path`.

    Raises:
        ValueError: a token would be sent in the clear.
    """
    made = _credentials(target, tls, token)
    if made is None:
        return grpc.insecure_channel(target, options=_options(tls))
    return grpc.secure_channel(target, made, options=_options(tls))


def open_aio_channel(target: str, tls: Tls | None, token: Token | None = None) -> grpc.aio.Channel:
    """As `open_channel`, for the running event loop."""
    made = _credentials(target, tls, token)
    if made is None:
        return grpc.aio.insecure_channel(target, options=_options(tls))
    return grpc.aio.secure_channel(target, made, options=_options(tls))


def _credentials(
    target: str, tls: Tls | None, token: Token | None
) -> grpc.ChannelCredentials | None:
    made = None
    if tls is not None:
        made = grpc.ssl_channel_credentials(
            root_certificates=tls.roots, private_key=tls.key, certificate_chain=tls.certificate
        )
    if token is None:
        return made
    if made is None:
        if not target.startswith("unix:"):
            raise ValueError("a token is sent over TLS or a Unix socket only: give tls")
        made = grpc.local_channel_credentials(grpc.LocalConnectionType.UDS)
    return grpc.composite_channel_credentials(made, bearer_credentials(token))


def bearer_credentials(token: Token) -> grpc.CallCredentials:
    """What puts a token into each call of a channel that nobody listens in to."""
    return grpc.metadata_call_credentials(_Bearer(token), name="bearer")


class _Bearer(grpc.AuthMetadataPlugin):
    """Puts the token into each call."""

    def __init__(self, token: Token) -> None:
        self._token: Final = token

    def __call__(
        self, _context: grpc.AuthMetadataContext, callback: grpc.AuthMetadataPluginCallback
    ) -> None:
        try:
            token = self._token if isinstance(self._token, str) else self._token()
        except Exception as problem:  # noqa: BLE001  # the call fails then, and says no more
            callback((), problem)
        else:
            callback((("authorization", f"Bearer {token}"),), None)


def _options(tls: Tls | None) -> list[tuple[str, Any]]:
    options: list[tuple[str, Any]] = [
        ("grpc.max_receive_message_length", MAX_ANSWER_BYTES),
        # Retries are ours: within one deadline, and never for a write that may have been done.
        ("grpc.enable_retries", 0),
        # A sidecar is next door: a proxy of the environment must not get in between.
        ("grpc.enable_http_proxy", 0),
        # Come back quickly after the sidecar was restarted.
        ("grpc.initial_reconnect_backoff_ms", 50),
        ("grpc.min_reconnect_backoff_ms", 50),
        ("grpc.max_reconnect_backoff_ms", 1_000),
        # Two clients of one process are two: they share no connection.
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.service_config", json.dumps({"loadBalancingConfig": [{"pick_first": {}}]})),
    ]
    if tls is not None and tls.server_name:
        options.append(("grpc.ssl_target_name_override", tls.server_name))
    return options
