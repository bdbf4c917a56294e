"""OpenFGA: the real server over gRPC, asked in its own protocol. Of the Zanzibar family.

Its model speaks of relations: who has a role reads a category, on a condition that holds the
purpose, the region and the consent. So a rule is one tuple with its purpose as context, and a check
walks from the category over the role to the person. The few messages that are needed are described
here by name and number, as its published protocol has them.

Source: openfga.v1.OpenFGAService/Check, and its HTTP API for the store, the model and the tuples.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, struct_pb2

from tests.bench.equal_work import GROUP, REGIONS, Question
from tests.bench.h2 import Door
from tests.bench.peers import install
from tests.support.ports import free_port

METHOD: Final = "/openfga.v1.OpenFGAService/Check"
TUPLES_A_WRITE: Final = 100
"""By its default configuration."""

_THIS: Final[dict[str, Any]] = {"this": {}}
MODEL: Final[dict[str, Any]] = {
    "schema_version": "1.1",
    "type_definitions": [
        {"type": "user"},
        {
            "type": "role",
            "relations": {"member": _THIS},
            "metadata": {
                "relations": {"member": {"directly_related_user_types": [{"type": "user"}]}}
            },
        },
        {
            "type": "category",
            "relations": {"reader": _THIS},
            "metadata": {
                "relations": {
                    "reader": {
                        "directly_related_user_types": [
                            {"type": "role", "relation": "member", "condition": "granted"}
                        ]
                    }
                }
            },
        },
    ],
    "conditions": {
        "granted": {
            "name": "granted",
            "expression": f"purpose == granted_for && region in {json.dumps(REGIONS)} && consent",
            "parameters": {
                "granted_for": {"type_name": "TYPE_NAME_STRING"},
                "purpose": {"type_name": "TYPE_NAME_STRING"},
                "region": {"type_name": "TYPE_NAME_STRING"},
                "consent": {"type_name": "TYPE_NAME_BOOL"},
            },
        }
    },
}


class OpenFgaWire:
    """Questions and answers in its protocol."""

    def __init__(self, store: str, model: str) -> None:
        self._store, self._model = store, model
        self._shapes = _messages()

    def question(self, question: Question) -> bytes:
        """The question as bytes."""
        request = self._shapes["CheckRequest"](store_id=self._store)
        request.authorization_model_id = self._model
        asked = request.tuple_key
        asked.user, asked.relation = "user:caller-1", "reader"
        asked.object = f"category:{question.category}"
        request.context.update(
            {
                "purpose": question.purpose,
                "region": question.region,
                "consent": question.has_consent,
            }
        )
        raw: bytes = request.SerializeToString()
        return raw

    def is_permitted(self, answer: bytes) -> bool:
        """Whether the answer is yes."""
        return bool(self._shapes["CheckResponse"].FromString(answer).allowed)


def _messages() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(
        name="bench/openfga.proto", package="bench.openfga", syntax="proto3",
        dependency=["google/protobuf/struct.proto"],
    )  # fmt: skip
    field = descriptor_pb2.FieldDescriptorProto
    shapes: dict[str, list[tuple[str, int, str]]] = {
        "TupleKey": [("user", 1, ""), ("relation", 2, ""), ("object", 3, "")],
        "CheckRequest": [
            ("store_id", 1, ""),
            ("tuple_key", 2, ".bench.openfga.TupleKey"),
            ("authorization_model_id", 4, ""),
            ("context", 6, ".google.protobuf.Struct"),
        ],
        "CheckResponse": [("allowed", 1, "bool")],
    }
    for name, fields in shapes.items():
        message = file.message_type.add(name=name)
        for field_name, number, kind in fields:
            added = message.field.add(name=field_name, number=number, label=field.LABEL_OPTIONAL)
            if kind.startswith("."):
                added.type, added.type_name = field.TYPE_MESSAGE, kind
            else:
                added.type = field.TYPE_BOOL if kind == "bool" else field.TYPE_STRING
    pool = descriptor_pool.DescriptorPool()
    shared = descriptor_pb2.FileDescriptorProto()
    struct_pb2.DESCRIPTOR.CopyToProto(shared)
    pool.Add(shared)
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"bench.openfga.{name}"))
        for name in shapes
    }


@contextmanager
def running(question: Question) -> Iterator[tuple[Door, OpenFgaWire]]:
    """The server with the shared policy in memory, the role of the question's caller included.

    Raises:
        PeerMissingError: it cannot be had here.
    """
    binary = install.openfga()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        grpc_at, http_at = (f"127.0.0.1:{free_port()}" for _ in range(2))
        command = [str(binary), "run", "--datastore-engine=memory", "--playground-enabled=false"]
        command += [f"--grpc-addr={grpc_at}", f"--http-addr={http_at}", "--log-level=error"]
        command += ["--metrics-enabled=false"]
        with Path(folder, "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            _wait(f"http://{http_at}/healthz", process, Path(folder, "log"))
            store = _ask(f"http://{http_at}/stores", {"name": "bench"})["id"]
            at = f"http://{http_at}/stores/{store}"
            model = _ask(f"{at}/authorization-models", MODEL)["authorization_model_id"]
            _write(at, model, question)
            yield Door(address=grpc_at, path=METHOD, pid=process.pid), OpenFgaWire(store, model)
        finally:
            process.kill()
            process.wait()


def _write(at: str, model: str, question: Question) -> None:
    tuples: list[dict[str, Any]] = [
        {
            "user": f"role:r{number}#member",
            "relation": "reader",
            "object": f"category:c{number // GROUP}",
            "condition": {"name": "granted", "context": {"granted_for": f"p{number}"}},
        }
        for number in range(question.rule_count)
    ]
    tuples.append(
        {"user": "user:caller-1", "relation": "member", "object": f"role:{question.role}"}
    )
    for start in range(0, len(tuples), TUPLES_A_WRITE):
        keys = {"tuple_keys": tuples[start : start + TUPLES_A_WRITE]}
        _ask(f"{at}/write", {"writes": keys, "authorization_model_id": model})


def _ask(url: str, body: dict[str, Any]) -> dict[str, Any]:
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(url, data=json.dumps(body).encode(), headers=headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        told: dict[str, Any] = json.loads(answer.read() or b"{}")
        return told


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise install.PeerMissingError(f"it did not start: {log.read_text()[-200:].strip()}")
