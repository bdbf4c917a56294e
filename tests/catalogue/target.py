"""A real sidecar that bad inputs are thrown at, and what must hold of it after each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2

from consentry.v1 import authorization_pb2, decision_pb2, policy_pb2
from tests.bench.requests import newsletter_check
from tests.bench.unary import record_consent
from tests.support.sidecar import RunningSidecar, running_sidecar

AUTHORIZATION: Final = "/consentry.v1.AuthorizationService/"
CONSENT: Final = "/consentry.v1.ConsentService/"
POLICY: Final = "/consentry.v1.PolicyService/"
CHECK: Final = AUTHORIZATION + "Check"
HEALTH: Final = "/grpc.health.v1.Health/Check"
CANARY: Final = "canary7f3a91"
"""Stands in what callers send of people; nothing that the sidecar says may hold it."""

Metadata = tuple[tuple[str, str | bytes], ...]


@dataclass(frozen=True, slots=True)
class Told:
    """What came back: a status, what it says of which field, and the answer's bytes."""

    code: str
    violations: tuple[str, ...] = ()
    details: str = ""
    answer: bytes = b""


@dataclass(frozen=True, slots=True)
class Standing:
    """What no bad input may move."""

    position: int
    digest: str


class Target:
    """One sidecar, one caller."""

    def __init__(self, sidecar: RunningSidecar, channel: grpc.Channel, policies: Path) -> None:
        self.sidecar, self.channel, self.policies = sidecar, channel, policies

    def call(self, method: str, raw: bytes, metadata: Metadata = (), timeout: float = 20) -> Told:
        """What a call comes to."""
        try:
            answer = self.channel.unary_unary(method)(raw, metadata=metadata, timeout=timeout)
        except grpc.RpcError as problem:
            return Told(
                code=problem.code().name,
                violations=violations_of(problem),
                details=f"{problem.details()} {problem.trailing_metadata()}",
            )
        return Told(code="OK", answer=answer)

    def standing(self) -> Standing:
        """Where ledger and policies stand, told by a good answer.

        Raises:
            AssertionError: the good question is not answered as ever, or health is not well.
        """
        told = self.call(CHECK, newsletter_check())
        assert told.code == "OK", told
        answer = authorization_pb2.CheckResponse.FromString(told.answer)
        assert answer.effect == decision_pb2.EFFECT_PERMIT, answer.reason
        health = self.call(HEALTH, b"")
        status = health_pb2.HealthCheckResponse.FromString(health.answer).status
        assert status == health_pb2.HealthCheckResponse.SERVING
        assert self.sidecar.process.poll() is None
        return Standing(answer.moment.ledger_position, answer.policy_digest)

    @contextmanager
    def unharmed(self, *, events: int = 0) -> Iterator[None]:
        """Asserts that in the end the sidecar stands as it stood, but for `events` recorded."""
        before = self.standing()
        yield
        after = self.standing()
        assert after == Standing(before.position + events, before.digest)

    def reload(self) -> Any:
        """What a reload says."""
        told = self.call(POLICY + "ReloadPolicies", b"")
        assert told.code == "OK", told
        return policy_pb2.ReloadPoliciesResponse.FromString(told.answer)


def violations_of(problem: grpc.RpcError) -> tuple[str, ...]:
    """`field: code` of each violation, or the reason of a plain error."""
    found = []
    for key, value in problem.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            for detail in status_pb2.Status.FromString(value).details:
                bad, info = error_details_pb2.BadRequest(), error_details_pb2.ErrorInfo()
                if detail.Unpack(bad):
                    found += [f"{v.field}: {v.reason}" for v in bad.field_violations]
                elif detail.Unpack(info):
                    found.append(info.reason)
    return tuple(found)


@contextmanager
def standing_target(folder: Path, source: Path) -> Iterator[Target]:
    """A sidecar over a copy of the shop's policies, with the one consent of the good question.

    Raises:
        AssertionError: something that callers said of people stands in what the sidecar said.
    """
    policies = folder / "policies"
    policies.mkdir()
    for file in source.glob("*.policy"):
        (policies / file.name).write_bytes(file.read_bytes())
    state = folder / "state"
    with running_sidecar(policies, state, "--no-watch") as sidecar:
        record_consent(sidecar.target)
        with grpc.insecure_channel(sidecar.target) as channel:
            yield Target(sidecar, channel, policies)
    assert CANARY not in "".join(sidecar.heard.lines)
    assert not any(CANARY in file.read_text() for file in (state / "audit").glob("*.jsonl*"))
