"""Fetches the peers from their package registries, once, into `.bench/` of the checkout.

Nothing of this is needed to build or test the project; where a tool or a registry is missing the
peer is left out, and the report says so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from contextlib import suppress
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[3]
STORE: Final = ROOT / ".bench"
CERBOS: Final = "@cerbos/cerbos-linux-x64@0.55.0"
OPA: Final = "github.com/open-policy-agent/opa@v1.22.3"
OPENFGA: Final = "github.com/openfga/openfga/cmd/openfga@v1.22.1"
PYTHON_PEERS: Final = ("cedarpy==4.12.2", "casbin==1.43.0", "py-spy==0.4.3")


class PeerMissingError(Exception):
    """A peer cannot be had here; the text says why, in one line."""


def cerbos() -> Path:
    """The Cerbos binary, from npm.

    Raises:
        PeerMissingError: npm is missing or does not give it.
    """
    binary = STORE / "cerbos"
    if not binary.exists():
        if shutil.which("npm") is None:
            raise PeerMissingError("npm is not installed")
        STORE.mkdir(exist_ok=True)
        told = _run(["npm", "pack", CERBOS, "--silent"], cwd=STORE)
        archive = STORE / told.split()[-1]
        with tarfile.open(archive) as tar:
            member = next((m for m in tar if m.name.endswith("/cerbos-linux-x64")), None)
            source = tar.extractfile(member) if member is not None else None
            if source is None:
                raise PeerMissingError(f"{CERBOS} holds no binary")
            binary.write_bytes(source.read())
        binary.chmod(0o755)
        archive.unlink()
    return binary


def opa() -> Path:
    """The OPA binary, built from its module.

    Raises:
        PeerMissingError: Go is missing, or the build fails.
    """
    return _built("opa", OPA)


def openfga() -> Path:
    """The OpenFGA binary, built from its module.

    Raises:
        PeerMissingError: Go is missing, or the build fails.
    """
    return _built("openfga", OPENFGA)


def _built(name: str, module: str) -> Path:
    binary = STORE / name
    if not binary.exists():
        if shutil.which("go") is None:
            raise PeerMissingError("go is not installed")
        STORE.mkdir(exist_ok=True)
        _run(["go", "install", module], env=os.environ | {"GOBIN": str(STORE)})
    return binary


def python() -> Path:
    """A Python that has the engines which are Python packages.

    Raises:
        PeerMissingError: they cannot be installed.
    """
    venv = STORE / "venv"
    binary = venv / "bin" / "python"
    stamp = venv / ".installed"
    if not stamp.exists() or stamp.read_text() != " ".join(PYTHON_PEERS):
        _run([sys.executable, "-m", "venv", str(venv)])
        _run([str(binary), "-m", "pip", "install", "--quiet", *PYTHON_PEERS])
        stamp.write_text(" ".join(PYTHON_PEERS))
    return binary


def fetch_all() -> None:
    """Fetches all, so that no measurement waits for it; who cannot be had is told where missed."""
    for fetch in (cerbos, opa, openfga, python):
        with suppress(PeerMissingError):
            fetch()


def _run(command: list[str], *, cwd: Path = ROOT, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        raise PeerMissingError(f"`{' '.join(command[:3])}` failed: {last[:200]}")
    return done.stdout
