"""A real Prometheus scrapes a real sidecar with the configuration of deploy/."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from consentry.client import Client, Subject, event, service
from tests.support.prometheus import config_for, eventually, panels, prometheus, query
from tests.support.sidecar import running_sidecar

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(
    shutil.which("prometheus") is None,
    reason="prometheus is not installed (Debian package prometheus); continuous integration has it",
)


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

        with prometheus(config_for(sidecar.http), tmp_path) as address:
            (up,) = eventually(address, 'up{job="consentry"} == 1')
            (counted,) = eventually(address, "sum by (reason) (consentry_decisions_total)")

    assert up["metric"]["job"] == "consentry"
    assert counted["metric"]["reason"] == "consent_missing"
    assert float(counted["value"][1]) == 1


def dashboard_queries() -> list[str]:
    """Every query of the dashboard, as Grafana would ask it."""
    return [target["expr"] for panel in panels("1m") for target in panel["targets"]]


def test_every_query_of_the_dashboard_shows_something_under_load(tmp_path: Path) -> None:
    with (
        running_sidecar(ROOT / "policies", tmp_path / "state") as sidecar,
        Client(sidecar.target, timeout_s=5) as consentry,
        prometheus(config_for(sidecar.http), tmp_path) as address,
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
