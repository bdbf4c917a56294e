"""Cerbos: the real server over gRPC, asked in its own protocol.

The few messages that are needed are described here by name and number, as its published protocol
has them, so that no code of its needs to be generated.

Source: cerbos.svc.v1.CerbosService/CheckResources.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import grpc

from tests.bench.equal_work import Question, write_cerbos
from tests.bench.h2 import Door
from tests.bench.measure import has_time
from tests.bench.peers import install
from tests.bench.peers.messages import message_classes
from tests.support.ports import free_port

METHOD: Final = "/cerbos.svc.v1.CerbosService/CheckResources"
MAX_BATCH: Final = 50
"""Resources in one call, by its default configuration; above that it refuses."""
ALLOW: Final = 1
START_S_A_RULE: Final = 0.027
"""It compiles the condition of each rule when it starts; processor time of that, as measured."""
SHORT_START_S: Final = 60.0
LONGEST_START_S: Final = 900.0

_SHAPES: Final[dict[str, list[tuple[str, int, str, bool]]]] = {
    "Principal": [
        ("id", 1, "string", False), ("roles", 3, "string", True), ("attr", 4, "Attr", True),
    ],
    "Resource": [
        ("kind", 1, "string", False), ("id", 3, "string", False), ("attr", 4, "Attr", True),
    ],
    "Attr": [("key", 1, "string", False), ("value", 2, "google.protobuf.Value", False)],
    "Entry": [("actions", 1, "string", True), ("resource", 2, "Resource", False)],
    "Request": [("principal", 3, "Principal", False), ("resources", 4, "Entry", True)],
    "Effect": [("key", 1, "string", False), ("value", 2, "int32", False)],
    "Result": [("actions", 2, "Effect", True)],
    "Response": [("results", 2, "Result", True)],
}  # fmt: skip


class CerbosWire:
    """Questions and answers in its protocol."""

    def __init__(self) -> None:
        self._shapes = message_classes("cerbos", _SHAPES)

    def question(self, question: Question, *, copies: int = 1) -> bytes:
        """The question as bytes; `copies` asks about as many records in one call."""
        request = self._shapes["Request"]()
        request.principal.id = "caller-1"
        request.principal.roles.append(question.role)
        request.principal.attr.add(key="region").value.string_value = question.region
        for number in range(copies):
            entry = request.resources.add()
            entry.actions.append("read")
            entry.resource.kind, entry.resource.id = question.category, f"record-{number:08d}"
            entry.resource.attr.add(key="purpose").value.string_value = question.purpose
            entry.resource.attr.add(key="consent").value.bool_value = question.has_consent
        raw: bytes = request.SerializeToString()
        return raw

    def is_permitted(self, answer: bytes) -> bool:
        """Whether every record of the answer may be read."""
        effects = [
            effect.value
            for result in self._shapes["Response"].FromString(answer).results
            for effect in result.actions
        ]
        return bool(effects) and all(effect == ALLOW for effect in effects)


@contextmanager
def running(rule_count: int) -> Iterator[Door]:
    """The server with a set of `rule_count` rules, audit and telemetry off.

    Raises:
        PeerMissingError: it cannot be had here, or there is no time to wait for its start.
    """
    binary = install.cerbos()
    if (start_s := rule_count * START_S_A_RULE) > SHORT_START_S and not has_time(start_s):
        raise install.PeerMissingError(
            f"it compiles each rule's condition when it starts, which takes about {start_s:.0f} s"
            " and longer than there is: --patient waits for it"
        )
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        write_cerbos(rule_count, Path(folder, "policies"))
        port, http = free_port(), free_port()
        flags = [
            f"server.grpcListenAddr=127.0.0.1:{port}",
            f"server.httpListenAddr=127.0.0.1:{http}",
            "storage.driver=disk",
            f"storage.disk.directory={folder}/policies",
            "storage.disk.watchForChanges=false",
            "telemetry.disabled=true",
        ]
        command = [str(binary), "server", "--log-level=error"]
        command += [f"--set={flag}" for flag in flags]
        with Path(folder, "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            _wait(f"127.0.0.1:{port}", process, Path(folder, "log"))
            yield Door(address=f"127.0.0.1:{port}", path=METHOD, pid=process.pid)
        finally:
            process.kill()
            process.wait()


def _wait(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + LONGEST_START_S
    with grpc.insecure_channel(address) as channel:
        ready = grpc.channel_ready_future(channel)
        while time.monotonic() < end and process.poll() is None:
            try:
                ready.result(timeout=0.5)
            except grpc.FutureTimeoutError:
                continue
            return
    told = log.read_text()[-200:].strip()
    raise install.PeerMissingError(f"it did not start: {told or 'it was waited for in vain'}")
