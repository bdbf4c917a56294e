"""The command lines of the image and of the pod, word for word but for places, start a sidecar."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from test_deploy import ROOT, image_command, sidecar_container


def placed(word: str, folder: Path) -> str:
    """The same word with this machine's folders and any free port."""
    word = word.replace("/etc/consentry/policies", str(ROOT / "policies"))
    word = word.replace("/var/lib/consentry", str(folder / "state"))
    word = word.replace("/run/consentry", str(folder))
    return re.sub(r"(0\.0\.0\.0):\d+", r"\1:0", word)


def wait_until_ready(sidecar: subprocess.Popen[str]) -> dict[str, str]:
    assert sidecar.stdout is not None
    for line in sidecar.stdout:
        told: dict[str, str] = json.loads(line)
        if told["event"] == "ready":
            return told
    raise AssertionError(sidecar.communicate()[1])


@pytest.mark.parametrize(
    "words", [image_command(), sidecar_container()["args"]], ids=["image", "pod"]
)
def test_deployed_command_line_gets_ready_and_leaves_with_zero(
    words: list[str], tmp_path: Path
) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CONSENTRY_")}
    command = [sys.executable, "-m", "consentry.app", *(placed(word, tmp_path) for word in words)]
    with subprocess.Popen(
        [*command, "--allow-ephemeral-ledger", "--drain-delay-s", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as sidecar:
        try:
            ready = wait_until_ready(sidecar)
            port = ready["http"].rpartition(":")[2]
            url = f"http://127.0.0.1:{port}/readyz"
            with urllib.request.urlopen(url, timeout=20) as answer:
                assert answer.status == 200
            sidecar.terminate()
            sidecar.communicate(timeout=30)
        finally:
            sidecar.kill()

    assert sidecar.returncode == 0
