"""`consentry config`: what counts, from where, and what is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from consentry.app.settings_loading import SettingsError, load_settings
from consentry.app.settings_schema import json_schema
from consentry.server.callers import Right
from tests.support.certificates import Authority, TokenIssuer, key_set

Run = Callable[..., subprocess.CompletedProcess[str]]

TLS: dict[str, Any] = {"certificate": "a.crt", "key": "a.key", "client_authorities": "ca.crt"}
TOKENS: list[dict[str, Any]] = [
    {"issuer": "https://i.example", "audience": ["consentry"], "keys_path": "keys.json"}
]


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("CONSENTRY_"):
            monkeypatch.delenv(name)


def refusal(**settings: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(settings)
    return str(caught.value)


def test_show_says_where_each_value_comes_from(
    consentry: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "consentry.toml"
    path.write_text("[server]\ngrace_s = 1\ncheck_threads = 2\n[log]\nlevel = 'DEBUG'\n")
    monkeypatch.setenv("CONSENTRY_SERVER__GRACE_S", "5")

    told = consentry("config", "show", "--config", str(path), "--json", "--log-level", "ERROR")

    shown = json.loads(told.stdout)
    assert shown["server.check_threads"] == {"value": 2, "origin": str(path)}
    assert shown["server.grace_s"] == {"value": 5.0, "origin": "environment"}
    assert shown["log.level"] == {"value": "ERROR", "origin": "flag"}
    assert shown["server.wait_limit"]["origin"] == "default"


def test_show_masks_secrets(
    consentry: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "consentry.toml"
    path.write_text("[ledger]\nkind = 'postgres'\nconninfo = 'password=canary-1'\n")
    monkeypatch.setenv("CONSENTRY_LEDGER__CONNINFO", "password=canary-2")

    for words in (("show",), ("show", "--json"), ("check",)):
        told = consentry("config", *words, "--config", str(path))
        assert "canary" not in told.stdout + told.stderr
    shown = consentry("config", "show", "--said", "--config", str(path)).stdout
    assert 'ledger.conninfo  "**********"  (environment)' in shown


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "[server]\nlisten = [{ adress = 'unix:/a' }]\n",
            "adress: no such setting; did you mean address?",
        ),
        ("[sever]\n", "sever: no such setting; did you mean server?"),
        ("[server]\ngrase_s = 1\n", "server.grase_s: no such setting; did you mean grace_s?"),
        (
            "[identities.shop]\nrigths = []\n",
            "identities.shop.rigths: no such setting; did you mean rights?",
        ),
        ("[[tokens]]\nissue = 'a'\n", "tokens.0.issue: no such setting; did you mean issuer?"),
        ("[server]\ngrace_s = 'soon'\n", "server.grace_s: "),
        ("[server]\nworkers = 65\n", "server.workers: "),
        ("[server]\ncheck_limit = 0\n", "server.check_limit: "),
        ("[server]\ncheck_limit = -1\n", "server.check_limit: "),
        ("[server]\ncheck_limit = 1_000_000_000\n", "server.check_limit: "),
        ("[server]\ngrace_s = inf\n", "server.grace_s: "),
        ("[cache]\nmax_age_s = nan\n", "cache.max_age_s: "),
        ("[policies]\nurl_timeout_s = inf\n", "policies.url_timeout_s: "),
        ("[server]\ngrace_s = 1\ngrace_s = 2\n", "overwrite"),
    ],
)  # fmt: skip
def test_check_names_what_is_wrong(consentry: Run, tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "consentry.toml"
    path.write_text(text)

    told = consentry("config", "check", "--config", str(path))
    as_json = json.loads(consentry("config", "check", "--json", "--config", str(path)).stdout)

    assert told.returncode == 2
    assert problem in told.stderr
    assert not as_json["is_valid"]
    assert any(problem in line for line in as_json["problems"])


def test_a_misspelt_variable_is_told_with_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONSENTRY_SERVER__GRASE_S", "5")

    assert refusal().endswith("did you mean CONSENTRY_SERVER__GRACE_S?")


def test_check_looks_at_the_files_that_are_named(consentry: Run, tmp_path: Path) -> None:
    authority, issuer = Authority(), TokenIssuer()
    certificate, key = authority.server().write(tmp_path)
    other = authority.server().write(tmp_path, "other")
    (tmp_path / "ca.crt").write_bytes(authority.pem)
    (tmp_path / "keys.json").write_bytes(key_set(issuer))
    path = tmp_path / "consentry.toml"

    def checked(key: Path = key, keys: str = "keys.json", group: str = "") -> str:
        path.write_text(f"""
[tls]
certificate = "{certificate}"
key = "{key}"
client_authorities = "{tmp_path}/ca.crt"
[[tokens]]
issuer = "{issuer.name}"
audience = ["consentry"]
keys_path = "{tmp_path}/{keys}"
[identities.shop]
rights = ["decide:marketing", "watch"]
tokens = [{{ sub = "shop" }}]
[server]
listen = ["0.0.0.0:7470", {{ address = "unix:/run/c.sock", identity = "shop", group = "{group}" }}]
""")
        told = consentry("config", "check", "--config", str(path))
        assert told.returncode == (2 if told.stderr else 0)
        return told.stderr

    assert checked() == ""
    assert "not the key of the certificate" in checked(key=other[1])
    assert "no such file" in checked(key=tmp_path / "absent.key").lower()
    assert "no JWK Set" in checked(keys="ca.crt")
    assert "there is no group 'no-such-group'" in checked(group="no-such-group")
    key.chmod(0o604)
    assert "everybody may read this key" in checked()


FILES = [
    ("policies.trusted_keys", "[policies]\ntrusted_keys = 'FILE'"),
    ("policies.url_authorities", "[policies]\nurl_authorities = 'FILE'"),
    ("ledger.upstream_ca", "[ledger]\nkind = 'upstream'\nupstream = ['n:1']\nupstream_ca = 'FILE'"),
    ("otel.authorities", "[otel]\nauthorities = 'FILE'"),
    ("recording.signal_map", "[recording]\nsignal_map = 'FILE'"),
    ("preferences.key_path", "[preferences]\nkey_path = 'FILE'"),
    ("recording.webhooks.0.secret_file",
     "[[recording.webhooks]]\nname = 'cmp'\nsecret_file = 'FILE'"),
]  # fmt: skip


@pytest.mark.parametrize(("place", "text"), FILES, ids=[place for place, _ in FILES])
def test_check_looks_at_every_file_that_is_named(
    consentry: Run, tmp_path: Path, place: str, text: str
) -> None:
    path, named = tmp_path / "consentry.toml", tmp_path / "named"
    path.write_text(text.replace("FILE", str(named)) + "\n")

    absent = consentry("config", "check", "--config", str(path))
    named.mkdir()
    folder = consentry("config", "check", "--config", str(path))
    named.rmdir()
    named.write_text("here")
    there = consentry("config", "check", "--config", str(path))

    assert (absent.returncode, folder.returncode, there.returncode) == (2, 2, 0)
    assert absent.stderr == f"consentry config: {place}: {named}: No such file or directory\n"
    assert folder.stderr == f"consentry config: {place}: {named}: Is a directory\n"


def test_check_asks_for_no_file_that_comes_later(consentry: Run, tmp_path: Path) -> None:
    path = tmp_path / "consentry.toml"
    path.write_text(f"""
[state]
path = "{tmp_path}/state"
anchor_path = "{tmp_path}/disk/anchor"
[receipts]
keys_path = "{tmp_path}/keys"
[statement]
probe_file = "{tmp_path}/probe.prom"
""")

    assert consentry("config", "check", "--config", str(path)).returncode == 0


def test_schema_is_one_and_takes_what_the_settings_take() -> None:
    schema = json.loads(json_schema())
    Draft202012Validator.check_schema(schema)
    is_valid = Draft202012Validator(schema).is_valid
    example = tomllib.loads("""
[server]
listen = [{ address = "unix:/a", identity = "shop", mode = 0o660 }]
[identities.shop]
rights = ["decide"]
bind_principal = true
""")

    assert is_valid(example)
    assert is_valid({"server": {"listen": ["127.0.0.1:1"]}})
    load_settings(example)
    assert not is_valid({"server": {"grase_s": 1}})
    assert not is_valid({"server": {"grace_s": -1}})


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"tls": {"certificate": "a.crt"}}, "one is of no use without the other"),
        ({"tls": {"client_authorities": "a.crt"}}, "need a certificate"),
        ({"server": {"listen": [{"address": "unix:/a", "identity": "shoop"}]},
          "identities": {"shop": {"rights": ["decide"]}}}, "did you mean shop?"),
        ({"server": {"listen": [{"address": "127.0.0.1:1", "identity": "shop"}]}},
         "only a Unix socket"),
        ({"server": {"listen": [{"address": "unix:/a", "tls": "server"}]}}, "needs none"),
        ({"server": {"listen": [{"address": "127.0.0.1:1", "tls": "server"}]}}, "needs tls."),
        ({"server": {"listen": [{"address": "127.0.0.1:1", "tls": "mutual"}]}},
         "client_authorities"),
        ({"identities": {"shop": {"rights": ["decide"]}}}, "could prove who they are"),
        ({"identities": {"Shop": {"rights": ["decide"]}}}, "identities.Shop"),
        ({"tokens": TOKENS, "identities": {"shop": {"rights": ["decide"]}}},
         "nobody could prove to be it"),
        ({"tokens": TOKENS, "identities": {"shop": {"rights": [], "tokens": [{"sub": "a"}]}}},
         "identities.shop.rights"),
        ({"tokens": TOKENS, "identities": {"shop": {"rights": ["decid"],
          "tokens": [{"sub": "a"}]}}}, "did you mean decide?"),
        ({"tokens": TOKENS, "identities": {"shop": {"rights": ["erase:marketing"],
          "tokens": [{"sub": "a"}]}}}, "erase is not had for one purpose"),
        ({"tokens": TOKENS, "identities": {"a": {"rights": ["decide"], "tokens": [{"sub": "a"}]},
          "b": {"rights": ["decide"], "tokens": [{"sub": "a"}]}}}, "proven by the same"),
        ({"tokens": TOKENS, "identities": {"a": {"rights": ["decide"],
          "tokens": [{"sub": "a", "issuer": "x"}]}}}, "no issuer 'x'"),
        ({"tls": TLS, "identities": {"a": {"rights": ["decide"], "certificates": ["CN=a"]}}},
         "write spiffe://"),
        ({"tokens": [TOKENS[0] | {"keys_url": "https://x"}]}, "exactly one"),
        ({"tokens": [TOKENS[0] | {"algorithms": ["HS256"]}]}, "algorithms"),
        ({"tokens": [TOKENS[0] | {"algorithms": ["none"]}]}, "algorithms"),
        ({"tokens": [TOKENS[0], TOKENS[0]]}, "the same name"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(settings: dict[str, Any], problem: str) -> None:
    assert problem in refusal(**settings)


def test_rights_are_read_with_their_purposes() -> None:
    words = ["decide:marketing", "decide:billing", "explain", "explain:billing", "watch"]
    shop = {"rights": words, "tokens": [{"sub": "a"}]}

    read = load_settings({"tokens": TOKENS, "identities": {"shop": shop}}).identities["shop"]

    assert read.rights_by_purpose() == {
        Right.DECIDE: frozenset({"marketing", "billing"}),
        Right.EXPLAIN: None,
        Right.WATCH: None,
    }
