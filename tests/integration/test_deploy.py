"""The deployment examples pass their real validators, and say only what the command understands."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from consentry.compiler.compile import compile_policies
from consentry.diagnostics.span import Source
from consentry.pdp.sources import read_packs
from tests.support.tools import tool

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "deploy" / "docker" / "Dockerfile"
KUBERNETES = ROOT / "deploy" / "kubernetes" / "consentry.yaml"
PROMETHEUS = ROOT / "deploy" / "prometheus"


def run_tool(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / name), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def documents() -> list[dict[str, Any]]:
    return [d for d in yaml.safe_load_all(KUBERNETES.read_text()) if d]


def sidecar_container() -> dict[str, Any]:
    stateful_set = next(d for d in documents() if d["kind"] == "StatefulSet")
    containers = stateful_set["spec"]["template"]["spec"]["initContainers"]
    return next(c for c in containers if c["name"] == "consentry")


def image_command() -> list[str]:
    match = re.search(r"^CMD (\[.*?\])$", DOCKERFILE.read_text(), re.MULTILINE | re.DOTALL)
    assert match is not None
    return list(json.loads(match.group(1).replace("\\\n", "")))


def test_dockerfile_passes_hadolint() -> None:
    done = run_tool("hadolint", str(DOCKERFILE))

    assert done.returncode == 0, done.stdout


def test_hadolint_would_notice_a_bad_dockerfile(tmp_path: Path) -> None:
    bad = tmp_path / "Dockerfile"
    bad.write_text("FROM python:latest\nRUN cd /tmp && apt-get install curl\n")

    assert run_tool("hadolint", str(bad)).returncode != 0


def test_image_runs_as_a_user_without_rights() -> None:
    users = re.findall(r"^USER (\S+)", DOCKERFILE.read_text(), re.MULTILINE)

    assert users == ["10001:10001"]


def test_kubernetes_example_is_valid() -> None:
    done = run_tool("kubernetes-validate", "--strict", str(KUBERNETES))

    assert done.returncode == 0, done.stdout + done.stderr


def test_kubernetes_validator_would_notice_a_misspelt_key(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(KUBERNETES.read_text().replace("resources:", "resourcess:", 1))

    assert run_tool("kubernetes-validate", "--strict", str(bad)).returncode != 0


def test_yaml_files_pass_yamllint() -> None:
    done = run_tool("yamllint", "-c", str(ROOT / "deploy" / ".yamllint.yaml"), str(ROOT / "deploy"))

    assert done.returncode == 0, done.stdout


def test_every_probe_asks_a_port_that_the_container_has() -> None:
    container = sidecar_container()
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    asked = [
        probe["httpGet"]["port"] if "httpGet" in probe else probe["grpc"]["port"]
        for name, probe in container.items()
        if name.endswith("Probe")
    ]

    assert len(asked) == 3
    assert all(port in ports or port in ports.values() for port in asked)


def test_pod_is_not_restarted_for_what_a_restart_cannot_mend() -> None:
    """Liveness must not be readiness: gRPC health without a service name is readiness."""
    probe = sidecar_container()["livenessProbe"]

    assert probe["httpGet"]["path"] == "/livez"


@pytest.mark.parametrize("words", [image_command(), sidecar_container()["args"]])
def test_command_lines_are_understood(words: list[str]) -> None:
    verb, *rest = words
    module = import_module(f"consentry.app.commands.{verb}_verb")

    assert verb == "serve"
    assert module.build_parser().parse_args(rest)


def test_policies_of_the_example_compile() -> None:
    config = next(d for d in documents() if d["kind"] == "ConfigMap")
    sources = [Source(name, text) for name, text in config["data"].items()]

    result = compile_policies(sources, read_packs())

    assert [d for d in result.diagnostics if d.is_error] == []
    assert result.program is not None


needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None,
    reason="promtool is not installed (Debian package prometheus); continuous integration has it",
)


def promtool_check(config: Path) -> subprocess.CompletedProcess[str]:
    command = ["promtool", "check", "config", "--syntax-only", str(config)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@needs_promtool
def test_scrape_configuration_passes_promtool() -> None:
    done = promtool_check(PROMETHEUS / "prometheus.yaml")

    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_scrape_configuration_for_pods_passes_promtool(tmp_path: Path) -> None:
    """Debian builds promtool without Kubernetes discovery: that one block is checked by shape."""
    config = yaml.safe_load((PROMETHEUS / "prometheus-kubernetes.yaml").read_text())
    (job,) = config["scrape_configs"]
    assert job.pop("kubernetes_sd_configs") == [{"role": "pod"}]
    rest = tmp_path / "rest.yaml"
    rest.write_text(yaml.safe_dump(config))

    done = promtool_check(rest)

    assert done.returncode == 0, done.stdout + done.stderr


def test_base_image_is_named_by_a_digest_that_has_no_default() -> None:
    text = DOCKERFILE.read_text()
    bases = re.findall(r"^FROM (\S+)", text, re.MULTILINE)

    assert "ARG PYTHON_DIGEST\n" in text
    assert {base for base in bases if ":" in base} == {
        "python:${PYTHON_VERSION}-slim@${PYTHON_DIGEST}"
    }


def pinned() -> dict[str, str]:
    """Names and versions of the image's packages."""
    lines = (DOCKERFILE.parent / "requirements.txt").read_text().splitlines()
    pins = [line.split()[0].split("==") for line in lines if "==" in line and ";" not in line]
    return {plain(name.partition("[")[0]): version for name, version in pins}


def plain(name: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_image_lists_every_package_that_is_in_it(tmp_path: Path) -> None:
    """The step that writes the list, on this environment, which holds what the image holds."""
    told = tmp_path / "consentry.cdx.json"
    step = re.search(r"/opt/sbom/bin/(cyclonedx-py .*?)\n\n", DOCKERFILE.read_text(), re.DOTALL)
    assert step is not None
    line = step[1].replace("\\\n", " ").replace("/opt/consentry/bin/python", sys.executable)
    name, *words = line.replace("/opt/consentry.cdx.json", str(told)).split()

    # Holding the list against its schema takes seven seconds, which an image's build has.
    command = [tool(name), *words, "--no-validate"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)

    assert done.returncode == 0, done.stderr
    listed = json.loads(told.read_text())
    assert listed["metadata"]["component"]["name"] == "consentry"
    found = {plain(one["name"]): one["version"] for one in listed["components"]}
    assert pinned()
    assert pinned().items() <= found.items()
