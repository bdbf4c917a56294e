"""Load from h2load: a native generator, so that the client is not what is measured.

h2load does not look at `grpc-status`, so callers ask once before and once after, and the bytes that
came back are held against what a right answer has.

Source: h2load(1), package nghttp2-client.
"""

from __future__ import annotations

import re
import shutil
import statistics
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench.measure import process_cpu_ns

GRPC_HEADERS: Final = ("content-type: application/grpc", "te: trailers")
_DONE: Final = re.compile(r"requests: (\d+) total, .* (\d+) succeeded, (\d+) failed, (\d+) errored")
_DATA: Final = re.compile(r"\((\d+)\) data")


class LoadError(Exception):
    """The load did not run as it should; the figures would mean nothing."""


def is_there() -> bool:
    """Whether the generator is installed."""
    return shutil.which("h2load") is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Where calls go: an address (`host:port` or `unix:path`), a path, and the server's process."""

    address: str
    path: str
    pid: int
    is_grpc: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadResult:
    """What a load cost the server and what its callers saw."""

    calls: int
    server_us: float
    p50_us: float
    p99_us: float
    p999_us: float
    calls_per_s: float


def framed(message: bytes) -> bytes:
    """One gRPC message as it stands in a stream: a zero, its length, itself."""
    return b"\0" + len(message).to_bytes(4, "big") + message


def load(
    door: Door,
    body: bytes,
    *,
    calls: int,
    connections: int = 1,
    streams: int = 1,
    calls_per_s: int | None = None,
    answer_bytes: int = 0,
) -> LoadResult:
    """Sends `body` again and again: closed loop, or open loop at `calls_per_s` in all.

    Raises:
        LoadError: a call failed, or answers were shorter than `answer_bytes`.
    """
    with tempfile.TemporaryDirectory() as folder:
        file, log = Path(folder, "body"), Path(folder, "log")
        file.write_bytes(framed(body) if door.is_grpc else body)
        command = ["h2load", "-d", str(file), "--log-file", str(log)]
        command += ["-c", str(connections), "-m", str(streams), "-t", "1"]
        if calls_per_s is None:
            command += ["-n", str(calls)]
        else:
            per_connection = max(1, calls_per_s // connections)
            command += ["--rps", str(per_connection), "-n", str(calls)]
        if door.is_grpc:
            command += [part for header in GRPC_HEADERS for part in ("-H", header)]
        else:
            command += ["--h1", "-H", "content-type: application/json"]
        command += _target(door)
        before = process_cpu_ns(door.pid)
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        spent_ns = process_cpu_ns(door.pid) - before
        return _read(done.stdout + done.stderr, log, spent_ns, answer_bytes)


def _target(door: Door) -> list[str]:
    if door.address.startswith("unix:"):
        return ["-B", door.address, f"http://localhost{door.path}"]
    return [f"http://{door.address}{door.path}"]


def _read(told: str, log: Path, spent_ns: int, answer_bytes: int) -> LoadResult:
    found, data = _DONE.search(told), _DATA.search(told)
    if found is None or data is None:
        raise LoadError(f"h2load said:\n{told}")
    total, succeeded, failed, errored = map(int, found.groups())
    if not total or succeeded != total or failed or errored:
        raise LoadError(f"{succeeded} of {total} calls succeeded:\n{told}")
    if int(data.group(1)) < total * answer_bytes:
        raise LoadError(f"{total} answers had {data.group(1)} bytes in all")
    rows = [line.split("\t") for line in log.read_text().splitlines()]
    if any(row[1] != "200" for row in rows):
        raise LoadError("a call was answered with another status than 200")
    took = sorted(int(row[2]) for row in rows)
    ends = [int(row[0]) + int(row[2]) for row in rows]
    seconds = (max(ends) - min(int(row[0]) for row in rows)) / 1e6
    return LoadResult(
        calls=total,
        server_us=spent_ns / 1000 / total,
        p50_us=statistics.median(took),
        p99_us=took[min(len(took) - 1, len(took) * 99 // 100)],
        p999_us=took[min(len(took) - 1, len(took) * 999 // 1000)],
        calls_per_s=total / seconds if seconds else 0.0,
    )
