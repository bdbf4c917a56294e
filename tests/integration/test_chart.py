"""The Helm chart renders by the real Helm, and what it renders would be taken and be safe."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.charts import (
    CHART,
    EXAMPLES,
    Manifest,
    consentry_of,
    containers_of,
    of_kind,
    pod_of,
    pods_of,
    rendered,
    rendered_text,
    run_helm,
)
from tests.support.pod_security import breaches
from tests.support.tools import ROOT, go_program

OPERATOR_KINDS = ("ServiceMonitor", "PrometheusRule")
EVERYTHING = (
    "--set=serviceMonitor.enabled=true",
    "--set=prometheusRule.enabled=true",
    "--set=dashboard.enabled=true",
)


def by_name(values: Path) -> str:
    return values.stem


@pytest.fixture(scope="module", params=EXAMPLES, ids=by_name)
def values(request: pytest.FixtureRequest) -> Path:
    assert isinstance(request.param, Path)
    return request.param


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def manifests(values: Path, home: Path) -> list[Manifest]:
    return rendered(values, home, *EVERYTHING)


def refusal(home: Path, *words: str) -> str:
    """What Helm says where the chart refuses some values on top of an example."""
    example = CHART / "examples" / "sidecar.yaml"
    done = run_helm("template", "shop", CHART, "--values", example, *words, home=home)
    assert done.returncode != 0, words
    return done.stderr


def kubernetes_validate(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    file = folder / "rendered.yaml"
    file.write_text(text)
    command = [str(Path(sys.executable).with_name("kubernetes-validate")), "--strict", str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_chart_passes_helm_lint(values: Path, home: Path) -> None:
    done = run_helm("lint", "--strict", CHART, "--values", values, home=home)

    assert done.returncode == 0, done.stdout


def test_rendered_manifests_are_valid(manifests: list[Manifest], tmp_path: Path) -> None:
    known = [one for one in manifests if one["kind"] not in OPERATOR_KINDS]

    done = kubernetes_validate(yaml.safe_dump_all(known), tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr


def test_validator_would_notice_a_misspelt_key(manifests: list[Manifest], tmp_path: Path) -> None:
    bad = copy.deepcopy(of_kind(manifests, "Deployment", "StatefulSet"))
    bad[0]["spec"]["minReadySecond"] = 5

    assert kubernetes_validate(yaml.safe_dump_all(bad), tmp_path).returncode != 0


def test_pods_are_what_the_restricted_standard_asks(manifests: list[Manifest]) -> None:
    assert pods_of(manifests)
    assert [breaches(pod) for pod in pods_of(manifests)] == [[] for _ in pods_of(manifests)]


BREACHES: dict[str, Callable[[Manifest], object]] = {
    "hostNetwork is set": lambda spec: spec.update(hostNetwork=True),
    "volume host is of ['hostPath']": lambda spec: spec["volumes"].append(
        {"name": "host", "hostPath": {"path": "/"}}
    ),
    "consentry: may run as root": lambda spec: spec["securityContext"].update(runAsUser=0),
    "consentry: has no seccomp profile": lambda spec: spec["securityContext"].pop("seccompProfile"),
    "a token of the cluster's API is mounted": lambda spec: spec.pop(
        "automountServiceAccountToken"
    ),
    "consentry: may gain privileges": lambda spec: consentry_of({"spec": spec})[
        "securityContext"
    ].pop("allowPrivilegeEscalation"),
    "consentry: keeps capabilities": lambda spec: consentry_of({"spec": spec})[
        "securityContext"
    ].pop("capabilities"),
    "consentry: may write to its image": lambda spec: consentry_of({"spec": spec})[
        "securityContext"
    ].pop("readOnlyRootFilesystem"),
    "consentry: has no limit of memory": lambda spec: consentry_of({"spec": spec}).pop("resources"),
}


@pytest.mark.parametrize("said", BREACHES)
def test_standard_notices_a_pod_that_breaks_it(said: str, home: Path) -> None:
    pod = copy.deepcopy(pod_of(rendered(CHART / "examples" / "sidecar.yaml", home)))

    BREACHES[said](pod["spec"])

    assert said in breaches(pod)


def test_account_has_no_token(manifests: list[Manifest]) -> None:
    (account,) = of_kind(manifests, "ServiceAccount")

    assert account["automountServiceAccountToken"] is False
    assert pod_of(manifests)["spec"]["serviceAccountName"] == account["metadata"]["name"]


def test_probes_ask_ports_that_there_are_and_liveness_is_not_readiness(
    manifests: list[Manifest],
) -> None:
    container = consentry_of(pod_of(manifests))
    ports = {port["name"] for port in container["ports"]}
    probes = {n: container[n]["httpGet"] for n in ("startupProbe", "readinessProbe")}

    assert all(asked == {"path": "/readyz", "port": "http"} for asked in probes.values())
    assert container["livenessProbe"]["httpGet"] == {"path": "/livez", "port": "http"}
    assert "http" in ports


def test_sidecar_is_native_and_its_service_finds_the_socket(home: Path) -> None:
    pod = pod_of(rendered(CHART / "examples" / "sidecar.yaml", home))
    (sidecar,) = pod["spec"]["initContainers"]
    (service,) = pod["spec"]["containers"]
    mounts = {one["name"]: one["mountPath"] for one in service["volumeMounts"]}

    assert sidecar["restartPolicy"] == "Always"
    assert {"name": "CONSENTRY_TARGET", "value": "unix:/run/consentry/consentry.sock"} in (
        service["env"]
    )
    assert mounts["consentry-socket"] == "/run/consentry"
    assert "grpc" not in {port["name"] for port in sidecar["ports"]}


@pytest.mark.parametrize(
    ("words", "least_s"),
    [((), 15 + 0 + 5), (("--set=config.server.grace_s=60",), 15 + 0 + 60)],
)
def test_pod_has_time_for_the_service_and_then_for_the_drain(
    words: tuple[str, ...], least_s: int, home: Path
) -> None:
    pod = pod_of(rendered(CHART / "examples" / "sidecar.yaml", home, *words))

    assert pod["spec"]["terminationGracePeriodSeconds"] > least_s


def test_network_is_closed_but_for_what_is_named(home: Path) -> None:
    nothing = [f"--set-json=networkPolicy.{name}=[]" for name in ("metricsFrom", "dnsTo")]
    manifests = rendered(CHART / "examples" / "sidecar-own-ledger.yaml", home, *nothing)

    (policy,) = of_kind(manifests, "NetworkPolicy")

    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert not policy["spec"].get("ingress")
    assert not policy["spec"].get("egress")


def test_bundles_may_come_from_another_port(home: Path) -> None:
    example = CHART / "examples" / "sidecar.yaml"

    def ports(*words: str) -> set[int | str]:
        (policy,) = of_kind(rendered(example, home, *words), "NetworkPolicy")
        return {port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]}

    assert 443 in ports()
    assert ports("--set=networkPolicy.bundlePort=8443") == ports() - {443} | {8443}


def test_keys_of_the_preference_page_come_from_a_secret(values: Path, home: Path) -> None:
    volume = '[{"name": "links", "secret": {"secretName": "links", "defaultMode": 288}}]'
    mount = '[{"name": "links", "mountPath": "/etc/consentry/links", "readOnly": true}]'
    words = (f"--set-json=extraVolumes={volume}", f"--set-json=extraVolumeMounts={mount}")

    pod = pod_of(rendered(values, home, *words))

    assert json.loads(mount)[0] in consentry_of(pod)["volumeMounts"]
    assert json.loads(volume)[0] in pod["spec"]["volumes"]
    ours = [one for one in containers_of(pod) if one["name"] != "consentry"]
    assert all("links" not in {m["name"] for m in one["volumeMounts"]} for one in ours)


def test_everything_selects_the_pods_that_there_are(manifests: list[Manifest]) -> None:
    labels = pod_of(manifests)["metadata"]["labels"].items()
    selectors = [
        of_kind(manifests, "Service")[0]["spec"]["selector"],
        of_kind(manifests, "NetworkPolicy")[0]["spec"]["podSelector"]["matchLabels"],
        of_kind(manifests, "PodDisruptionBudget")[0]["spec"]["selector"]["matchLabels"],
        *(
            one["labelSelector"]["matchLabels"]
            for one in pod_of(manifests)["spec"]["topologySpreadConstraints"]
        ),
    ]
    (monitor,) = of_kind(manifests, "ServiceMonitor")
    (service,) = of_kind(manifests, "Service")

    assert all(selector.items() <= labels for selector in selectors)
    assert (
        monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    )
    assert monitor["spec"]["endpoints"][0]["port"] in {p["name"] for p in service["spec"]["ports"]}


def test_migration_of_a_node_can_reach_its_database(home: Path) -> None:
    """The hook of an upgrade runs while the policy of the release before is in force."""
    manifests = rendered(CHART / "examples" / "node.yaml", home)
    (job,) = of_kind(manifests, "Job")
    (policy,) = of_kind(manifests, "NetworkPolicy")

    selected = policy["spec"]["podSelector"]["matchLabels"].items()

    assert selected <= job["spec"]["template"]["metadata"]["labels"].items()
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"


def test_rules_and_dashboard_are_those_of_deploy(home: Path) -> None:
    manifests = rendered(CHART / "examples" / "node.yaml", home)
    (rule,) = of_kind(manifests, "PrometheusRule")
    (board,) = [
        one for one in of_kind(manifests, "ConfigMap") if "dashboard" in one["metadata"]["name"]
    ]
    deploy = ROOT / "deploy"

    assert rule["spec"] == yaml.safe_load((deploy / "prometheus" / "rules.yaml").read_text())
    shown = json.loads(board["data"]["consentry.json"])
    assert shown == json.loads((deploy / "grafana" / "consentry.json").read_text())


def operator_takes(manifest: Manifest) -> bool:
    """Whether the operator's own types know every key of the manifest, and take its values."""
    command = [go_program("crds"), manifest["kind"]]
    text = yaml.safe_dump(manifest)
    done = subprocess.run(command, input=text, text=True, capture_output=True, check=False)
    return done.returncode == 0


@pytest.mark.skipif(
    shutil.which("go") is None, reason="go is not installed; continuous integration has it"
)
def test_prometheus_operator_knows_every_key_of_what_is_for_it(home: Path) -> None:
    manifests = rendered(CHART / "examples" / "node.yaml", home)
    (monitor,) = of_kind(manifests, "ServiceMonitor")
    (rule,) = of_kind(manifests, "PrometheusRule")

    assert operator_takes(monitor)
    assert operator_takes(rule)
    monitor["spec"]["endpoints"][0]["intervall"] = monitor["spec"]["endpoints"][0].pop("interval")
    rule["spec"]["groups"][0]["rule"] = rule["spec"]["groups"][0].pop("rules")
    assert not operator_takes(monitor)
    assert not operator_takes(rule)


REFUSED = {
    "additional properties 'persistant' not allowed": ["--set=state.persistant=true"],
    "additional properties 'grace' not allowed": ["--set=config.server.grace=3"],
    "additional properties 'conninfo' not allowed": ["--set=config.ledger.conninfo=host=db"],
    "at '/mode'": ["--set=mode=daemon"],
    "at '/image/digest'": ["--set=image.digest=latest"],
    "give one of files, configMap and bundle.url": ["--set=policies.configMap=shop"],
    "a bundle needs to know whom to trust": ["--set=policies.bundle.trustedKeys="],
    "name the ledger nodes": ["--set-json=ledger.upstream=[]"],
    "name the Secret that tells how to reach PostgreSQL": ["--set=ledger.kind=postgres"],
    "an own ledger would go away with its pod": ["--set=ledger.kind=sqlite", "--set=replicas=1"],
    "belongs to one process": ["--set=ledger.kind=sqlite", "--set=state.persistent=true"],
    "the gRPC port needs TLS and config.identities": ["--set=mode=standalone"],
    "a node owns a ledger": ["--set=mode=node", "--set=insecureOffLoopback=true"],
}


@pytest.mark.parametrize("said", REFUSED)
def test_values_that_cannot_be_right_are_refused(said: str, home: Path) -> None:
    assert said in refusal(home, *REFUSED[said])


def test_policies_change_without_a_restart_and_settings_with_one(home: Path) -> None:
    example = CHART / "examples" / "sidecar-own-ledger.yaml"

    def template(*words: str) -> Any:
        return pod_of(rendered(example, home, *words))["metadata"]["annotations"]

    changed = "--set-string=policies.files.more\\.policy=# more"
    assert template(changed) == template()
    assert template("--set=config.cache.max_age_s=5") != template()


def test_packs_of_ones_own_lie_in_their_folder(home: Path) -> None:
    name = "policies.files.packs/house_law\\.policy"
    manifests = rendered(
        CHART / "examples" / "sidecar-own-ledger.yaml", home, f"--set-string={name}=# house"
    )
    (volume,) = [
        one for one in pod_of(manifests)["spec"]["volumes"] if one["name"] == "consentry-policies"
    ]
    (config,) = [
        one
        for one in of_kind(manifests, "ConfigMap")
        if one["metadata"]["name"].endswith("-policies")
    ]

    items = {item["path"]: item["key"] for item in volume["configMap"]["items"]}

    assert config["data"][items["packs/house_law.policy"]] == "# house"


def test_image_is_pinned_by_digest_where_there_is_one(home: Path) -> None:
    text = rendered_text(CHART / "examples" / "node.yaml", home)
    images = {
        one["image"] for pod in pods_of(yaml.safe_load_all(text)) for one in containers_of(pod)
    }

    assert len(images) == 1
    assert "@sha256:" in images.pop()


def test_chart_of_a_service_carries_the_sidecar_in_its_own_pod(tmp_path: Path) -> None:
    for folder in ("deploy/helm", "docs/examples/helm"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    example = tmp_path / "docs" / "examples" / "helm"
    built = run_helm("dependency", "build", example, home=tmp_path)
    assert built.returncode == 0, built.stderr

    manifests = rendered(example / "values.yaml", tmp_path, chart=example)

    assert breaches(pod_of(manifests)) == []
    assert kubernetes_validate(yaml.safe_dump_all(manifests), tmp_path).returncode == 0
    volumes = {one["name"] for one in pod_of(manifests)["spec"]["volumes"]}
    mounts = {m["name"] for one in containers_of(pod_of(manifests)) for m in one["volumeMounts"]}
    assert mounts <= volumes
