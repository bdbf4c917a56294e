"""Settings that say where the sidecar listens, who may call, and what they may do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    PositiveFloat,
    StringConstraints,
    field_validator,
    model_validator,
)

from consentry.app.settings_section import Section
from consentry.diagnostics.suggest import closest
from consentry.server.addresses import UNIX_PREFIX
from consentry.server.callers import PURPOSE_RIGHTS, Right
from consentry.server.options import Tls

IDENTITY_NAME: Final = r"^[a-z][a-z0-9_-]{0,63}$"
_NAME = re.compile(r"^(spiffe://[^/\s]+/\S+|dns:[a-z0-9_*.-]+|[a-z][a-z0-9+.-]*:\S+)$")

Algorithm = Literal[
    "EdDSA", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512",
]  # fmt: skip
"""Signatures by a private key; a shared secret is none."""


class ListenSettings(Section):
    """One address for gRPC. A bare string is its address."""

    address: str = Field(description="host:port, or unix:/path.")
    identity: str = Field(
        default="", description="Unix socket: the one identity whose calls come here."
    )
    mode: Annotated[int, Field(ge=0, le=0o777)] | None = Field(
        default=None, description="Unix socket: its file mode; none: socket_mode."
    )
    group: str = Field(default="", description="Unix socket: its group, by name or number.")
    tls: Literal["none", "server", "mutual"] | None = Field(
        default=None,
        description="Port: mutual also asks for the caller's certificate; none: as [tls] allows.",
    )

    @property
    def is_unix(self) -> bool:
        """Whether it is a path and no port."""
        return self.address.startswith(UNIX_PREFIX)

    @model_validator(mode="after")
    def _fit(self) -> Self:
        if self.is_unix and self.tls not in (None, "none"):
            raise ValueError("tls: a Unix socket needs none")
        if not self.is_unix and (self.identity or self.group or self.mode is not None):
            raise ValueError("identity, mode, group: only a Unix socket has them")
        return self


def _as_listen(value: Any) -> Any:
    return {"address": value} if isinstance(value, str) else value


Listening = Annotated[
    ListenSettings, BeforeValidator(_as_listen, json_schema_input_type=str | ListenSettings)
]


class TlsSettings(Section):
    """The certificate that ports for gRPC show, and whose certificates of callers count."""

    certificate: Path | None = Field(
        default=None, description="Our certificate and its chain, in PEM; none: no TLS."
    )
    key: Path | None = Field(
        default=None, description="Its private key, in PEM, not readable by everybody."
    )
    client_authorities: Path | None = Field(
        default=None,
        description="Authorities of callers' certificates, in PEM; with it ports are mutual.",
    )

    @model_validator(mode="after")
    def _fit(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate, key: one is of no use without the other")
        if self.client_authorities is not None and self.certificate is None:
            raise ValueError("client_authorities: they need a certificate and key of ours")
        return self

    @property
    def default(self) -> Tls:
        """How a port is secured of which nothing is said."""
        if self.certificate is None:
            return Tls.NONE
        return Tls.SERVER if self.client_authorities is None else Tls.MUTUAL


class IssuerSettings(Section):
    """Somebody whose signed bearer tokens (JWT) prove who calls."""

    issuer: Annotated[str, StringConstraints(min_length=1)] = Field(
        description="What tokens say as iss."
    )
    audience: Annotated[tuple[str, ...], Field(min_length=1)] = Field(
        description="For whom tokens must be made (aud); one of these."
    )
    keys_path: Path | None = Field(
        default=None, description="JWK Set of the issuer's public keys, in a file."
    )
    keys_url: str | None = Field(
        default=None, description="JWK Set of the issuer's public keys, at an https URL."
    )
    keys_authorities: Path | None = Field(
        default=None, description="Authorities of that server's certificate; none: the system's."
    )
    keys_interval_s: PositiveFloat = Field(
        default=60.0, description="Time between two looks at the keys."
    )
    keys_max_age_s: PositiveFloat = Field(
        default=86_400.0,
        description="Tokens prove nothing when the keys were last confirmed longer ago.",
    )
    algorithms: Annotated[tuple[Algorithm, ...], Field(min_length=1)] = Field(
        default=("EdDSA", "ES256", "RS256"), description="Signatures that count."
    )
    skew_s: Annotated[float, Field(ge=0, le=300)] = Field(
        default=30.0, description="How far the issuer's clock may differ from ours."
    )

    @model_validator(mode="after")
    def _fit(self) -> Self:
        if (self.keys_path is None) == (self.keys_url is None):
            raise ValueError("keys_path, keys_url: exactly one says where the keys are")
        return self


class TokenSettings(Section):
    """A token that proves an identity."""

    issuer: str = Field(default="", description="Its iss; may be left out if there is one issuer.")
    sub: Annotated[str, StringConstraints(min_length=1)] = Field(description="Its sub, exactly.")


class PrincipalSettings(Section):
    """The principal that an identity asks as, and no other."""

    id: str = Field(default="", description="Its id; empty: the identity's name.")
    type: Literal["service", "person", "agent", "job"] = Field(
        default="service", description="Its type."
    )
    roles: tuple[str, ...] = Field(default=(), description="Its roles, all of them.")
    controller: str = Field(default="", description="The controller that it acts for.")


def _as_principal(value: Any) -> Any:
    return {True: {}, False: None}.get(value, value) if isinstance(value, bool) else value


Binding = Annotated[
    PrincipalSettings | None,
    BeforeValidator(_as_principal, json_schema_input_type=bool | PrincipalSettings | None),
]


class IdentitySettings(Section):
    """One known caller: how it proves who it is, and what it may do."""

    certificates: tuple[str, ...] = Field(
        default=(),
        description="Names in its certificate's SAN: a SPIFFE id or other URI, or dns:host.",
    )
    tokens: tuple[TokenSettings, ...] = Field(default=(), description="Tokens that prove it.")
    rights: Annotated[tuple[str, ...], Field(min_length=1)] = Field(
        description="What it may do: a right, or right:purpose for that purpose and those below."
    )
    bind_principal: Binding = Field(
        default=None,
        description="The principal it asks as (true: one of its name); none: whatever it claims.",
    )

    @field_validator("certificates")
    @classmethod
    def _are_names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if not _NAME.match(name):
                raise ValueError(f"{name!r}: write spiffe://domain/path, another URI, or dns:host")
        return names

    @field_validator("rights")
    @classmethod
    def _are_rights(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        for word in words:
            right, colon, purpose = word.partition(":")
            if right not in set(Right):
                near = closest(right, [each.value for each in Right])
                hint = f"; did you mean {near}?" if near else ""
                raise ValueError(f"{word!r}: no such right{hint}")
            if colon and Right(right) not in PURPOSE_RIGHTS:
                raise ValueError(f"{word!r}: {right} is not had for one purpose")
            if colon and not purpose:
                raise ValueError(f"{word!r}: which purpose?")
        return words

    def rights_by_purpose(self) -> dict[Right, frozenset[str] | None]:
        """The rights, each with the purposes that it is for (None: every)."""
        found: dict[Right, frozenset[str] | None] = {}
        for word in self.rights:
            name, colon, purpose = word.partition(":")
            right = Right(name)
            before = found.get(right, frozenset())
            found[right] = None if before is None or not colon else before | {purpose}
        return found


Identities = dict[Annotated[str, StringConstraints(pattern=IDENTITY_NAME)], IdentitySettings]
Issuers = tuple[IssuerSettings, ...]


def refuse_misfits(
    listens: tuple[ListenSettings, ...],
    tls: TlsSettings,
    issuers: Issuers,
    identities: Identities,
) -> None:
    """Comes back where listening, certificates, tokens and identities fit one another.

    Raises:
        ValueError: with one sentence of what does not.
    """
    for listen in listens:
        if listen.tls == "mutual" and tls.client_authorities is None:
            raise ValueError(f"listen {listen.address}: mutual TLS needs tls.client_authorities")
        if listen.tls == "server" and tls.certificate is None:
            raise ValueError(f"listen {listen.address}: TLS needs tls.certificate and tls.key")
        if listen.identity and listen.identity not in identities:
            near = closest(listen.identity, identities)
            hint = f"; did you mean {near}?" if near else ""
            raise ValueError(
                f"listen {listen.address}: there is no identity {listen.identity!r}{hint}"
            )
        is_mutual = (listen.tls or tls.default.value) == "mutual" and not listen.is_unix
        if identities and not (listen.identity or issuers or is_mutual):
            raise ValueError(
                f"listen {listen.address}: nobody who calls there could prove who they are; give it"
                " an identity (Unix socket), mutual TLS, or tokens"
            )
    names = [issuer.issuer for issuer in issuers]
    if len(set(names)) < len(names):
        raise ValueError("tokens: two issuers have the same name")
    _refuse_unproven({listen.identity for listen in listens}, tls, names, identities)


def _refuse_unproven(
    sockets: set[str], tls: TlsSettings, issuers: list[str], identities: Identities
) -> None:
    proofs: dict[object, str] = {}
    for name, identity in identities.items():
        if identity.certificates and tls.client_authorities is None:
            raise ValueError(f"identities.{name}: certificates need tls.client_authorities")
        if identity.tokens and not issuers:
            raise ValueError(f"identities.{name}: tokens need an issuer: [[tokens]]")
        if not (name in sockets or identity.certificates or identity.tokens):
            raise ValueError(
                f"identities.{name}: nobody could prove to be it; give it a socket in"
                " server.listen, certificates or tokens"
            )
        made: list[object] = [certificate.lower() for certificate in identity.certificates]
        for token in identity.tokens:
            if not token.issuer and len(issuers) > 1:
                raise ValueError(f"identities.{name}: tokens: say which issuer's")
            if token.issuer and token.issuer not in issuers:
                raise ValueError(f"identities.{name}: tokens: no issuer {token.issuer!r}")
            made.append((token.issuer or issuers[0], token.sub))
        for proof in made:
            if (other := proofs.setdefault(proof, name)) != name:
                raise ValueError(f"identities.{name}: {other} is proven by the same")
