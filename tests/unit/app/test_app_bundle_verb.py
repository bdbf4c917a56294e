"""`consentry bundle` as a releaser and a script meet it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from consentry.app.commands.serve_verb import build_parser
from consentry.app.policy_files import compile_path
from consentry.app.serve_flags import flags_of
from consentry.app.settings_loading import SettingsError, load_settings
from tests.support.bundles import CREATED_AT

Run = Callable[..., subprocess.CompletedProcess[str]]


class Release:
    """A folder in which bundles are made."""

    def __init__(self, consentry: Run, policies: Path, folder: Path) -> None:
        self.run = consentry
        self.policies = policies
        self.keys = folder / "keys"
        self.file = folder / "shop.bundle"
        assert consentry("keys", "generate", "--keys", str(self.keys)).returncode == 0

    def build(self, *words: str, serial: str = "7") -> subprocess.CompletedProcess[str]:
        fixed = ("--serial", serial, "--created-at", CREATED_AT, "-o", str(self.file))
        return self.run("bundle", "build", str(self.policies), *fixed, *words)

    def sign(self) -> subprocess.CompletedProcess[str]:
        return self.run("bundle", "sign", str(self.file), "--keys", str(self.keys))

    def verify(self, *words: str) -> subprocess.CompletedProcess[str]:
        keys = str(self.keys / "jwks.json")
        return self.run("bundle", "verify", str(self.file), "--keys", keys, *words)


@pytest.fixture
def release(consentry: Run, policies: Path, tmp_path: Path) -> Release:
    return Release(consentry, policies, tmp_path)


def test_bundle_is_built_signed_and_verified(release: Release) -> None:
    assert release.build().returncode == 0
    assert release.sign().returncode == 0

    told = json.loads(release.verify("--json").stdout)

    key_id = json.loads((release.keys / "jwks.json").read_text())["keys"][0]["kid"]
    assert (told["serial"], told["is_signed"], told["verified_with"]) == (7, True, key_id)
    assert set(told["packs"]) == {"core", "strict"}
    assert {"marketing.policy", "shop.th.toml"} <= set(told["files"])


def test_same_policies_give_the_same_file(release: Release) -> None:
    release.build()
    first = release.file.read_bytes()
    release.build()

    assert release.file.read_bytes() == first
    release.sign()
    signed = release.file.read_bytes()
    release.sign()
    assert release.file.read_bytes() == signed != first


def test_digest_is_that_of_the_folder(release: Release, consentry: Run) -> None:
    release.build()

    told = json.loads(consentry("bundle", "inspect", str(release.file), "--json").stdout)

    program = compile_path(release.policies).result.program
    assert program is not None
    assert told["policy_digest"] == program.digest


def test_unsigned_and_changed_bundles_are_findings(release: Release) -> None:
    release.build()
    assert (release.verify().returncode, "F548" in release.verify().stderr) == (1, True)
    release.sign()
    raw = release.file.read_bytes()
    release.file.write_bytes(raw[:-1])

    told = release.verify()

    assert (told.returncode, told.stdout) == (1, "")
    assert told.stderr.startswith("error[F547]")


def test_policies_with_errors_are_not_built(release: Release) -> None:
    (release.policies / "more.policy").write_text("permit broken {\n")

    told = release.build()

    assert told.returncode == 1
    assert "more.policy" in told.stderr
    assert not release.file.exists()


@pytest.mark.parametrize("serial", ["0", "-1", str(2**63)])
def test_serial_that_is_none_is_told(release: Release, serial: str) -> None:
    assert release.build(serial=serial).returncode == 1
    assert not release.file.exists()


def test_missing_keys_are_wrong_usage(release: Release, consentry: Run, tmp_path: Path) -> None:
    release.build()

    told = consentry("bundle", "sign", str(release.file), "--keys", str(tmp_path / "none"))

    assert told.returncode == 2
    assert "consentry keys generate" in told.stderr


def flags(*words: str) -> dict[str, object]:
    return flags_of(build_parser().parse_args(words))["policies"]


def test_policies_flag_takes_a_place_or_a_url_and_beats_the_file() -> None:
    assert flags("--policies", "a") == {"path": "a", "url": None}
    assert flags(
        "--policies", "https://a/b", "--trusted-keys", "k", "--allow-rollback-to", "3"
    ) == {
        "url": "https://a/b",
        "trusted_keys": "k",
        "allow_rollback_to_serial": 3,
    }


def test_url_without_trusted_keys_is_refused() -> None:
    with pytest.raises(SettingsError, match="trusted_keys"):
        load_settings({"policies": {"url": "https://example.org/a.bundle"}})


def test_plain_http_elsewhere_is_refused_with_the_settings() -> None:
    with pytest.raises(SettingsError, match="use https"):
        load_settings({"policies": {"url": "http://example.org/a.bundle", "trusted_keys": "k"}})
