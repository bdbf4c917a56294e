"""The Helm chart, rendered by the real Helm, and what a cluster would make of it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import yaml

from tests.support.tools import ROOT, tool

CHART: Final = ROOT / "deploy" / "helm" / "consentry"
EXAMPLES: Final = tuple(sorted((CHART / "examples").glob("*.yaml")))
Manifest = dict[str, Any]


def run_helm(*words: str | Path, home: Path) -> subprocess.CompletedProcess[str]:
    """Runs Helm, with nothing of this machine's own configuration."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(home)}
    command = [str(tool("helm")), *(str(word) for word in words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def rendered_text(values: Path, home: Path, *words: str, chart: Path = CHART) -> str:
    """What Helm makes of the chart with a file of values.

    Raises:
        AssertionError: Helm refuses; the text is what it says.
    """
    done = run_helm("template", "shop", chart, "--values", values, *words, home=home)
    assert done.returncode == 0, done.stderr
    return done.stdout


def manifests_of(text: str) -> list[Manifest]:
    """The manifests of a rendered text."""
    return [one for one in yaml.safe_load_all(text) if one]


def rendered(values: Path, home: Path, *words: str, chart: Path = CHART) -> list[Manifest]:
    """The manifests of the chart with a file of values."""
    return manifests_of(rendered_text(values, home, *words, chart=chart))


def of_kind(manifests: Iterable[Manifest], *kinds: str) -> list[Manifest]:
    """Those of some kinds."""
    return [one for one in manifests if one["kind"] in kinds]


def pods_of(manifests: Iterable[Manifest]) -> list[Manifest]:
    """The pod templates of every workload."""
    return [
        one["spec"]["template"]
        for one in of_kind(manifests, "Deployment", "StatefulSet", "DaemonSet", "Job")
    ]


def pod_of(manifests: Iterable[Manifest]) -> Manifest:
    """The pod template of the one workload that stays."""
    (workload,) = of_kind(manifests, "Deployment", "StatefulSet")
    template: Manifest = workload["spec"]["template"]
    return template


def containers_of(pod: Manifest) -> list[Manifest]:
    """All containers of a pod, native sidecars included."""
    spec = pod["spec"]
    return [*spec.get("initContainers", []), *spec["containers"]]


def consentry_of(pod: Manifest) -> Manifest:
    """The container that runs the program."""
    return next(one for one in containers_of(pod) if one["name"] == "consentry")
