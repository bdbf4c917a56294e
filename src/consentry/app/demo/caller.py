"""A department's service: asks the sidecar over gRPC with the client library.

Runs as a process of its own: `python -m consentry.app.demo.caller TARGET`. One line of JSON in is
one thing to do, one line out is what came of it. Reloading is for the privacy office; it has no
place in a service's client library and goes over the generated stub.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import grpc

from consentry.client import Client, Decision, Principal, Subject, apply, event
from consentry.client.questions import question
from consentry.v1 import policy_pb2, policy_pb2_grpc

# A story must not fail because a busy machine took a moment; a service would say less.
_TIMEOUT_S: Final = 10.0


def main() -> int:
    """Does what it is told until its input ends."""
    target = sys.argv[1]
    with Client(target, timeout_s=_TIMEOUT_S, on_error="raise") as client:
        service = Service(client, target)
        for line in sys.stdin:
            order = json.loads(line)
            try:
                answer = service.do(order["verb"], order["words"])
            except Exception as problem:  # noqa: BLE001 - the story tells it and ends
                answer = {"error": f"{type(problem).__name__}: {problem}"}
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()
    return 0


class Service:
    """What a department can do."""

    def __init__(self, client: Client, target: str) -> None:
        self._client: Final = client
        self._target: Final = target
        self._verbs: Final[Mapping[str, Callable[..., dict[str, Any]]]] = {
            "hello": lambda: {"process_id": os.getpid()},
            "check": self._check,
            "apply": self._apply,
            "record": self._record,
            "reload": self._reload,
            "batch": self._batch,
            "measure": self._measure,
        }

    def do(self, verb: str, words: dict[str, Any]) -> dict[str, Any]:
        """One thing, and what came of it."""
        return self._verbs[verb](**words)

    def _check(self, **words: Any) -> dict[str, Any]:
        return _told(self._client.check(**fields_of(words)))

    def _apply(self, record: dict[str, Any], **words: Any) -> dict[str, Any]:
        return {"record": apply(self._client.check(**fields_of(words)), record)}

    def _record(
        self, *, kind: str, data_subject: str, purpose: str, method: str, key: str, notice: str = ""
    ) -> dict[str, Any]:
        told = event(
            kind,
            data_subject,
            purpose=purpose,
            notice=notice,
            proof_method=method,
            idempotency_key=key,
        )
        return {"position": self._client.record_consent(told)}

    def _reload(self) -> dict[str, Any]:
        with grpc.insecure_channel(self._target) as channel:
            stub = policy_pb2_grpc.PolicyServiceStub(channel)
            told = stub.ReloadPolicies(policy_pb2.ReloadPoliciesRequest(), timeout=30)
        return {
            "is_reloaded": told.is_reloaded,
            "digest": told.digest,
            "diagnostics": [
                {"code": d.code, "file": d.file, "line": d.line, "rendered": d.rendered}
                for d in told.diagnostics
            ],
        }

    def _batch(self, count: int, words: dict[str, Any]) -> dict[str, Any]:
        questions = [
            question(**fields_of({**words, "subject": f"customer-{number}"}))
            for number in range(count)
        ]
        began_s = time.perf_counter()
        answers = self._client.check_batch(questions)
        took_s = time.perf_counter() - began_s
        return {
            "count": len(answers),
            "permitted": sum(answer.is_permitted for answer in answers),
            "digests": len({answer.policy_digest for answer in answers}),
            "positions": len({answer.ledger_position for answer in answers}),
            "micros_each": took_s * 1e6 / count,
        }

    def _measure(self, count: int, words: dict[str, Any]) -> dict[str, Any]:
        fields = fields_of(words)
        took_us = []
        for _ in range(count):
            began_ns = time.perf_counter_ns()
            self._client.check(**fields)
            took_us.append((time.perf_counter_ns() - began_ns) / 1000)
        cuts = statistics.quantiles(took_us, n=100)
        return {"count": len(took_us), "p50_us": cuts[49], "p99_us": cuts[98]}


def fields_of(words: Mapping[str, Any]) -> dict[str, Any]:
    """The client's own values from plain JSON."""
    fields = dict(words)
    kind, _, name = fields.pop("principal").partition(":")
    fields["principal"] = Principal(id=name, type=kind, roles=tuple(fields.pop("roles", ())))
    attributes = fields.pop("subject_attributes", {})
    fields["subject"] = Subject(id=fields["subject"], attributes=attributes)
    return fields


def _told(decision: Decision) -> dict[str, Any]:
    until = decision.valid_until
    return {
        "is_permitted": decision.is_permitted,
        "reason": decision.reason,
        "masks": {
            field.data: f"{field.mask.function} {field.mask.argument or ''}".strip()
            for field in decision.fields
            if field.mask is not None
        },
        "obligations": [obligation.name for obligation in decision.obligations],
        "valid_until": f"{until:%H:%M:%S} UTC" if until is not None else "for ever",
        "digest": decision.policy_digest,
        "ledger_position": decision.ledger_position,
    }


if __name__ == "__main__":
    sys.exit(main())
