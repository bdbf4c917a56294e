"""What stands before every method, and what it costs."""

from __future__ import annotations

import timeit
from collections.abc import Callable
from typing import Any

import pytest

from consentry.server.admission import admitted
from consentry.server.callers import (
    BoundPrincipal,
    Caller,
    Callers,
    Identity,
    NotPermittedError,
    Right,
)
from consentry.server.gate import Gate
from consentry.server.rights import METHOD_RIGHTS
from consentry.server.token_keys import FollowedKeys
from consentry.server.tokens import Issuer, TokenVerifier
from consentry.telemetry.metrics import Metrics
from consentry.v1 import authorization_pb2, decision_pb2
from tests.support.certificates import TokenIssuer, key_set
from tests.support.consent_events import FakeClock

CHECK = "/consentry.v1.AuthorizationService/Check"
EVERYTHING = Identity(name="root", rights=dict.fromkeys(Right))
BOUND = Identity(
    name="crm",
    rights={Right.DECIDE: frozenset({"marketing"})},
    principal=BoundPrincipal(id="crm"),
)


class Connection:
    """As grpcio tells of a connection that showed a certificate."""

    def auth_context(self) -> dict[str, list[bytes]]:
        return {
            "peer_spiffe_id": [b"spiffe://a.example/root"],
            "peer_uri": [b"spiffe://a.example/root"],
        }


def gate(callers: Callers) -> Gate:
    return Gate(callers, Metrics(), FakeClock())


def test_without_identities_nothing_stands_before_a_method() -> None:
    for method in METHOD_RIGHTS:
        assert gate(Callers()).entering(method) is None


def test_a_method_that_asks_for_no_right_is_served_to_nobody() -> None:
    enter = gate(Callers(identities={"root": EVERYTHING})).entering("/a.b/New", "root")

    assert enter is not None
    with pytest.raises(NotPermittedError):
        enter((), Connection())  # type: ignore[arg-type]  # what is asked of a context


def test_what_it_costs_to_know_a_caller(figure: Callable[[str, object], None]) -> None:
    issuer = TokenIssuer()
    keys = FollowedKeys(
        lambda: key_set(issuer), name="i", monotonic_s=lambda: 0.0, interval_s=60, max_age_s=60
    )
    keys.refresh()
    tokens = TokenVerifier(
        [
            Issuer(
                name=issuer.name,
                audiences=("consentry",),
                keys=keys,
                identities={"root": EVERYTHING},
            )
        ],
        lambda: 0,
    )
    known = gate(
        Callers(
            identities={"root": EVERYTHING},
            by_certificate={"spiffe://a.example/root": EVERYTHING},
            tokens=tokens,
        )
    )
    shown = (("authorization", f"Bearer {issuer.token('root')}"),)
    at_socket, anywhere = known.entering(CHECK, "root"), known.entering(CHECK)
    assert at_socket is not None
    assert anywhere is not None
    raw = authorization_pb2.CheckRequest(
        principal=decision_pb2.Principal(id="crm", type="service"),
        action="read",
        data=["customer.email"],
        subject=decision_pb2.DataSubject(id="ada"),
        purpose="marketing.email",
    ).SerializeToString()

    context: Any = Connection()
    for name, run in {
        "socket of its own": lambda: at_socket((), context),
        "certificate": lambda: anywhere((), context),
        "token, verified before": lambda: anywhere(shown, context),
        "purposes and bound principal": lambda: admitted(raw, Caller(BOUND)),
    }.items():
        best_s = min(timeit.repeat(run, number=2_000, repeat=5)) / 2_000
        figure(f"callers, {name}: microseconds a call", f"{best_s * 1e6:.2f}")
    first_s = min(timeit.repeat(lambda: tokens._verify(shown[0][1][7:]), number=50, repeat=3)) / 50
    figure("callers, token seen first: microseconds", f"{first_s * 1e6:.0f}")
