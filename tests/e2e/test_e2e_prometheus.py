"""A real Prometheus scrapes a real sidecar with the configuration of deploy/."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from consentry.client import Client, Subject, event, service
from tests.support.ports import free_port
from tests.support.sidecar import RunningSidecar, running_sidecar

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60

pytestmark = pytest.mark.skipif(
    shutil.which("prometheus") is None,
    reason="prometheus is not installed (Debian package prometheus); continuous integration has it",
)


def config_for(sidecar: RunningSidecar) -> str:
    """The scrape configuration of deploy/, at this sidecar's address and a shorter interval."""
    config = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yaml").read_text())
    config["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s"}
    config["scrape_configs"][0]["static_configs"] = [{"targets": [sidecar.http]}]
    return yaml.safe_dump(config)


@contextmanager
def prometheus(config: str, folder: Path) -> Iterator[str]:
    """A Prometheus with this configuration: its address."""
    (folder / "prometheus.yaml").write_text(config)
    address = f"127.0.0.1:{free_port()}"
    places = [f"--config.file={folder / 'prometheus.yaml'}", f"--storage.tsdb.path={folder / 'db'}"]
    command = ["prometheus", *places, f"--web.listen-address={address}"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield address
    finally:
        process.terminate()
        process.wait(timeout=30)


def query(address: str, expression: str) -> list[dict[str, Any]]:
    words = urllib.parse.urlencode({"query": expression})
    with urllib.request.urlopen(f"http://{address}/api/v1/query?{words}", timeout=5) as answer:
        result: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return result


def eventually(address: str, expression: str) -> list[dict[str, Any]]:
    """The first answer to `expression` that is not empty."""
    pause = threading.Event()
    give_up = time.monotonic() + PATIENCE_S
    while time.monotonic() < give_up:
        try:
            if found := query(address, expression):
                return found
        except (urllib.error.URLError, ConnectionError):
            pass  # it is still starting
        pause.wait(0.2)
    raise AssertionError(f"{expression} stayed empty")


def test_prometheus_sees_the_sidecar_and_its_decisions(tmp_path: Path) -> None:
    with running_sidecar(ROOT / "policies", tmp_path / "state") as sidecar:
        with Client(sidecar.target, timeout_s=5) as consentry:
            decision = consentry.check(
                principal=service("campaign-mailer", roles=["marketer"]),
                action="contact",
                data=["customer.contact.email"],
                subject=Subject(id="customer-1", attributes={"country": "DE"}),
                purpose="marketing.email",
                channel="email",
            )
        assert decision.reason == "consent_missing"

        with prometheus(config_for(sidecar), tmp_path) as address:
            (up,) = eventually(address, 'up{job="consentry"} == 1')
            (counted,) = eventually(address, "sum by (reason) (consentry_decisions_total)")

    assert up["metric"]["job"] == "consentry"
    assert counted["metric"]["reason"] == "consent_missing"
    assert float(counted["value"][1]) == 1


def dashboard_queries() -> list[str]:
    """Every query of the dashboard, as Grafana would ask it."""
    dashboard = json.loads((ROOT / "deploy" / "grafana" / "consentry.json").read_text())
    return [
        target["expr"].replace("$__rate_interval", "1m").replace("$job", ".*")
        for panel in dashboard["panels"]
        for target in panel["targets"]
    ]


def test_every_query_of_the_dashboard_shows_something_under_load(tmp_path: Path) -> None:
    with (
        running_sidecar(ROOT / "policies", tmp_path / "state") as sidecar,
        Client(sidecar.target, timeout_s=5) as consentry,
        prometheus(config_for(sidecar), tmp_path) as address,
    ):
        eventually(address, 'up{job="consentry"} == 1')
        for round_ in range(3):
            for person in range(20):
                consentry.check(
                    principal=service("campaign-mailer", roles=["marketer"]),
                    action="contact",
                    data=["customer.contact.email"],
                    subject=Subject(id=f"c-{person}", attributes={"country": "DE"}),
                    purpose="marketing.email",
                    channel="email",
                )
            consentry.record_consent(event("given", f"c-{round_}", purpose="marketing"))
            eventually(address, f"sum(consentry_decisions_total) >= {20 * (round_ + 1)}")

        for expression in dashboard_queries():
            # Where nothing was refused there is no series of refusals.
            find = query if "consentry_refused_total" in expression else eventually
            assert find(address, expression) or find is query, expression
