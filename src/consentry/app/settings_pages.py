"""Settings of the pages for people on the HTTP port."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from consentry.app.settings_section import Section


class StatementSettings(Section):
    """The public statement on the HTTP port."""

    shows_figures: bool = Field(
        default=True, description="Show rough live figures on /transparency, of nobody in person."
    )
    probe_file: Path | None = Field(
        default=None, description="What `consentry probe --metrics-file` writes; none: not told."
    )


class PreferenceSettings(Section):
    """The page on the HTTP port where people see and change their own choices."""

    is_enabled: bool = Field(default=False, description="Serve /preferences on the HTTP port.")
    key_path: Path | None = Field(
        default=None, description="File with the keys of links: `consentry preferences key`."
    )
    public_url: str = Field(
        default="", description="Where people reach it, such as https://privacy.example.com."
    )
    login_header: str = Field(
        default="", description="Header in which your proxy names who is signed in; empty: none."
    )
    trusted_proxies: tuple[str, ...] = Field(
        default=(), description="Addresses or networks whose login header is believed."
    )
    session_s: PositiveFloat = Field(
        default=1_800.0, description="How long a page may lie idle before the link is needed again."
    )
    sidecars: dict[str, str] = Field(
        default_factory=dict,
        description="Sidecars that the page asks whether they obey: name for people = address.",
    )
    sidecars_ca: Path | None = Field(
        default=None, description="Authorities of those sidecars' certificates; none: no TLS."
    )
    sidecars_certificate: Path | None = Field(
        default=None, description="Certificate to show to them."
    )
    sidecars_key: Path | None = Field(default=None, description="Its private key.")
    views_per_minute: PositiveInt = Field(default=120, description="Looks of one person.")
    changes_per_minute: PositiveInt = Field(default=30, description="Choices of one person.")

    @model_validator(mode="after")
    def _fit(self) -> Self:
        if self.is_enabled and self.key_path is None:
            raise ValueError("key_path: needed; make one with `consentry preferences key`")
        if bool(self.login_header) != bool(self.trusted_proxies):
            raise ValueError("login_header and trusted_proxies belong together")
        if self.login_header and not self.public_url:
            # A browser names this address as the origin of a press; ours is another one.
            raise ValueError("public_url: needed behind a proxy")
        if self.public_url and not re.fullmatch(r"https?://[^/\s?#]+/?", self.public_url):
            raise ValueError("public_url: scheme and host alone; the page is at /preferences")
        return self


class ExplainPageSettings(Section):
    """The page on the HTTP port where authors and operators see why an answer is as it is."""

    is_enabled: bool = Field(default=False, description="Serve /explain on the HTTP port.")
    allowed: tuple[str, ...] = Field(
        default=("127.0.0.0/8", "::1"), description="Addresses or networks that may look at it."
    )
    hosts: tuple[str, ...] = Field(
        default=("localhost", "127.0.0.1", "::1"),
        description="Names under which browsers reach it; any other is refused.",
    )
