"""What figures were made of: the machine, the versions, the state of the code."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from tests.bench.measure import usable_cores

ROOT = Path(__file__).resolve().parents[2]


def about(*, is_quick: bool) -> dict[str, object]:
    """Facts beside the figures; nothing that names one machine or person."""
    return {
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "is_quick": is_quick,
        "commit": _commit(),
        "machine": f"{len(usable_cores())} cores, {_processor()}",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "grpcio": version("grpcio"),
        "protobuf": version("protobuf"),
        "load_before": round(os.getloadavg()[0], 2),
    }


def _processor() -> str:
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return found.group(1) if found else platform.machine()


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip()
