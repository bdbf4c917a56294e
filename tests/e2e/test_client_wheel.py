"""The client's own wheel, in an environment that has grpcio and protobuf and nothing else."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import venv
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STORY = """
import asyncio, sys
from importlib.metadata import distributions

from consentry.client import AsyncClient, CacheOptions, Client, apply, event, question, service
from consentry.client import asgi, interceptor
from consentry.client.testing import FakeSidecar

ASKED = dict(principal=service("mailer"), action="contact", data=["customer.email"],
             subject="ada", purpose="marketing", channel="email")
with FakeSidecar() as sidecar:
    sidecar.permit(data_subject="ada")
    with Client(sidecar.target, timeout_s=20, cache=CacheOptions()) as client:
        decision = client.check(**ASKED)
        assert decision.is_permitted
        assert apply(decision, {"email": "a", "name": "b"}) == {"email": "a"}
        assert [d.is_permitted for d in client.stream([question(**ASKED)] * 3)] == [True] * 3
        assert client.record_consent(event("withdrawn", "ada", purpose="marketing")) == 2

    async def story():
        async with AsyncClient(sidecar.target, timeout_s=20) as client:
            return await client.permits(**ASKED)

    assert asyncio.run(story())
print(" ".join(sorted(d.name.lower() for d in distributions())))
print(sys.modules["consentry"].__file__)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"]
    options = ["--no-deps", "--no-build-isolation", "--wheel-dir", str(folder)]
    subprocess.run([*command, *options, str(ROOT / "deploy" / "python-client")], check=True)
    (built,) = folder.glob("consentry_client-*.whl")
    return built


def install(name: str, site: Path) -> set[str]:
    """Copies an installed distribution and all it needs; gives their names."""
    found = distribution(name)
    for file in found.files or ():
        source, target = Path(str(found.locate_file(file))), site / file
        if ".." not in file.parts and source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    needed = {name}
    for requirement in found.requires or ():
        if ";" not in requirement:
            needed |= install(re.split(r"[^A-Za-z0-9_.-]", requirement)[0], site)
    return needed


def test_wheel_carries_client_and_protocol_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    rooms = {name.split("/")[1] for name in names if name.startswith("consentry/")}

    assert rooms == {"__init__.py", "py.typed", "client", "v1", "proto"}
    assert "consentry/proto/consentry/v1/authorization.proto" in names


def test_versions_of_both_wheels_agree() -> None:
    texts = [ROOT / "pyproject.toml", ROOT / "deploy" / "python-client" / "pyproject.toml"]
    told = {re.search(r'^version = "(.*)"$', t.read_text(), re.MULTILINE)[1] for t in texts}  # type: ignore[index]

    assert len(told) == 1


def test_client_works_with_grpcio_and_protobuf_alone(wheel: Path, tmp_path: Path) -> None:
    place = tmp_path / "venv"
    venv.create(place, with_pip=False, symlinks=True)
    (site,) = place.glob("lib/python*/site-packages")
    needed = install("grpcio", site) | install("protobuf", site)
    zipfile.ZipFile(wheel).extractall(site)

    done = subprocess.run(
        [str(place / "bin" / "python"), "-I", "-W", "error", "-c", STORY],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert done.returncode == 0, done.stderr
    installed, origin = done.stdout.splitlines()
    assert needed <= {"grpcio", "protobuf", "typing-extensions"}
    assert set(installed.replace("_", "-").split()) == {*needed, "consentry-client"}
    assert origin.startswith(str(site))
