"""`consentry probe` against real sidecars: a promise that is kept, and one that is not."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from consentry.app.main import run
from tests.support.fleet import fleet
from tests.support.postgres import Cluster

ASKED = ["--principal", "service:mailer", "--action", "read", "--data", "email"]
ASKED += ["--purpose", "mailing", "--subject-attr", "country=DE"]


def test_probe_times_every_sidecar_and_tells_prometheus(
    postgres: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "probe.prom"
    conninfo = postgres.create_ledger("ledger_probe")
    with fleet(2, "--ledger", "postgres", CONSENTRY_LEDGER__CONNINFO=conninfo) as members:
        targets = [word for member in members for word in ("--sidecar", member.target)]

        status = run(["probe", *targets, *ASKED, "--json", "--metrics-file", str(file)])

        told = json.loads(capsys.readouterr().out)
        assert status == 0
        assert told["within_bound"] is True
        assert [one["reason"] for one in told["sidecars"]] == ["consent_withdrawn"] * 2
        assert all(0 <= one["seconds"] <= 2 for one in told["sidecars"])
        assert file.read_text().count("consentry_withdrawal_to_deny_seconds{sidecar=") == 2

        os.kill(members[1].pid, signal.SIGSTOP)
        try:
            status = run(["probe", *targets, *ASKED, "--timeout-s", "3"])
        finally:
            os.kill(members[1].pid, signal.SIGCONT)

        assert status == 1
        assert "does not permit with consent" in capsys.readouterr().err


def test_sidecars_that_do_not_share_a_ledger_are_found_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Two embedded ledgers: what one records the other never hears of."""
    with fleet(2) as members:
        targets = [word for member in members for word in ("--sidecar", member.target)]

        assert run(["probe", *targets, *ASKED, "--timeout-s", "1"]) == 1
        assert members[1].target in capsys.readouterr().err
