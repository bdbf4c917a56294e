"""What is wrong with the settings or the surroundings is told at the start, without a secret."""

from __future__ import annotations

import random
import urllib.request
from pathlib import Path
from typing import Final

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from consentry.app.settings_loading import SettingsError, load_settings
from consentry.v1 import authorization_pb2
from tests.bench.requests import newsletter_check
from tests.catalogue.target import CANARY, CHECK
from tests.support.sidecar import running_sidecar

SEED: Final = 20_261_127
BAD: Final[dict[str, tuple[str, str]]] = {
    "F1a": ("[server]\ngrase_s = 1\n", "server.grase_s"),
    "F1b": ("[sever]\ngrace_s = 1\n", "sever"),
    "F2a": ('[server]\nworkers = "many"\n', "server.workers"),
    "F2b": ("[server]\nworkers = 65\n", "server.workers"),
    "F2c": ('[policies]\nis_watched = "perhaps"\n', "policies.is_watched"),
    "F2d": ("[server]\nlisten = 7470\n", "server.listen"),
    "F3": ("[server]\ngrace_s = 1\ngrace_s = 2\n", "consentry.toml"),
    "F3b": ("server: {grace_s: 1}\n", "consentry.toml"),
    "F5": ('[server.tls]\ncertificate = "tls.crt"\n', "tls"),
    "F14": ("[ledger]\nbound_s = 0.01\n", "ledger.bound_s"),
    "F15a": ("[server]\ncheck_limit = 0\n", "server.check_limit"),
    "F15b": ("[server]\nstream_limit = -1\n", "server.stream_limit"),
    "F15c": ("[cache]\nmax_entries = 0\n", "cache.max_entries"),
    "F15d": ("[server]\nconnection_limit = 1\n", "server.connection_limit"),
    "two kinds": ('[ledger]\nupstream = ["a:1"]\n', "ledger"),
}
KEYS: Final = (
    "server.grace_s", "server.check_limit", "server.workers", "cache.max_bytes",
    "audit.capacity", "ledger.bound_s", "policies.watch_interval_s", "server.socket_mode",
)  # fmt: skip
WRONG: Final = ('"yes"', "[]", "{}", "-1", '""', "1979-05-27", "nan", "[[1]]", '"1e"')


def refused(tmp_path: Path, text: str) -> str:
    """What is told of a file of settings.

    Raises:
        AssertionError: it is taken.
    """
    file = tmp_path / "consentry.toml"
    file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_settings({}, file)
    return str(caught.value)


@pytest.mark.parametrize("row", BAD)
def test_bad_settings(row: str, tmp_path: Path) -> None:
    text, named = BAD[row]
    assert named in refused(tmp_path, text)


@pytest.mark.parametrize("key", KEYS)
def test_value_of_a_wrong_kind_is_told_by_its_key(key: str, tmp_path: Path) -> None:
    random_ = random.Random(f"{SEED}{key}")
    section, _, name = key.partition(".")
    for value in random_.sample(WRONG, 5):
        assert key in refused(tmp_path, f"[{section}]\n{name} = {value}\n")


@pytest.mark.slow
def test_password_of_a_database_that_is_not_there_is_told_nowhere(
    tmp_path: Path, project_root: Path
) -> None:
    config = tmp_path / "consentry.toml"
    place = f"host=127.0.0.1 port=1 user=a password={CANARY} connect_timeout=1"
    config.write_text(f'[ledger]\nkind = "postgres"\nconninfo = "{place}"\n')
    with (
        running_sidecar(
            project_root / "policies", tmp_path / "state", "--config", str(config)
        ) as sidecar,
        grpc.insecure_channel(sidecar.target) as channel,
    ):
        raw = channel.unary_unary(CHECK)(newsletter_check(), timeout=20)
        with urllib.request.urlopen(f"http://{sidecar.http}/metrics", timeout=20) as scraped:
            exposed = scraped.read().decode()
    said = "".join(sidecar.heard.lines)

    assert authorization_pb2.CheckResponse.FromString(raw).reason == "consent_state_unavailable"
    assert CANARY not in said + exposed
    assert "Traceback" not in said


@pytest.mark.parametrize(
    "kind",
    [
        "empty",
        pytest.param("missing", marks=pytest.mark.slow),
        pytest.param("broken", marks=pytest.mark.slow),
    ],
)
def test_without_policies_nothing_is_permitted_and_health_says_so(
    kind: str, tmp_path: Path
) -> None:
    policies = tmp_path / "policies"
    if kind != "missing":
        policies.mkdir()
    if kind == "broken":
        (policies / "a.policy").write_text("permit {")
    with (
        running_sidecar(policies, tmp_path / "state", event="serving_without_policies") as sidecar,
        grpc.insecure_channel(sidecar.target) as channel,
    ):
        with pytest.raises(grpc.RpcError) as refusal:
            channel.unary_unary(CHECK)(newsletter_check(), timeout=20)
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())

    assert refusal.value.code() is grpc.StatusCode.UNAVAILABLE
    assert answer.status == health_pb2.HealthCheckResponse.NOT_SERVING
