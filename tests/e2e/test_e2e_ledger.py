"""`consentry ledger` beside a real sidecar: backup, restore drill, rollback, erasure, verify."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from consentry.client import Client, event
from tests.support.sidecar import running_sidecar

ROOT = Path(__file__).resolve().parents[2]
POLICIES = ROOT / "policies"


def ledger(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "consentry.app", "ledger", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def record(target: str, *keys: str, kind: str = "given") -> None:
    with Client(target) as client:
        client.record_consent(
            event(kind, "ada", purpose="marketing", proof_method="form", idempotency_key=key)
            for key in keys
        )


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def test_restore_drill_finds_the_rollback_and_says_what_is_lost(
    state: Path, tmp_path: Path
) -> None:
    """Back up, go on, lose the disk, restore: nothing is lost without somebody saying so."""
    backup = tmp_path / "backup.sqlite"
    with running_sidecar(POLICIES, state, "--no-watch") as sidecar:
        record(sidecar.target, "k1", "k2")
        copied = ledger("backup", "--state", state, backup)
        record(sidecar.target, "k3", kind="withdrawn")
    kept = state / "ledger" / "consent.sqlite"
    assert (copied.returncode, "2 rows, verified" in copied.stdout) == (0, True)

    shutil.copy(backup, kept)
    with (
        pytest.raises(RuntimeError, match="left with 4") as refused,
        running_sidecar(POLICIES, state, "--no-watch"),
    ):
        pass
    verified = ledger("verify", "--state", state, "--json")
    not_yet = ledger("restore", "--state", state, backup)
    restored = ledger("restore", "--state", state, "--accept-loss", backup)

    assert "it ends at position 2" in str(refused.value)
    assert verified.returncode == 1
    assert json.loads(verified.stdout)["fault"] == "rolled_back"
    assert json.loads(verified.stdout)["position"] == 3
    assert (not_yet.returncode, "--accept-loss" in not_yet.stderr) == (1, True)
    assert restored.returncode == 0
    assert "lost: 1 row that had been acknowledged" in restored.stdout
    with running_sidecar(POLICIES, state, "--no-watch") as sidecar:
        record(sidecar.target, "k3", kind="withdrawn")
    assert ledger("verify", "--state", state).returncode == 0


def test_ledger_is_verified_beside_and_by_its_sidecar(state: Path) -> None:
    with running_sidecar(POLICIES, state, "--no-watch") as sidecar:
        record(sidecar.target, *(f"k{n}" for n in range(50)))
        head = ledger("head", "--state", state).stdout.strip()
        beside = ledger("verify", "--state", state, "--expect", head)
        by_it = ledger("verify", "--target", sidecar.target, "--json")

    assert (beside.returncode, "50 rows" in beside.stdout) == (0, True)
    assert json.loads(by_it.stdout) == {
        "holds": True,
        "position": 50,
        "digest": head.partition(":")[2],
        "erased": 0,
    }


def test_head_that_is_not_in_the_ledger_is_noticed(state: Path) -> None:
    with running_sidecar(POLICIES, state, "--no-watch") as sidecar:
        record(sidecar.target, "k1", "k2")

    other = ledger("verify", "--state", state, "--expect", f"2:{'0' * 64}")
    longer = ledger("verify", "--state", state, "--expect", f"9:{'0' * 64}")
    nonsense = ledger("verify", "--state", state, "--expect", "what?")

    assert (other.returncode, longer.returncode, nonsense.returncode) == (1, 1, 2)


def test_person_is_forgotten_here_and_by_the_sidecar(state: Path) -> None:
    with running_sidecar(POLICIES, state, "--no-watch") as sidecar:
        record(sidecar.target, "k1", "k2")
        busy = ledger("erase", "--state", state, "--subject", "ada")
        by_it = ledger("erase", "--target", sidecar.target, "--subject", "ada")
        record(sidecar.target, "k3", kind="objected")
    stands = ledger("erase", "--state", state, "--subject", "ada")
    here = ledger("erase", "--state", state, "--subject", "ada", "--with-rights")
    verified = ledger("verify", "--state", state)

    assert (busy.returncode, "--target" in busy.stderr) == (4, True)
    assert (by_it.returncode, "2 events" in by_it.stdout) == (0, True)
    assert (stands.returncode, "objected" in stands.stderr) == (1, True)
    assert here.returncode == 0
    assert "personal part of 3 was erased" in verified.stdout


def test_what_is_no_ledger_is_told_plainly(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not a ledger" * 500)

    missing = ledger("verify", "--ledger", tmp_path / "none")
    text = ledger("verify", "--ledger", tmp_path / "text")

    assert (missing.returncode, text.returncode) == (4, 1)
    assert "Traceback" not in missing.stderr + text.stderr
