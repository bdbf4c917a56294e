"""A rendered pod on this machine: the container's own words, files and environment, no cluster.

What a container says holds, but for places: each volume is a folder of this machine, and a port
is any free one.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.support.charts import Manifest, consentry_of, of_kind, pod_of, pods_of
from tests.support.sidecar import Heard, stop, wait_for_event

Secrets = Mapping[str, Mapping[str, str]]
_ANY_PORT: Final = re.compile(r"\b0\.0\.0\.0:\d+")


@dataclass(frozen=True, slots=True)
class RunningPod:
    """The program of a pod, what it said when it was ready, and where its volumes are."""

    process: subprocess.Popen[str]
    heard: Heard
    ready: dict[str, Any]
    places: Mapping[str, Path]

    @property
    def grpc(self) -> str:
        """Its door for checks, as this machine reaches it."""
        return str(self.ready["grpc"]).replace("0.0.0.0", "127.0.0.1")

    @property
    def http(self) -> str:
        """Its door for metrics and health."""
        return str(self.ready["http"]).replace("0.0.0.0", "127.0.0.1")


def _config_maps(manifests: Iterable[Manifest]) -> dict[str, Mapping[str, str]]:
    return {one["metadata"]["name"]: one["data"] for one in of_kind(manifests, "ConfigMap")}


def _files_of(volume: Manifest, maps: Secrets, secrets: Secrets) -> dict[str, str]:
    """The files that a volume brings with it, by their paths in it."""
    if "secret" in volume:
        return dict(secrets[volume["secret"]["secretName"]])
    if "configMap" not in volume:
        return {}
    data = maps[volume["configMap"]["name"]]
    items = volume["configMap"].get("items")
    return {one["path"]: data[one["key"]] for one in items} if items else dict(data)


class _Machine:
    """Folders for a pod's volumes, and its words with them in the place of mounts."""

    def __init__(self, manifests: list[Manifest], folder: Path, secrets: Secrets) -> None:
        pod, maps = pod_of(manifests)["spec"], _config_maps(manifests)
        claims = [
            {"name": claim["metadata"]["name"]}
            for one in of_kind(manifests, "StatefulSet")
            for claim in one["spec"].get("volumeClaimTemplates", [])
        ]
        volumes = {one["name"]: one for one in (*pod["volumes"], *claims)}
        self.container = consentry_of(pod_of(manifests))
        self.places: dict[str, Path] = {}
        for mount in self.container["volumeMounts"]:
            place = folder / str(len(self.places))  # short: a socket's path is
            inside = mount.get("subPath", "")
            self.places[mount["mountPath"]] = place / inside
            place.mkdir(parents=True)
            volume = volumes[mount["name"]]
            for path, text in _files_of(volume, maps, secrets).items():
                (place / path).parent.mkdir(parents=True, exist_ok=True)
                (place / path).write_text(text)
                (place / path).chmod(volume.get("secret", {}).get("defaultMode", 0o644))
        for path in folder.rglob("*.toml"):
            path.write_text(self.placed(path.read_text()))

    def placed(self, text: str) -> str:
        longest_first = sorted(self.places, key=len, reverse=True)
        mounts = re.compile("|".join(re.escape(mount) for mount in longest_first))
        text = mounts.sub(lambda found: str(self.places[found.group()]), text)
        return _ANY_PORT.sub("0.0.0.0:0", text)


def _environment(container: Manifest, secrets: Secrets) -> dict[str, str]:
    own = {k: v for k, v in os.environ.items() if not k.startswith("CONSENTRY_")}
    for one in container.get("env", []):
        if "value" in one:
            own[one["name"]] = one["value"]
        else:
            asked = one["valueFrom"]["secretKeyRef"]
            own[one["name"]] = secrets[asked["name"]][asked["key"]]
    return own


@contextmanager
def running_pod(
    manifests: list[Manifest], *flags: str, secrets: Secrets | None = None
) -> Iterator[RunningPod]:
    """The program of the one workload, once it is ready; `flags` are said besides."""
    with tempfile.TemporaryDirectory(prefix="pod-") as folder:
        machine = _Machine(manifests, Path(folder), secrets or {})
        words = [machine.placed(word) for word in machine.container["args"]]
        process = subprocess.Popen(
            [sys.executable, "-m", "consentry.app", *words, *flags],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=_environment(machine.container, secrets or {}),
            cwd=folder,
        )
        heard: Heard | None = None
        try:
            ready = wait_for_event(process, "ready")
            heard = Heard(process)
            yield RunningPod(process, heard, ready, machine.places)
        finally:
            stop(process)
            if heard is not None:
                heard.end()
            elif process.stdout is not None:
                process.stdout.close()


def run_hook(manifests: list[Manifest], secrets: Secrets) -> subprocess.CompletedProcess[str]:
    """Runs the one Job of a release to its end."""
    (job,) = pods_of(of_kind(manifests, "Job"))
    (container,) = job["spec"]["containers"]
    return subprocess.run(
        [sys.executable, "-m", "consentry.app", *container["args"]],
        capture_output=True,
        text=True,
        check=False,
        env=_environment(container, secrets),
    )
