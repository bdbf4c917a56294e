"""Who calls, and what they may do.

An identity comes from where a call came in (a Unix socket that only one caller can open), from a
certificate that our authorities signed (a name in its subject alternative names, never the common
name), or from a signed bearer token. Nothing else that a caller sends makes an identity.

For gRPC the doors ask; for HTTP:

    caller = callers.of_headers(request.headers.get("authorization"))   # NotAuthenticatedError: 401
    caller.require(Right.DECIDE, purpose)                               # NotPermittedError: 403

Where no identity is configured, everybody is `ANYBODY`, who may do everything: whoever can reach a
Unix socket or this machine's loopback is trusted then.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Protocol, TypeAlias

from consentry.model.values import MICROS_PER_SECOND

MAX_TOKEN_BYTES: Final = 8 * 1024
MAX_CERTIFICATES: Final = 4_096
_BEARER: Final = "bearer "


class Right(StrEnum):
    """What a method asks of its caller. Each stands in `rights.METHOD_RIGHTS`."""

    DECIDE = "decide"
    EXPLAIN = "explain"
    PLAN = "plan"
    WATCH = "watch"
    READ_CONSENT = "read_consent"
    WRITE_CONSENT = "write_consent"
    ERASE = "erase"
    VERIFY = "verify"
    FOLLOW = "follow"
    READ_POLICIES = "read_policies"
    ADMINISTER = "administer"


PURPOSE_RIGHTS: Final = frozenset(
    {Right.DECIDE, Right.EXPLAIN, Right.PLAN, Right.READ_CONSENT, Right.WRITE_CONSENT}
)
"""Rights that can be had for some purposes only."""


class RefusedCause(StrEnum):
    """Why a caller was refused: for metrics and logs, never for the caller."""

    NO_CREDENTIAL = "no_credential"
    BAD_TOKEN = "bad_token"  # noqa: S105 (the name of a cause)
    UNKNOWN_CALLER = "unknown_caller"
    ENDED = "ended"
    RIGHT = "right"
    PURPOSE = "purpose"
    PRINCIPAL = "principal"
    BAD_SIGNATURE = "bad_signature"


class NotAuthenticatedError(Exception):
    """It is not known who calls. Every cause looks the same to the caller."""

    def __init__(self, cause: RefusedCause) -> None:
        super().__init__(cause.value)
        self.cause: Final = cause


class NotPermittedError(Exception):
    """It is known who calls, and they may not do this."""

    def __init__(self, cause: RefusedCause, identity: str = "") -> None:
        super().__init__(cause.value)
        self.cause: Final = cause
        self.identity: Final = identity


Purposes: TypeAlias = frozenset[str] | None
"""Purposes that a right is for, those below them included; None: for every purpose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundPrincipal:
    """The only principal that an identity may ask for; what is left out of a request is this."""

    id: str
    kind: str = "service"
    roles: frozenset[str] = frozenset()
    controller: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """One known caller. `principal` None: the principal of a request is the caller's own claim."""

    name: str
    rights: Mapping[Right, Purposes]
    principal: BoundPrincipal | None = None

    def purposes_of(self, right: Right) -> Purposes:
        """The purposes that a right is had for; empty where it is not had."""
        return self.rights.get(right, frozenset())

    def has(self, right: Right) -> bool:
        """Whether it has this right, be it for one purpose only."""
        return right in self.rights

    def may(self, right: Right, purpose: str) -> bool:
        """Whether it has this right for a purpose; an empty purpose needs the right for all."""
        return covers(self.purposes_of(right), purpose)


def covers(purposes: Purposes, purpose: str) -> bool:
    """Whether one of `purposes` is this purpose, or stands above it."""
    if purposes is None or purpose in purposes:
        return True
    return any(purpose.startswith(f"{above}.") for above in purposes)


@dataclass(frozen=True, slots=True)
class Caller:
    """An identity that was proven, until a moment (microseconds since the epoch; None: as long as
    the connection lives).
    """

    identity: Identity
    until_us: int | None = None

    @property
    def name(self) -> str:
        """Name of the identity, as the configuration has it."""
        return self.identity.name

    def require(self, right: Right, purpose: str | None = None) -> None:
        """Comes back where the caller has the right, for `purpose` if one is given.

        Raises:
            NotPermittedError: it has not.
        """
        identity = self.identity
        if right not in identity.rights:
            raise NotPermittedError(RefusedCause.RIGHT, identity.name)
        if purpose is not None and not identity.may(right, purpose):
            raise NotPermittedError(RefusedCause.PURPOSE, identity.name)


ANYBODY: Final = Caller(Identity(name="", rights=dict.fromkeys(Right)))
"""Whoever calls where no identity is configured."""


class VerifiesTokens(Protocol):
    """Tells what a bearer token proves."""

    def verify(self, token: str) -> Caller:
        """Who the token says calls; never waits for anything but the processor.

        Raises:
            NotAuthenticatedError: the token proves nothing.
        """
        ...


class AuthContext(Protocol):
    """What is asked of a gRPC call: what its connection proved, and what it says beside it."""

    def auth_context(self) -> Mapping[str, Any]:
        """Properties of the connection, as grpcio names them; each has a list of values."""
        ...


class KnownCertificates:
    """Callers by the whole of their certificates, so that each is read once.

    `_lock` guards what is remembered; nothing is read while it is held.
    """

    def __init__(self) -> None:
        self._lock: Final = threading.Lock()
        self._known: OrderedDict[bytes, Caller] = OrderedDict()

    def find(self, pem: bytes) -> Caller | None:
        """Who showed this certificate before."""
        return self._known.get(pem)

    def remember(self, pem: bytes, caller: Caller) -> None:
        """Keep it; of too many the oldest go."""
        with self._lock:
            self._known[pem] = caller
            while len(self._known) > MAX_CERTIFICATES:
                self._known.popitem(last=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Callers:
    """All identities, and how they prove themselves. Frozen; any thread may use it.

    `by_certificate` is keyed as `certificate_names` writes names; `find_end_us` tells when a
    certificate in PEM ends.
    """

    identities: Mapping[str, Identity] = field(default_factory=dict)
    by_certificate: Mapping[str, Identity] = field(default_factory=dict)
    tokens: VerifiesTokens | None = None
    now_us: Callable[[], int] = lambda: 0
    find_end_us: Callable[[bytes], int] | None = None
    known: KnownCertificates = field(default_factory=KnownCertificates)

    @property
    def is_open(self) -> bool:
        """Whether no identity is configured, and everybody may do everything."""
        return not self.identities

    def of_socket(self, name: str) -> Caller:
        """The caller on a socket that belongs to the identity of this name.

        Raises:
            KeyError: there is no such identity.
        """
        return Caller(self.identities[name])

    def of_headers(self, authorization: str | None) -> Caller:
        """The caller of an HTTP request, by its header `Authorization`.

        Raises:
            NotAuthenticatedError: it is not known who calls.
        """
        if self.is_open:
            return ANYBODY
        if authorization is None:
            raise NotAuthenticatedError(RefusedCause.NO_CREDENTIAL)
        return self._of_token(authorization)

    def of_call(self, metadata: object, context: AuthContext) -> Caller:
        """The caller of a gRPC call: by its token where it sends one, else by its certificate.

        Raises:
            NotAuthenticatedError: it is not known who calls.
        """
        if self.is_open:
            return ANYBODY
        if self.tokens is not None:
            found = [v for k, v in metadata or () if k == "authorization"]  # type: ignore[attr-defined]
            if found:
                if len(found) > 1:
                    raise NotAuthenticatedError(RefusedCause.BAD_TOKEN)
                return self._of_token(found[0])
        return self._of_certificate(context)

    def check_time(self, caller: Caller) -> None:
        """Comes back while what the caller proved still holds; asked in calls that stay open.

        Raises:
            NotAuthenticatedError: its time is up.
        """
        if caller.until_us is not None and self.now_us() >= caller.until_us:
            raise NotAuthenticatedError(RefusedCause.ENDED)

    def _of_token(self, authorization: str) -> Caller:
        if (
            self.tokens is None
            or authorization[: len(_BEARER)].lower() != _BEARER
            or len(authorization) > MAX_TOKEN_BYTES
        ):
            raise NotAuthenticatedError(RefusedCause.BAD_TOKEN)
        return self.tokens.verify(authorization[len(_BEARER) :])

    def _of_certificate(self, context: AuthContext) -> Caller:
        if not self.by_certificate:
            raise NotAuthenticatedError(RefusedCause.NO_CREDENTIAL)
        properties = context.auth_context()
        pem = bytes(next(iter(properties.get("x509_pem_cert", ())), b""))
        caller = self.known.find(pem) if pem else None
        if caller is None:
            caller = self._read_certificate(properties, pem)
        # The connection was proven when it began, and may outlive what proved it.
        self.check_time(caller)
        return caller

    def _read_certificate(self, properties: Mapping[str, Sequence[bytes]], pem: bytes) -> Caller:
        names = certificate_names(properties)
        if not names:
            raise NotAuthenticatedError(RefusedCause.NO_CREDENTIAL)
        found = {
            identity.name: identity
            for name in names
            if (identity := self.by_certificate.get(name)) is not None
        }
        # A certificate that names two of them proves neither.
        if len(found) != 1:
            raise NotAuthenticatedError(RefusedCause.UNKNOWN_CALLER)
        end_us = self.find_end_us(pem) if pem and self.find_end_us is not None else None
        caller = Caller(next(iter(found.values())), end_us)
        if pem:
            self.known.remember(pem, caller)
        return caller


OPEN: Final = Callers()
"""No identity is configured."""


def certificate_names(properties: Mapping[str, Sequence[bytes]]) -> tuple[str, ...]:
    """Names in a verified certificate's subject alternative names: URIs as they are, and
    `dns:` before each host. The common name is none of them.

    A SPIFFE id counts only if it is well formed and the only URI, as its standard asks: grpc tells
    it in a property of its own.
    """
    names = [_text(name) for name in properties.get("peer_spiffe_id", ())]
    names += [
        text for name in properties.get("peer_uri", ())
        if not (text := _text(name)).lower().startswith("spiffe:")
    ]  # fmt: skip
    names += [f"dns:{_text(name).lower()}" for name in properties.get("peer_dns", ())]
    return tuple(names)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def seconds_to_us(seconds: float) -> int:
    """Seconds since the epoch, as tokens have them, in microseconds."""
    return int(seconds * MICROS_PER_SECOND)
