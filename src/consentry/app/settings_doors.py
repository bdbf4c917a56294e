"""The settings of doors beside our own protocol: each off until it is asked for."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from consentry.app.settings_section import Section

_Alternatives = Annotated[
    tuple[str, ...], BeforeValidator(lambda value: (value,) if isinstance(value, str) else value)
]
_NONE: Final[tuple[str, ...]] = ()
_ADDRESS: Final = re.compile(r"https?://[^/?#\s]+(/[^?#\s]*)?")


class EnvoyRouteSettings(Section):
    """Which question the requests of one route ask.

    Texts may refer to a request: `{path.NAME}`, `{header.NAME}`, `{extension.NAME}`,
    `{claim.NAME}`, `{peer}`, `{method}`. Of several texts the first is taken of which everything
    is there.
    """

    name: str = Field(description="Its name; `consentry-route` in context_extensions selects it.")
    path: str | None = Field(
        default=None, description="Path with {variables}; none: only where it is named."
    )
    methods: tuple[str, ...] = Field(default=(), description="In capital letters; none: all.")
    action: _Alternatives = Field(description="Action of the policies.")
    data: _Alternatives = Field(description="Data nodes, apart by commas.")
    principal: _Alternatives = Field(description="Who asks.")
    principal_type: Literal["service", "person", "agent", "job"] = Field(
        default="service", description="What the principal is."
    )
    purpose: _Alternatives = Field(default=_NONE, description="Purpose; none: denied.")
    subject: _Alternatives = Field(default=_NONE, description="Data subject; none: denied.")
    roles: _Alternatives = Field(default=_NONE, description="Roles, apart by commas.")
    channel: _Alternatives = Field(default=_NONE, description="Channel.")
    recipient: _Alternatives = Field(default=_NONE, description="Recipient.")
    recipient_roles: _Alternatives = Field(default=_NONE, description="Its roles.")
    recipient_country: _Alternatives = Field(default=_NONE, description="Its country.")
    resource: _Alternatives = Field(default=_NONE, description="Record.")
    attributes: dict[str, _Alternatives] = Field(
        default={}, description="By OWNER.name, such as context.ticket."
    )
    partial: bool = Field(default=False, description="Grant the fields that may be granted.")


class EnvoySettings(Section):
    """Answers to Envoy's external authorization filter, on the addresses of gRPC."""

    is_enabled: bool = Field(default=False, description="Answer Envoy's ext_authz.")
    claims_filter: str = Field(
        default="envoy.filters.http.jwt_authn",
        description="Filter whose metadata hold the claims of the verified token.",
    )
    claims_key: str = Field(
        default="claims", description="Key of the claims there (payload_in_metadata)."
    )
    routes: tuple[EnvoyRouteSettings, ...] = Field(
        default=(), description="Routes, the first that fits is used; [[envoy.routes]]."
    )

    @model_validator(mode="after")
    def _fit(self) -> Self:
        if self.routes:
            from consentry.app.envoy import build_mapping  # noqa: PLC0415 (seldom needed)

            build_mapping(self)  # says what is wrong with it
        if self.is_enabled and not self.routes:
            raise ValueError("routes: without any, every request would be refused")
        return self


class AuthzenSettings(Section):
    """OpenID AuthZEN Authorization API 1.0, on the address of HTTP."""

    is_enabled: bool = Field(default=False, description="Answer evaluations and searches.")
    address: str | None = Field(
        default=None,
        description="URL that callers know this decision point by; none: no metadata document.",
    )

    @model_validator(mode="after")
    def _fit(self) -> Self:
        if self.address is not None and not _ADDRESS.fullmatch(self.address):
            raise ValueError("address: must be an https or http URL without query and fragment")
        return self
