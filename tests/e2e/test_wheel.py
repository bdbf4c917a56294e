"""The wheel carries what users need, and callers need nothing but grpcio and protobuf."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

ONLY_GRPC_AND_PROTOBUF = """
import sys
from importlib.machinery import PathFinder

class Refuse:
    names = {"lark", "cachetools", "prometheus_client", "apsw", "pydantic", "pydantic_settings",
             "starlette", "uvicorn", "grpc_health", "grpc_reflection", "grpc_status"}
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in self.names or name.startswith("google.rpc"):
            raise ImportError(f"a caller must not need {name}")
        return None

sys.meta_path.insert(0, Refuse())
sys.path.insert(0, sys.argv[1])
import consentry.client
import consentry.v1.authorization_pb2_grpc
import consentry.v1.consent_pb2_grpc
import consentry.v1.policy_pb2_grpc
assert consentry.client.__file__.startswith(sys.argv[1]), consentry.client.__file__
ours = {name.split(".")[1] for name in sys.modules if name.startswith("consentry.")}
assert ours == {"client", "v1"}, ours
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"]
    options = ["--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run([*command, *options], check=True)
    (built,) = folder.glob("consentry-*.whl")
    return built


def test_wheel_carries_protos_packs_types_and_grammar(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())

    expected = {
        "consentry/py.typed",
        "consentry/proto/consentry/v1/authorization.proto",
        "consentry/proto/consentry/v1/consent.proto",
        "consentry/packs/core.policy",
        "consentry/packs/strict.policy",
        "consentry/lang/grammar.lark",
        "consentry/v1/authorization_pb2.pyi",
    }
    assert expected <= names
    assert any(name.startswith("consentry/consent/migrations/") for name in names)
    assert not any(name.startswith(("tests/", "policies/")) for name in names)


def test_wheel_names_the_command(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (entry_points,) = [n for n in archive.namelist() if n.endswith("entry_points.txt")]

    assert "consentry = consentry.app.main:main" in archive.read(entry_points).decode()


def test_client_from_the_wheel_needs_only_grpcio_and_protobuf(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    command = [sys.executable, "-c", ONLY_GRPC_AND_PROTOBUF, str(tmp_path)]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
