"""The settings of a sidecar: read once (by `settings_loading`), frozen, nothing unknown in them.

Rooms get plain values in their constructors, never these objects.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, SecretStr, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from consentry.app.settings_callers import (
    Identities,
    Issuers,
    Listening,
    ListenSettings,
    TlsSettings,
    refuse_misfits,
)
from consentry.app.settings_doors import AuthzenSettings, EnvoySettings, RecordingSettings
from consentry.app.settings_pages import ExplainPageSettings, PreferenceSettings, StatementSettings
from consentry.app.settings_section import Section
from consentry.app.telemetry_settings import AuditSettings, MetricsSettings, OtelSettings

ENV_PREFIX: Final = "CONSENTRY_"


class PolicySettings(Section):
    """Where the policies are and how they are followed."""

    path: Path = Field(
        default=Path("policies"),
        description="Folder with the .policy files; with trusted_keys, a signed bundle.",
    )
    url: str | None = Field(
        default=None, description="Signed bundle at an https URL, which path then gives way to."
    )
    trusted_keys: Path | None = Field(
        default=None, description="JWK Set of those who may sign bundles; none: a plain folder."
    )
    url_authorities: Path | None = Field(
        default=None, description="Authorities of the server's certificate; none: the system's."
    )
    url_interval_s: PositiveFloat = Field(
        default=30.0, description="Time between two questions whether the bundle changed."
    )
    url_timeout_s: PositiveFloat = Field(default=10.0, description="Longest exchange, in whole.")
    max_bundle_bytes: PositiveInt = Field(
        default=80 * 1024 * 1024, description="Largest bundle that is read."
    )
    allow_rollback_to_serial: PositiveInt | None = Field(
        default=None, description="Take the bundle of this one serial though a higher was active."
    )
    is_watched: bool = Field(
        default=True, description="Load again by itself when the folder changes."
    )
    watch_interval_s: PositiveFloat = Field(default=1.0, description="Time between two looks.")
    max_age_s: PositiveFloat | None = Field(
        default=None,
        description="Not ready when the set was last confirmed longer ago; none: no limit.",
    )

    @model_validator(mode="after")
    def _fit(self) -> Self:
        if self.url is not None and self.trusted_keys is None:
            raise ValueError("url: a bundle needs to know whom to trust: trusted_keys")
        if self.url is not None:
            from consentry.pdp.bundle_http import BundleUrl  # noqa: PLC0415 (seldom needed)

            BundleUrl(self.url)  # says what is wrong with it, and fetches nothing
        return self


class StateSettings(Section):
    """What must outlive the process: the ledger, the decision log, the archive of policies."""

    path: Path = Field(
        default=Path("var/consentry"),
        description="Folder for ledger/, audit/ and policies/; made with mode 0700.",
    )
    anchor_path: Path | None = Field(
        default=None,
        description="Where the ledger's head is kept, better on another disk; none: beside it.",
    )
    reserve_bytes: Annotated[int, Field(ge=0)] = Field(
        default=16 * 1024 * 1024,
        description="Space kept back so that a full disk still takes withdrawals; 0: none.",
    )
    allow_ephemeral_ledger: bool = Field(
        default=False, description="Start even if the folder dies with the container."
    )


class LedgerSettings(Section):
    """Which ledger: this sidecar's own, one in PostgreSQL, or that of a ledger node."""

    kind: Literal["sqlite", "postgres", "upstream"] = Field(
        default="sqlite", description="sqlite: in the state folder; the others are shared."
    )
    conninfo: SecretStr = Field(
        default=SecretStr(""),
        description="PostgreSQL: how to reach it, as libpq takes it; empty: PGHOST and its kin.",
    )
    upstream: tuple[str, ...] = Field(
        default=(), description="upstream: host:port of each ledger node, tried in turn."
    )
    upstream_ca: Path | None = Field(
        default=None, description="upstream: authorities of the nodes' certificates; none: no TLS."
    )
    upstream_certificate: Path | None = Field(
        default=None, description="upstream: certificate to show to the nodes."
    )
    upstream_key: Path | None = Field(default=None, description="upstream: its private key.")
    upstream_token: Path | None = Field(
        default=None, description="upstream: file with the bearer token to show, read at each call."
    )
    bound_s: Annotated[float, Field(ge=0.2, le=60)] = Field(
        default=2.0,
        description="Shared: longest time after which an acknowledged change counts everywhere.",
    )
    read_wait_s: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.02, description="Shared: longest wait of a check for a person not held yet."
    )
    serves_feed: bool = Field(
        default=False, description="Be a ledger node: tell sidecars that follow of everybody."
    )
    readiness_follows: bool | None = Field(
        default=None, description="Not ready while consent is stale; none: for sqlite only."
    )

    @model_validator(mode="after")
    def _fit(self) -> Self:
        if (self.kind == "upstream") != bool(self.upstream):
            raise ValueError("upstream: addresses of nodes belong to the kind upstream, and to it")
        if (self.upstream_certificate is None) != (self.upstream_key is None):
            raise ValueError("upstream_certificate, upstream_key: one needs the other")
        shown = (self.upstream_certificate, self.upstream_token)
        if self.upstream_ca is None and any(each is not None for each in shown):
            raise ValueError("upstream_certificate, upstream_token: they need upstream_ca")
        return self


class ServerSettings(Section):
    """Addresses, limits and times of the doors; a Unix socket is `unix:/path`."""

    listen: Annotated[tuple[Listening, ...], Field(min_length=1)] = Field(
        default=(ListenSettings(address="127.0.0.1:7470"),),
        description="Addresses for gRPC; each a string, or a table of what is said below.",
    )
    health: str | None = Field(
        default="127.0.0.1:7471", description="gRPC health only; none: no door."
    )
    http: str | None = Field(
        default="127.0.0.1:7472", description="/metrics, /livez, /readyz, /transparency; none: off."
    )
    insecure_off_loopback: bool = Field(
        default=False,
        description="Allow gRPC on addresses that others can reach, unsecured or by anybody.",
    )
    socket_mode: Annotated[int, Field(ge=0, le=0o777)] = Field(
        default=0o600, description="File mode of Unix sockets, as a number (0o600 in TOML)."
    )
    max_batch_items: Annotated[int, Field(gt=0, le=10_000)] = Field(
        default=1_000, description="Most checks in one CheckBatch."
    )
    check_threads: Annotated[int, Field(gt=0, le=64)] = Field(
        default=4, description="Threads for checks."
    )
    check_limit: Annotated[int, Field(gt=0, le=100_000)] = Field(
        default=832, description="Checks in flight before refusing."
    )
    wait_limit: Annotated[int, Field(gt=0, le=10_000)] = Field(
        default=64, description="Writes in flight before refusing."
    )
    workers: Annotated[int, Field(ge=1, le=64)] = Field(
        default=1, description="Processes that answer behind one address; 1: this one alone."
    )
    stream_limit: Annotated[int, Field(gt=0, le=4_096)] = Field(
        default=64, description="Calls that stay open (CheckStream, Watch) before refusing."
    )
    slow_reader_s: Annotated[float, Field(gt=0, le=3_600)] = Field(
        default=30.0, description="How long an open call waits for a caller who does not read."
    )
    connection_limit: Annotated[int, Field(ge=16)] = Field(
        default=4_096,
        description="Connections to one gRPC address; fewer where file descriptors are few.",
    )
    watch_bound_s: Annotated[float, Field(gt=0, le=3_600)] = Field(
        default=2.0, description="How long a cache at a caller's side may live on in silence."
    )
    drain_delay_s: Annotated[float, Field(ge=0, le=3_600)] = Field(
        default=3.0, description="How long to serve on after SIGTERM while readiness says no."
    )
    grace_s: Annotated[float, Field(ge=0, le=3_600)] = Field(
        default=10.0, description="Longest wait for calls in flight."
    )


class CacheSettings(Section):
    """The answer cache."""

    mode: Literal["on", "off", "compare"] = Field(
        default="on", description="`compare` evaluates every hit again and counts differences."
    )
    max_entries: Annotated[int, Field(gt=0, le=10_000_000)] = Field(
        default=50_000, description="Most answers kept."
    )
    max_bytes: PositiveInt = Field(default=64 * 1024 * 1024, description="Most memory for answers.")
    max_age_s: PositiveFloat = Field(default=30.0, description="Longest life of a kept answer.")


class ReceiptSettings(Section):
    """What receipts and records tell beyond the policies, and the keys that sign them."""

    keys_path: Path | None = Field(
        default=None, description="Folder of the signing keys; none: keys/ in the state folder."
    )
    address: str = Field(default="", description="Postal address of the controller.")
    language: str = Field(default="", description="Language of the notices, as in ISO 639.")
    jurisdictions: tuple[str, ...] = Field(
        default=(), description="Countries whose law applies; none: the controller's."
    )
    storage_locations: tuple[str, ...] = Field(
        default=(), description="Countries where the data are kept."
    )
    withdrawal: str = Field(default="", description="How a person withdraws, in a sentence.")


class LogSettings(Section):
    """The log of the sidecar's own life."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Least level."
    )


class Settings(BaseSettings):
    """Everything that can be set."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_nested_delimiter="__", frozen=True, extra="forbid"
    )

    policies: PolicySettings = PolicySettings()
    state: StateSettings = StateSettings()
    ledger: LedgerSettings = LedgerSettings()
    server: ServerSettings = ServerSettings()
    envoy: EnvoySettings = EnvoySettings()
    authzen: AuthzenSettings = AuthzenSettings()
    recording: RecordingSettings = RecordingSettings()
    cache: CacheSettings = CacheSettings()
    audit: AuditSettings = AuditSettings()
    metrics: MetricsSettings = MetricsSettings()
    otel: OtelSettings = OtelSettings()
    receipts: ReceiptSettings = ReceiptSettings()
    statement: StatementSettings = StatementSettings()
    preferences: PreferenceSettings = PreferenceSettings()
    explain_page: ExplainPageSettings = ExplainPageSettings()
    log: LogSettings = LogSettings()
    tls: TlsSettings = TlsSettings()
    tokens: Issuers = Field(default=(), description="Whose bearer tokens prove who calls.")
    identities: Identities = Field(
        default={}, description="Who may call, by name; none: everybody may do everything."
    )

    @property
    def receipt_keys(self) -> Path:
        """Folder of the keys that sign receipts."""
        return self.receipts.keys_path or self.state.path / "keys"

    @model_validator(mode="after")
    def _fit(self) -> Self:
        if self.server.workers > 1 and self.ledger.serves_feed:
            raise ValueError("workers: a ledger node that others follow is one process")
        refuse_misfits(self.server.listen, self.tls, self.tokens, self.identities)
        for section in ("preferences", "explain_page"):
            if not getattr(self, section).is_enabled:
                continue
            if self.server.workers > 1:
                raise ValueError(f"workers: {section} is served by a sidecar of one process")
            if self.server.http is None:
                raise ValueError(f"{section}: the page needs the HTTP port, server.http")
        if self.server.workers > 1 and (self.authzen.is_enabled or self.recording.is_used):
            raise ValueError("workers: the HTTP port is their parent's, which answers no questions")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - named by pydantic-settings
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What it is made from and nothing else: `settings_loading` reads the sources."""
        return (init_settings,)
