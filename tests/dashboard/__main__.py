"""Draws docs/images/dashboard.svg: a real sidecar under load, scraped by a real Prometheus.

    python -m tests.dashboard [--seconds 90]

There is no Grafana in it: the panels are those of deploy/grafana/consentry.json, each query is
answered by Prometheus, and what it answers is drawn.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from consentry.client import Client, ConsentryError, Subject, event, service
from tests.dashboard.draw import Series, legend_of, picture_of
from tests.support.prometheus import ROOT, ask, config_for, eventually, panels, prometheus
from tests.support.sidecar import RunningSidecar, running_sidecar

PICTURE = ROOT / "docs" / "images" / "dashboard.svg"
CALLERS = 3
PEOPLE = 400
WARM_UP_S = 10.0  # not drawn: the first calls of a process are slower than any after them
RATE_INTERVAL = "10s"  # what Grafana would take for a scrape a second, doubled for a calm line
QUESTIONS = (
    ("marketing.email", "contact", "customer.contact.email", "email"),
    ("marketing.sms", "contact", "customer.contact.phone", "sms"),
    ("marketing.email", "contact", "customer.contact.phone", "email"),
)


def call(sidecar: RunningSidecar, seed: int, leave: threading.Event) -> None:
    """One service: asks mostly, and records what people say now and then."""
    chance = random.Random(seed)
    with Client(sidecar.target, timeout_s=5) as consentry:
        while not leave.wait(chance.expovariate(150)):
            person = f"person-{chance.randrange(PEOPLE)}"
            try:
                if chance.random() < 0.05:
                    kind = "given" if chance.random() < 0.7 else "withdrawn"
                    proof = {"proof_method": "web_form"} if kind == "given" else {}
                    consentry.record_consent(
                        event(kind, person, purpose="marketing", notice="2026-03", **proof)
                    )
                    continue
                purpose, action, data, channel = chance.choice(QUESTIONS)
                consentry.check(
                    principal=service("campaign-mailer", roles=["marketer"]),
                    action=action,
                    data=[data],
                    subject=Subject(id=person, attributes={"country": "DE"}),
                    purpose=purpose,
                    channel=channel,
                )
            except ConsentryError:
                continue  # a refusal is a line of the picture


def roll_out(policies: Path, seconds: float, leave: threading.Event) -> None:
    """An author at work: a change, a broken one, and its mending."""
    file = policies / "safeguards.policy"
    good = file.read_text()
    for text in (good + "\n# a first change\n", good + "\npermit broken {\n", good):
        if leave.wait(seconds / 4):
            return
        file.write_text(text)


def measured(address: str, seconds: float) -> dict[int, Sequence[Series]]:
    """What every panel's queries were over the last seconds."""
    now_s = time.time()
    span = {"start": str(now_s - seconds), "end": str(now_s), "step": "1"}
    found: dict[int, Sequence[Series]] = {}
    for panel in panels(RATE_INTERVAL):
        found[panel["id"]] = [
            Series(
                legend_of(target.get("legendFormat", ""), one["metric"]),
                tuple((float(at), float(v)) for at, v in one["values"] if v not in ("NaN", "+Inf")),
            )
            for target in panel["targets"]
            for one in ask(address, "query_range", query=target["expr"], **span)
        ]
    return found


def main() -> int:
    """Runs the load, asks, draws."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.dashboard",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seconds", type=float, default=90.0, help="how long (default: 90)")
    parser.add_argument("--output", type=Path, default=PICTURE, help="file to write")
    options = parser.parse_args()
    if shutil.which("prometheus") is None:
        print("prometheus is not installed (Debian package prometheus)", file=sys.stderr)
        return 2
    leave = threading.Event()
    with tempfile.TemporaryDirectory(prefix="dashboard-") as name:
        folder = Path(name)
        policies = Path(shutil.copytree(ROOT / "policies", folder / "policies"))
        with (
            running_sidecar(policies, folder / "state") as sidecar,
            prometheus(config_for(sidecar.http), folder) as address,
        ):
            eventually(address, 'up{job="consentry"} == 1')
            work = [
                threading.Thread(target=call, args=(sidecar, seed, leave))
                for seed in range(CALLERS)
            ]
            work.append(threading.Thread(target=roll_out, args=(policies, options.seconds, leave)))
            for thread in work:
                thread.start()
            print(f"{options.seconds:.0f} s under load …", flush=True)
            time.sleep(WARM_UP_S + options.seconds)
            found = measured(address, options.seconds)
            leave.set()
            for thread in work:
                thread.join()
    title = "Consentry: one sidecar, drawn from what Prometheus answered to each panel's queries"
    options.output.write_text(picture_of(panels(RATE_INTERVAL), found, title))
    shown = sum(len(series) for series in found.values())
    print(f"wrote {options.output}: {len(found)} panels, {shown} series")
    return 0


if __name__ == "__main__":
    sys.exit(main())
