"""Settings: order of sources, and that nothing unknown is silent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from consentry.app.settings_loading import SettingsError, load_settings
from consentry.app.settings_schema import tables


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("CONSENTRY_"):
            monkeypatch.delenv(name)


def config(folder: Path, text: str) -> Path:
    path = folder / "consentry.toml"
    path.write_text(text)
    return path


def test_defaults_listen_on_loopback_only() -> None:
    settings = load_settings({})

    assert all(listen.address.startswith("127.0.0.1:") for listen in settings.server.listen)
    assert not settings.server.insecure_off_loopback
    assert not settings.state.allow_ephemeral_ledger


def test_later_sources_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = config(tmp_path, "[server]\ngrace_s = 1\ncheck_threads = 2\ndrain_delay_s = 9\n")
    monkeypatch.setenv("CONSENTRY_SERVER__GRACE_S", "5")
    monkeypatch.setenv("CONSENTRY_SERVER__DRAIN_DELAY_S", "6")

    server = load_settings({"server": {"drain_delay_s": 0.5}}, path).server

    assert (server.check_threads, server.grace_s, server.drain_delay_s) == (2, 5.0, 0.5)


def test_config_file_may_be_named_by_a_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONSENTRY_CONFIG", str(config(tmp_path, "[log]\nlevel = 'DEBUG'\n")))

    assert load_settings({}).log.level == "DEBUG"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[server]\ngrace = 1\n", "server.grace"),
        ("[sever]\ngrace_s = 1\n", "sever"),
        ("[server]\ngrace_s = -1\n", "server.grace_s"),
        ("[server", "consentry.toml"),
    ],
)
def test_wrong_file_is_refused_by_name(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({}, config(tmp_path, text))

    assert named in str(caught.value)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no such file"):
        load_settings({}, tmp_path / "absent.toml")


def test_misspelled_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONSENTRY_SERVER__GRACE", "5")

    with pytest.raises(SettingsError, match="CONSENTRY_SERVER__GRACE: no such setting"):
        load_settings({})


def test_value_of_a_variable_that_is_no_json_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONSENTRY_SERVER__LISTEN", "127.0.0.1:1,")

    with pytest.raises(SettingsError, match="server"):
        load_settings({})


def test_variables_of_kubernetes_and_callers_do_not_stop_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CONSENTRY_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("CONSENTRY_PORT", "tcp://10.0.0.1:7470")
    monkeypatch.setenv("CONSENTRY_PORT_7470_TCP_ADDR", "10.0.0.1")
    monkeypatch.setenv("CONSENTRY_TARGET", "unix:/run/consentry/consentry.sock")

    assert load_settings({}).server.http == "127.0.0.1:7472"


def test_settings_are_frozen() -> None:
    settings = load_settings({})

    with pytest.raises(ValueError, match="frozen"):
        settings.server.grace_s = 1.0  # type: ignore[misc]


def test_every_setting_has_a_sentence() -> None:
    for table in tables():
        for name, field in table.section.model_fields.items():
            assert field.description, name
            assert field.description.endswith("."), name


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('[audit]\nmode = "strict"\nsink = "stdout"\n', "strict needs the sink file"),
        ('[audit]\nmode = "strict"\nsampling = { permit = 0.5 }\n', "every answer has its record"),
        ('[audit]\nleave_out = ["decision_id"]\n', "decision_id"),
        ('[audit]\nleave_out = ["subject."]\n', "no fact such as"),
        ("[audit]\nsampling = { consent_valid = 1.5 }\n", "less than or equal to 1"),
        ('[otel]\nendpoint = "127.0.0.1:4317"\n', "begins with http"),
        ("[metrics]\nmax_series = 3\n", "greater than or equal to 64"),
    ],
)
def test_telemetry_that_cannot_be_meant_is_refused(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        load_settings({}, config(tmp_path, text))


def test_sampling_and_facts_to_leave_out_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONSENTRY_AUDIT__SAMPLING", '{"permit": 0.1, "own_service": 1}')
    monkeypatch.setenv("CONSENTRY_AUDIT__LEAVE_OUT", '["correlation_id", "subject.birth_date"]')

    audit = load_settings({}).audit

    assert audit.sampling == {"permit": 0.1, "own_service": 1.0}
    assert audit.leave_out == ("correlation_id", "subject.birth_date")


def test_a_login_header_needs_the_address_that_people_see(tmp_path: Path) -> None:
    known = '[preferences]\nlogin_header = "X-Customer"\ntrusted_proxies = ["10.0.0.1"]\n'

    with pytest.raises(SettingsError, match="public_url: needed behind a proxy"):
        load_settings({}, config(tmp_path, known))
    url = 'public_url = "https://privacy.example.com"\n'
    assert load_settings({}, config(tmp_path, known + url)).preferences.public_url
