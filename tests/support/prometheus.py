"""A real Prometheus that scrapes real sidecars with the configuration of deploy/."""

from __future__ import annotations

import json
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import yaml

from tests.support.ports import free_port

ROOT: Final = Path(__file__).resolve().parents[2]
DASHBOARD: Final = ROOT / "deploy" / "grafana" / "consentry.json"
PATIENCE_S: Final = 60


def config_for(*targets: str) -> str:
    """The scrape configuration of deploy/, at these addresses and a shorter interval."""
    config = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yaml").read_text())
    config["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s"}
    config["scrape_configs"][0]["static_configs"] = [{"targets": list(targets)}]
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


def ask(address: str, path: str, **words: str) -> list[dict[str, Any]]:
    """The result of a call of the HTTP interface."""
    asked = urllib.parse.urlencode(words)
    with urllib.request.urlopen(f"http://{address}/api/v1/{path}?{asked}", timeout=20) as answer:
        result: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return result


def query(address: str, expression: str) -> list[dict[str, Any]]:
    """What an expression is now."""
    return ask(address, "query", query=expression)


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


def panels(rate_interval: str) -> list[dict[str, Any]]:
    """The panels of the dashboard, their queries as Grafana would ask them."""
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    for panel in found:
        for target in panel["targets"]:
            asked = target["expr"].replace("$__rate_interval", rate_interval)
            target["expr"] = asked.replace("$job", ".*")
    return found
