"""The settings of doors beside our own protocol: each off until it is asked for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import BeforeValidator, Field, PositiveFloat, PositiveInt, model_validator

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


class WebhookSettings(Section):
    """One system that sends signed messages (Standard Webhooks)."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,31}$", description="Path: /webhooks/NAME.")
    secret_file: Path | None = Field(
        default=None, description="File with its secrets, whsec_..., one a line."
    )
    public_keys: tuple[str, ...] = Field(
        default=(), description="Its public keys, whpk_..., in place of a secret or beside it."
    )
    rows: Literal["events", "tcf", "gpp", "gpc"] = Field(
        default="events", description="What its messages hold."
    )
    signal_map: Path | None = Field(
        default=None, description="TOML file: what the numbers of its signals stand for."
    )
    purposes: tuple[str, ...] | None = Field(
        default=None, description="Purposes it may record for, those below included; none: all."
    )
    tolerance_s: Annotated[int, Field(ge=1, le=3600)] = Field(
        default=300, description="How far its clock and ours may be apart."
    )
    max_body_bytes: PositiveInt = Field(default=262_144, description="Largest message.")
    rate_per_s: PositiveFloat = Field(default=50.0, description="Messages a second.")
    burst: PositiveInt = Field(default=200, description="Messages at once.")

    @model_validator(mode="after")
    def _fit(self) -> Self:
        if self.secret_file is None and not self.public_keys:
            raise ValueError("secret_file: a secret or a public key is needed")
        return self


class RecordingSettings(Section):
    """Consent that comes in over HTTP."""

    is_import_enabled: bool = Field(
        default=False, description="Files of rows: POST /consent/v1/import."
    )
    max_import_bytes: PositiveInt = Field(default=4_194_304, description="Largest file.")
    signal_map: Path | None = Field(
        default=None, description="TOML file: what the numbers of imported signals stand for."
    )
    webhooks: tuple[WebhookSettings, ...] = Field(
        default=(), description="Who may send signed messages; [[recording.webhooks]]."
    )

    @property
    def is_used(self) -> bool:
        """Whether anything is recorded over HTTP."""
        return self.is_import_enabled or bool(self.webhooks)

    @model_validator(mode="after")
    def _fit(self) -> Self:
        names = [webhook.name for webhook in self.webhooks]
        if len(set(names)) < len(names):
            raise ValueError("webhooks: two of them have one name")
        return self
