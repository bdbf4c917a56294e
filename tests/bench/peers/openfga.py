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
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from tests.bench.equal_work import GROUP, REGIONS, Question
from tests.bench.h2 import Door
from tests.bench.peers import install
from tests.bench.peers.messages import message_classes, wait_for_http
from tests.support.ports import free_port

METHOD: Final = "/openfga.v1.OpenFGAService/Check"
TUPLES_A_WRITE: Final = 100
"""By its default configuration."""

_SHAPES: Final[dict[str, list[tuple[str, int, str, bool]]]] = {
    "TupleKey": [
        ("user", 1, "string", False), ("relation", 2, "string", False),
        ("object", 3, "string", False),
    ],
    "CheckRequest": [
        ("store_id", 1, "string", False),
        ("tuple_key", 2, "TupleKey", False),
        ("authorization_model_id", 4, "string", False),
        ("context", 6, "google.protobuf.Struct", False),
    ],
    "CheckResponse": [("allowed", 1, "bool", False)],
}  # fmt: skip
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
        self._shapes = message_classes("openfga", _SHAPES)

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


@contextmanager
def running(question: Question) -> Iterator[tuple[Door, OpenFgaWire]]:
    """The server with the shared policy in memory, the role of the question's caller included.

    Raises:
        PeerMissingError: it cannot be had here.
    """
    binary = install.openfga()
    grpc_at, http_at = (f"127.0.0.1:{free_port()}" for _ in range(2))
    command = [str(binary), "run", "--datastore-engine=memory", "--playground-enabled=false"]
    command += [f"--grpc-addr={grpc_at}", f"--http-addr={http_at}", "--log-level=error"]
    command += ["--metrics-enabled=false"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for_http(f"http://{http_at}/healthz", process)
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
