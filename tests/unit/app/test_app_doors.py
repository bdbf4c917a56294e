"""Settings of the doors beside our own protocol: what cannot work is told before anything opens."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from consentry.app.http_services import DoorError, recording_services
from consentry.app.settings_loading import SettingsError, load_settings
from consentry.telemetry.metrics import Metrics
from tests.integration.server_world import FakeClock, FakeLedger, FakePolicies

SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()


def opened(**recording: Any) -> int:
    """How many paths there are."""
    settings = load_settings({"recording": recording}, None)
    services = recording_services(settings, FakeLedger(), FakePolicies(), FakeClock(), Metrics())
    return sum(len(service.methods()) for service in services)


def webhook(**changes: Any) -> dict[str, Any]:
    return {"name": "cmp"} | changes


def test_nothing_is_open_unless_asked_for(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET)

    assert opened() == 0
    assert opened(is_import_enabled=True) == 1
    assert (
        opened(webhooks=[webhook(secret_file=secret), webhook(name="b", secret_file=secret)]) == 2
    )


@pytest.mark.parametrize(
    "wrong",
    [
        [webhook()],
        [webhook(name="a/b", public_keys=["whpk_x"])],
        [webhook(public_keys=["x"]), webhook(public_keys=["x"])],
        [webhook(public_keys=["x"], rows="xml")],
        [webhook(public_keys=["x"], tolerance_s=0)],
        [webhook(public_keys=["x"], rate_per_s=0)],
    ],
)
def test_a_sender_that_cannot_be_is_refused(wrong: list[dict[str, Any]]) -> None:
    with pytest.raises(SettingsError, match="webhooks"):
        load_settings({"recording": {"webhooks": wrong}}, None)


def test_a_secret_that_cannot_be_used_keeps_the_door_shut(tmp_path: Path) -> None:
    short = tmp_path / "short"
    short.write_text("whsec_c2hvcnQ=")

    for wrong in (
        webhook(secret_file=tmp_path / "none"),
        webhook(secret_file=short),
        webhook(public_keys=["whpk_AAAA"]),
    ):
        with pytest.raises(DoorError, match=r"recording\.webhooks\.cmp") as told:
            opened(webhooks=[wrong])
        assert "c2hvcnQ" not in str(told.value)


def test_a_map_that_is_none_keeps_the_door_shut(tmp_path: Path) -> None:
    wrong = tmp_path / "map.toml"
    wrong.write_text("colours = 1")

    with pytest.raises(DoorError, match="is not a map of signals"):
        opened(is_import_enabled=True, signal_map=wrong)


@pytest.mark.parametrize(
    "doors", [{"authzen": {"is_enabled": True}}, {"recording": {"is_import_enabled": True}}]
)
def test_workers_have_no_http_port_to_call(doors: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="workers"):
        load_settings(doors | {"server": {"workers": 2}}, None)


@pytest.mark.parametrize("address", ["pdp.example", "https://a/?x=1", "https://a/#b", "ftp://a"])
def test_an_address_has_no_query_and_a_scheme(address: str) -> None:
    with pytest.raises(SettingsError, match="address"):
        load_settings({"authzen": {"is_enabled": True, "address": address}}, None)
