"""What `serve` refuses before it opens anything, and how flags become settings."""

from __future__ import annotations

import argparse
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from consentry.app.commands import serve_verb
from consentry.app.mounts import Mount
from consentry.app.serve_flags import flags_of
from consentry.app.settings_loading import load_settings
from consentry.app.system import ProcessIds, SystemClock
from consentry.app.wiring import make_state_folders, server_options

Run = Callable[..., subprocess.CompletedProcess[str]]


def parse(*words: str) -> argparse.Namespace:
    return serve_verb.build_parser().parse_args(words)


def test_unsaid_flags_leave_settings_alone() -> None:
    assert flags_of(parse()) == {}


def test_flags_become_settings() -> None:
    words = ("--listen", "unix:/a", "--listen", "127.0.0.1:1", "--http", "none", "--no-watch")

    settings = load_settings(flags_of(parse(*words, "--log-level", "debug")))

    assert [listen.address for listen in settings.server.listen] == ["unix:/a", "127.0.0.1:1"]
    assert settings.server.http is None
    assert settings.server.health == "127.0.0.1:7471"
    assert not settings.policies.is_watched
    assert settings.log.level == "DEBUG"


def test_doors_get_what_was_set() -> None:
    flags = flags_of(parse("--drain-delay-s", "7", "--grace-s", "8"))

    options = server_options(load_settings(flags), "1.2.3")

    assert (options.drain_delay_s, options.grace_s, options.version) == (7.0, 8.0, "1.2.3")
    assert not options.insecure_off_loopback


def test_ledger_that_dies_with_the_container_is_refused(
    consentry: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(serve_verb, "find_ephemeral_mount", lambda _path: Mount("/", "overlay"))

    told = consentry("serve", "--state", str(tmp_path / "state"))

    assert told.returncode == 2
    assert "overlay" in told.stderr
    assert "--allow-ephemeral-ledger" in told.stderr
    assert not (tmp_path / "state").exists()


def test_wrong_setting_is_told_without_a_traceback(consentry: Run, tmp_path: Path) -> None:
    path = tmp_path / "consentry.toml"
    path.write_text("[server]\ngrace = 1\n")

    told = consentry("serve", "--config", str(path))

    assert told.returncode == 2
    assert told.stderr.startswith("consentry serve: server.grace")


def test_state_is_for_this_user_only(tmp_path: Path) -> None:
    make_state_folders(tmp_path / "state")

    folders = [tmp_path / "state", *(tmp_path / "state").iterdir()]
    assert [path.stat().st_mode & 0o077 for path in folders] == [0, 0, 0, 0]


def test_ids_never_repeat_and_sort_by_their_making() -> None:
    ids, others = ProcessIds(), ProcessIds()

    made = [ids.new_id() for _ in range(1000)]

    assert made == sorted(made)
    assert len({*made, *(others.new_id() for _ in range(1000))}) == 2000


def test_clock_tells_microseconds() -> None:
    clock = SystemClock()

    assert clock.now_us() > 1_700_000_000_000_000
    assert clock.monotonic_s() <= clock.monotonic_s()
