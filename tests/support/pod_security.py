"""The restricted Pod Security Standard and our own demands, held against rendered pods.

Source: the Pod Security Standards of the Kubernetes documentation, profile `restricted`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from tests.support.charts import Manifest, containers_of

_VOLUMES: Final = frozenset(
    {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
)
_HOST: Final = ("hostNetwork", "hostPID", "hostIPC")
_SECCOMP: Final = frozenset({"RuntimeDefault", "Localhost"})


def breaches(pod: Manifest) -> list[str]:
    """What a cluster that enforces `restricted` would refuse, and what we ask beyond it."""
    return [*_of_pod(pod["spec"]), *_beyond(pod["spec"])] + [
        f"{one['name']}: {said}"
        for one in containers_of(pod)
        for said in (*_of_container(one, pod["spec"]), *_beyond_of_container(one))
    ]


def _of_pod(spec: Manifest) -> Iterator[str]:
    yield from (f"{key} is set" for key in _HOST if spec.get(key))
    for volume in spec.get("volumes", []):
        kinds = set(volume) - {"name"}
        if not kinds <= _VOLUMES:
            yield f"volume {volume['name']} is of {sorted(kinds)}"
    if spec.get("securityContext", {}).get("sysctls"):
        yield "sysctls are set"


def _of_container(container: Manifest, spec: Manifest) -> Iterator[str]:
    own: dict[str, Any] = container.get("securityContext", {})
    effective = {**spec.get("securityContext", {}), **own}
    capabilities = own.get("capabilities", {})
    if own.get("privileged"):
        yield "is privileged"
    if own.get("allowPrivilegeEscalation") is not False:
        yield "may gain privileges"
    if "ALL" not in capabilities.get("drop", []):
        yield "keeps capabilities"
    if not set(capabilities.get("add", [])) <= {"NET_BIND_SERVICE"}:
        yield "adds capabilities"
    if effective.get("runAsNonRoot") is not True or effective.get("runAsUser") == 0:
        yield "may run as root"
    if effective.get("seccompProfile", {}).get("type") not in _SECCOMP:
        yield "has no seccomp profile"
    if own.get("procMount", "Default") != "Default":
        yield "shows more of /proc"
    if any("hostPort" in port for port in container.get("ports", [])):
        yield "takes a port of its host"


def _beyond(spec: Manifest) -> Iterator[str]:
    if spec.get("automountServiceAccountToken") is not False:
        yield "a token of the cluster's API is mounted"
    if spec.get("enableServiceLinks") is not False:
        yield "every Service of the namespace is told in the environment"


def _beyond_of_container(container: Manifest) -> Iterator[str]:
    if container.get("securityContext", {}).get("readOnlyRootFilesystem") is not True:
        yield "may write to its image"
    resources = container.get("resources", {})
    if not {"cpu", "memory"} <= resources.get("requests", {}).keys():
        yield "requests no cpu or memory"
    if "memory" not in resources.get("limits", {}):
        yield "has no limit of memory"
