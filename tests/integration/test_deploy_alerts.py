"""Alerts fire on their harm and rest in a quiet fleet; each has a runbook."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from consentry.telemetry.metric_names import GAUGES
from consentry.telemetry.metrics import Metrics

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "deploy" / "prometheus" / "rules.yaml"
TESTS = ROOT / "deploy" / "prometheus" / "rules.test.yaml"
DASHBOARD = ROOT / "deploy" / "grafana" / "consentry.json"
RUNBOOKS = ROOT / "docs" / "operators" / "runbooks.md"

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None,
    reason="promtool is not installed (Debian package prometheus); continuous integration has it",
)


def alerts() -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}


def promtool_test(tests: Path) -> subprocess.CompletedProcess[str]:
    command = ["promtool", "test", "rules", str(tests)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_every_alert_names_a_harm_and_a_runbook_that_is_there() -> None:
    told = RUNBOOKS.read_text()

    for name, rule in alerts().items():
        assert rule["annotations"]["summary"].endswith(".")
        assert rule["annotations"]["runbook_url"] == f"docs/operators/runbooks.md#{name.lower()}"
        assert f"### {name}\n" in told
        assert rule["labels"]["severity"] in {"page", "ticket"}
    assert told.count("\n### ") == len(alerts())


def test_rules_and_dashboard_ask_only_for_metrics_that_exist() -> None:
    """What is renamed in the code must not silence an alert."""
    metrics = Metrics(version="test")
    metrics.set_policy("digest")
    exposed = metrics.expose()[0].decode()
    known = set(re.findall(r"# TYPE consentry_(\w+) ", exposed)) | set(GAUGES)
    known.add("withdrawal_to_deny_seconds")  # of `consentry probe`
    asked = RULES.read_text() + DASHBOARD.read_text()

    names = {
        re.sub(r"_(bucket|count|sum)$", "", name)
        for name in re.findall(r"\bconsentry_([a-z_]+)", asked)
    }

    assert len(names) > 15
    assert names - known - {"queue_depth", "in_flight"} == set()


@needs_promtool
def test_every_alert_fires_on_its_harm_and_none_in_a_quiet_fleet() -> None:
    told = TESTS.read_text()

    done = promtool_test(TESTS)

    assert done.returncode == 0, done.stdout + done.stderr
    assert {name for name in alerts() if f"alertname: {name}\n" not in told} == set()


@needs_promtool
def test_an_alert_that_sleeps_is_noticed(tmp_path: Path) -> None:
    sleepy = RULES.read_text().replace(
        "consentry_ledger_damaged > 0", "consentry_ledger_damaged > 1"
    )
    (tmp_path / "rules.yaml").write_text(sleepy)
    (tmp_path / "rules.test.yaml").write_text(TESTS.read_text())

    done = promtool_test(tmp_path / "rules.test.yaml")

    assert done.returncode != 0
    assert "ConsentryLedgerDamaged" in done.stdout + done.stderr
