"""The image's build steps, word for word but for places: there is no engine here that builds it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.tools import ROOT

DOCKERFILE = ROOT / "deploy" / "docker" / "Dockerfile"


def steps_of(stage: str) -> list[tuple[str, str]]:
    """Instructions of one stage as (word, rest), lines that go on put together."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    (body,) = re.findall(rf"^FROM \S+ AS {stage}\n(.*?)(?=^FROM )", text, re.MULTILINE | re.DOTALL)
    lines = [line for line in body.splitlines() if line.strip()]
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in lines]


def run_steps(stage: str, build: Path, opt: Path) -> None:
    """Does what a stage says, in two folders of this machine."""
    for word, rest in steps_of(stage):
        if word == "COPY":
            *sources, target = rest.split()
            for source in sources:
                place = build / target
                name = ROOT / source
                if name.is_dir():
                    shutil.copytree(name, place, dirs_exist_ok=True)
                else:
                    shutil.copy(name, place)
        elif word == "RUN":
            path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
            command = rest.replace("/opt/", f"{opt}/")
            done = subprocess.run(
                ["sh", "-ec", command],
                cwd=build,
                env=os.environ | {"PATH": path, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_copied_is_sent_to_the_build() -> None:
    sent = (ROOT / ".dockerignore").read_text().splitlines()
    copied = [
        source.removeprefix("./")
        for stage in ("build", "sbom")
        for word, rest in steps_of(stage)
        if word == "COPY"
        for source in rest.split()[:-1]
    ]

    assert copied
    assert sent[0] == "**"
    for source in copied:
        assert (ROOT / source).exists()
        assert any(source == line[1:] or source.startswith(line[1:] + "/") for line in sent[1:])


@pytest.mark.slow
def test_steps_install_the_program_and_list_it(tmp_path: Path) -> None:
    build, opt = tmp_path / "build", tmp_path / "opt"
    build.mkdir()
    opt.mkdir()

    run_steps("build", build, opt)
    run_steps("sbom", build, opt)

    program = opt / "consentry" / "bin"
    told = subprocess.run([program / "consentry", "version"], capture_output=True, check=False)
    assert told.returncode == 0, told.stderr
    assert not list(program.glob("pip*"))  # nothing that installs ships
    listed = json.loads((opt / "consentry.cdx.json").read_text())
    names = {one["name"].lower() for one in listed["components"]}
    assert {"grpcio", "lark", "cachetools"} <= names
    assert not {"pytest", "cyclonedx-bom", "pip"} & names
