"""Bearer tokens: JSON Web Tokens signed by an issuer that the configuration names.

The algorithms, the issuer and the audience are those of the configuration, never those of the
token. A token that was verified is remembered, under a hash of the whole of it, until it ends or
the issuer's keys change; a call with it then costs a look-up. Whatever is wrong with a token looks
the same to its bearer.

Source: RFC 7519 (JWT), RFC 8725 (best current practices).
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from consentry.server.callers import (
    Caller,
    Identity,
    NotAuthenticatedError,
    RefusedCause,
    seconds_to_us,
)
from consentry.server.token_keys import FollowedKeys

MAX_REMEMBERED: Final = 10_000
NO_TOKENS: Final = "bearer tokens need the extra `jwt`: pip install 'consentry[jwt]'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """Whose tokens count, for whom they must be made, and how far clocks may differ.

    `identities` are keyed by the token's `sub`.
    """

    name: str
    audiences: tuple[str, ...]
    keys: FollowedKeys
    identities: Mapping[str, Identity]
    algorithms: tuple[str, ...] = ("EdDSA", "ES256", "RS256")
    skew_s: float = 30.0


class TokenVerifier:
    """Tells who a token says calls. Any thread may use it.

    `_lock` guards what is remembered; nothing is verified while it is held.
    """

    def __init__(self, issuers: Sequence[Issuer], now_us: Callable[[], int]) -> None:
        self._issuers: Final = {issuer.name: issuer for issuer in issuers}
        self._now_us: Final = now_us
        self._lock: Final = threading.Lock()
        self._known: OrderedDict[bytes, tuple[Caller, FollowedKeys]] = OrderedDict()
        self._generation = 0
        for issuer in issuers:
            issuer.keys.on_change = self.forget

    def verify(self, token: str) -> Caller:
        """Who the token says calls.

        Raises:
            NotAuthenticatedError: it proves nothing.
        """
        # The whole token: a part of it (its signature, its id) may stand in another one, too.
        key = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        known = self._known.get(key)
        if known is not None:
            caller, keys = known
            if self._now_us() < (caller.until_us or 0) and keys.are_fresh():
                return caller
        generation = self._generation
        caller, keys = self._verify(token)
        self._remember(key, (caller, keys), generation)
        return caller

    def forget(self) -> None:
        """The keys of an issuer changed: every token is verified anew."""
        with self._lock:
            self._generation += 1
            self._known.clear()

    def _remember(self, key: bytes, verified: tuple[Caller, FollowedKeys], generation: int) -> None:
        with self._lock:
            # What was verified by keys that are gone meanwhile must not be kept.
            if generation != self._generation:
                return
            self._known[key] = verified
            while len(self._known) > MAX_REMEMBERED:
                self._known.popitem(last=False)

    def _verify(self, token: str) -> tuple[Caller, FollowedKeys]:
        import jwt  # noqa: PLC0415 (an extra)

        try:
            header = jwt.get_unverified_header(token)
            issuer = self._issuer_of(jwt.decode(token, options={"verify_signature": False}))
            claims = self._claims(jwt, token, header, issuer)
            until_us = seconds_to_us(claims["exp"] + issuer.skew_s)
            identity = issuer.identities.get(claims["sub"])
        except NotAuthenticatedError:
            raise
        except Exception:  # noqa: BLE001  # whatever cannot be read or verified proves nothing
            raise NotAuthenticatedError(RefusedCause.BAD_TOKEN) from None
        if self._now_us() >= until_us:
            raise NotAuthenticatedError(RefusedCause.BAD_TOKEN)
        if identity is None:
            raise NotAuthenticatedError(RefusedCause.UNKNOWN_CALLER)
        return Caller(identity, until_us), issuer.keys

    def _issuer_of(self, claims: Mapping[str, Any]) -> Issuer:
        # Unverified: it only says by whose keys the token is to be verified.
        name = claims.get("iss")
        issuer = self._issuers.get(name) if isinstance(name, str) else None
        if issuer is None:
            raise NotAuthenticatedError(RefusedCause.BAD_TOKEN)
        return issuer

    def _claims(
        self, jwt: Any, token: str, header: Mapping[str, Any], issuer: Issuer
    ) -> dict[str, Any]:
        key = issuer.keys.current().find(header.get("kid"))
        if key is None:
            issuer.keys.want_newer()
            raise NotAuthenticatedError(RefusedCause.BAD_TOKEN)
        # `crit` names what must be understood; nothing of the kind is.
        if "crit" in header or header.get("alg") not in issuer.algorithms:
            raise NotAuthenticatedError(RefusedCause.BAD_TOKEN)
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=list(issuer.algorithms),
            audience=list(issuer.audiences),
            issuer=issuer.name,
            leeway=issuer.skew_s,
            options={"require": ["exp", "iss", "aud", "sub"]},
        )
        return claims
