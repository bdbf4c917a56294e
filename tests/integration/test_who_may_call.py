"""Every method, by every identity that may not call it, over real sockets."""

from __future__ import annotations

import base64
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import grpc
import jwt
import pytest

from consentry.app.main import run
from consentry.app.settings_loading import load_settings
from consentry.app.wiring import Application
from consentry.consent.shared import SharedLedger
from consentry.server.callers import Right
from consentry.server.rights import METHOD_RIGHTS
from consentry.v1 import authorization_pb2, consent_pb2, policy_pb2
from tests.support.certificates import Authority, Certified, TokenIssuer, key_set, secured
from tests.support.consent_events import gave

POLICIES = """\
mission "A shop" { controller "Shop Ltd" in "IE" }
data customer { email "E-mail address" }
purpose marketing "Tell you about our products" {
    basis consent
    purpose email "By e-mail"
}
purpose billing "Send bills" { basis contract }
permit mail_campaign "The mailer writes to people who asked" {
    who  service "mailer"
    may  read, contact
    data customer.email
    for  marketing.email
}
permit bill "Bills are sent" {
    who  service "billing"
    may  read, contact
    data customer.email
    for  billing
}
"""

METHODS = {
    f"/{service.full_name}/{method.name}": method
    for module in (authorization_pb2, consent_pb2, policy_pb2)
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
REFUSED = {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED}
SPIFFE = "spiffe://example.org/may/"


def attempt(
    channel: grpc.Channel, method: str, raw: bytes = b"", **options: Any
) -> grpc.RpcError | None:
    """Calls a method whatever its kind; its error, None where it answered."""
    kind = METHODS[method]
    options.setdefault("timeout", 20)
    try:
        if kind.server_streaming:
            answers = (
                channel.stream_stream(method)(iter([raw]), **options)
                if kind.client_streaming
                else channel.unary_stream(method)(raw, **options)
            )
            next(answers, None)
            answers.cancel()
        else:
            channel.unary_unary(method)(raw, **options)
    except grpc.RpcError as problem:
        return problem
    return None


def code(problem: grpc.RpcError | None) -> grpc.StatusCode:
    return grpc.StatusCode.OK if problem is None else problem.code()


class World:
    """A sidecar that knows one identity for each right, each by socket, certificate and token."""

    def __init__(self, folder: Path) -> None:
        self.authority, self.foreign = Authority(), Authority("foreign")
        self.issuer = TokenIssuer()
        self.folder = folder
        certificate, key = self.authority.server().write(folder)
        (folder / "ca.crt").write_bytes(self.authority.pem)
        (folder / "keys.json").write_bytes(key_set(self.issuer))
        (folder / "policies").mkdir()
        (folder / "policies" / "shop.policy").write_text(POLICIES)
        sockets = [
            {"address": f"unix:{folder}/{right.value}.sock", "identity": right.value}
            for right in Right
        ]
        ports = [{"address": "127.0.0.1:0", "tls": tls} for tls in ("mutual", "server", "none")]
        self.settings = load_settings(
            {
                "policies": {"path": folder / "policies"},
                "state": {"path": folder / "state"},
                "ledger": {"serves_feed": True},
                "server": {"listen": [*ports, *sockets], "health": None, "http": None},
                "tls": {
                    "certificate": certificate, "key": key,
                    "client_authorities": folder / "ca.crt",
                },
                "tokens": [
                    {
                        "issuer": self.issuer.name, "audience": ["consentry"],
                        "keys_path": folder / "keys.json",
                    }
                ],
                "identities": {
                    right.value: {
                        "certificates": [SPIFFE + right.value],
                        "tokens": [{"sub": right.value}],
                        "rights": [right.value],
                    }
                    for right in Right
                }
                | {
                    "sidecar": {
                        "certificates": [SPIFFE + "follow/all"],
                        "tokens": [{"sub": "sidecar"}],
                        "rights": ["follow", "read_consent", "write_consent", "erase"],
                    }
                },
            }
        )  # fmt: skip
        self.application = Application(self.settings)
        assert self.application.load_first().is_reloaded
        self.mutual, self.server, self.plain = self.application.start().grpc[:3]

    def by_socket(self, right: Right) -> grpc.Channel:
        return grpc.insecure_channel(f"unix:{self.folder}/{right.value}.sock")

    def by_certificate(self, right: Right) -> grpc.Channel:
        return secured(self.mutual, self.authority, self.certified(SPIFFE + right.value))

    def by_token(self, right: Right) -> grpc.Channel:
        return secured(self.server, self.authority, token=self.issuer.token(right.value))

    def certified(self, *names: str, common_name: str = "client") -> Certified:
        return self.authority.client(*names, common_name=common_name)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with tempfile.TemporaryDirectory(prefix="consentry-") as folder:
        made = World(Path(folder))
        try:
            yield made
        finally:
            made.application.close()


PROOFS: Mapping[str, Callable[[World, Right], grpc.Channel]] = {
    "socket": World.by_socket,
    "certificate": World.by_certificate,
    "token": World.by_token,
}


@pytest.mark.parametrize("right", Right)
@pytest.mark.parametrize("proof", PROOFS)
def test_an_identity_enters_the_methods_of_its_right_and_no_other(
    world: World, proof: str, right: Right
) -> None:
    with PROOFS[proof](world, right) as channel:
        codes = {method: code(attempt(channel, method)) for method in METHODS}

    entered = {method for method, told in codes.items() if told not in REFUSED}
    assert entered == {method for method in METHODS if METHOD_RIGHTS[method] is right}
    assert {codes[method] for method in METHODS if method not in entered} == {
        grpc.StatusCode.PERMISSION_DENIED
    }


def nobodies(world: World) -> dict[str, grpc.Channel]:
    """Callers who prove nothing, by what they try."""
    issuer, stranger = world.issuer, TokenIssuer()
    public = issuer.public
    unsigned = {"alg": "none", "kid": issuer.key_id}
    claims = {"iss": issuer.name, "aud": "consentry", "sub": "decide", "exp": 4_000_000_000}
    forged = issuer.token("decide")
    head, body, signature = forged.split(".")
    raised = base64.urlsafe_b64encode(json.dumps(claims | {"sub": "administer"}).encode())
    tokens = {
        "no token": "",
        "expired": issuer.token("decide", lives_s=-31),
        "not yet valid": issuer.token("decide", nbf=4_000_000_000),
        "for somebody else": issuer.token("decide", aud="billing"),
        "for nobody": issuer.token("decide", aud=None),
        "of another issuer": issuer.token("decide", iss="https://other.example"),
        "without an end": issuer.token("decide", exp=None),
        "of nobody": issuer.token(None),
        "of somebody unknown": issuer.token("nobody"),
        "signed by a stranger": stranger.token("decide"),
        "by a key that is not there": stranger.next_key("two").token("decide"),
        "unsigned": jwt.encode(claims, None, algorithm="none", headers=unsigned),
        "signed with the public key as a secret": jwt.encode(
            claims, public, algorithm="HS256", headers={"kid": issuer.key_id}
        ),
        "with another body": f"{head}.{raised.rstrip(b'=').decode()}.{signature}",
        "with a signature cut off": f"{head}.{body}.",
        "garbage": "..",
    }
    made = {
        name: secured(world.server, world.authority, token=token) for name, token in tokens.items()
    }
    certificates = {
        "certificate without names": world.certified(),
        "right only in the common name": world.certified(common_name=SPIFFE + "decide"),
        "another name": world.certified("spiffe://example.org/may/not"),
        "a host": world.certified("dns:decide.example.org"),
        "two identities at once": world.certified(SPIFFE + "decide", SPIFFE + "explain"),
    }
    made |= {
        name: secured(world.mutual, world.authority, shown) for name, shown in certificates.items()
    }
    made["plain"] = grpc.insecure_channel(world.plain)
    return made


def test_who_proves_nothing_enters_no_method_and_learns_nothing(world: World) -> None:
    told = set()
    for name, channel in nobodies(world).items():
        with channel:
            for method in METHODS:
                problem = attempt(channel, method)
                assert code(problem) is grpc.StatusCode.UNAUTHENTICATED, (name, method)
                assert problem is not None
                told.add((problem.details(), str(problem.trailing_metadata())))

    assert len(told) == 1, "whatever was wrong, the answer is the same"


def test_a_certificate_of_a_foreign_authority_opens_no_connection(world: World) -> None:
    stranger = world.foreign.client(SPIFFE + "decide")
    for shown in (stranger, None):
        with secured(world.mutual, world.authority, shown) as channel:
            problem = attempt(channel, next(iter(METHODS)))

        assert code(problem) is grpc.StatusCode.UNAVAILABLE


def test_metadata_make_no_identity(world: World) -> None:
    claims = [
        ("x-forwarded-client-cert", f"URI={SPIFFE}decide"),
        ("x-identity", "decide"),
        ("consentry-identity", "decide"),
    ]
    with secured(world.server, world.authority) as channel:
        problem = attempt(channel, "/consentry.v1.AuthorizationService/Check", metadata=claims)

    assert code(problem) is grpc.StatusCode.UNAUTHENTICATED


def test_a_token_cannot_widen_a_socket_of_somebody_else(world: World) -> None:
    token = world.issuer.token("administer")
    with world.by_socket(Right.DECIDE) as channel:
        problem = attempt(
            channel, "/consentry.v1.PolicyService/ReloadPolicies",
            metadata=[("authorization", f"Bearer {token}")],
        )  # fmt: skip

    assert code(problem) is grpc.StatusCode.PERMISSION_DENIED


@pytest.mark.parametrize("method", ["/grpc.health.v1.Health/Check"])
def test_health_asks_nobody_who_they_are(world: World, method: str) -> None:
    for channel in (
        grpc.insecure_channel(world.plain),
        secured(world.server, world.authority),
        world.by_socket(Right.DECIDE),
    ):
        with channel:
            assert channel.unary_unary(method)(b"", timeout=20)


def test_refusals_are_counted_by_cause_and_name_no_caller(world: World) -> None:
    with grpc.insecure_channel(world.plain) as channel, world.by_socket(Right.DECIDE) as decider:
        attempt(channel, "/consentry.v1.AuthorizationService/Check")
        attempt(decider, "/consentry.v1.PolicyService/ReloadPolicies")
    metrics = world.application.metrics
    counted = {
        sample.labels["cause"]
        for family in metrics.collect()
        for sample in family.samples
        if sample.name == "consentry_callers_refused_total" and sample.value > 0
    }

    assert {"no_credential", "right"} <= counted


def follower(world: World, folder: Path, **ledger: Any) -> Application:
    settings = load_settings(
        {
            "policies": {"path": world.folder / "policies"},
            "state": {"path": folder / "state"},
            "ledger": {
                "kind": "upstream", "bound_s": 10, "upstream_ca": world.folder / "ca.crt",
            } | ledger,
            "server": {"listen": [f"unix:{folder}/f.sock"], "health": None, "http": None},
        }
    )  # fmt: skip
    made = Application(settings)
    assert made.load_first().is_reloaded
    return made


def test_a_sidecar_follows_its_node_by_certificate_or_token(world: World, tmp_path: Path) -> None:
    certificate, key = world.certified(SPIFFE + "follow/all").write(tmp_path, "sidecar")
    token = tmp_path / "token"
    token.write_text(world.issuer.token("sidecar") + "\n")
    ways = [
        {
            "upstream": (world.mutual,), "upstream_certificate": certificate, "upstream_key": key,
        },
        {"upstream": (world.server,), "upstream_token": token},
    ]  # fmt: skip
    for number, way in enumerate(ways):
        folder = tmp_path / str(number)
        folder.mkdir()
        sidecar = follower(world, folder, **way)
        try:
            sidecar.start()
            assert isinstance(sidecar.ledger, SharedLedger)
            assert sidecar.ledger.is_fresh()
            [recorded] = sidecar.ledger.record(
                [gave(number, data_subject_id="ada", idempotency_key=f"follow-{number}")]
            )
            assert recorded.position > 0
            assert sidecar.ledger.wait_for(recorded.position, 20)
        finally:
            sidecar.close()


def test_a_sidecar_that_may_not_follow_knows_nothing(world: World, tmp_path: Path) -> None:
    certificate, key = world.certified(SPIFFE + "decide").write(tmp_path, "other")
    sidecar = follower(
        world, tmp_path, upstream=(world.mutual,), bound_s=0.5,
        upstream_certificate=certificate, upstream_key=key,
    )  # fmt: skip
    try:
        sidecar.start()
        assert isinstance(sidecar.ledger, SharedLedger)
        assert not sidecar.ledger.is_fresh()
    finally:
        sidecar.close()


def test_commands_reach_a_sidecar_that_asks_who_calls(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    token = tmp_path / "token"
    token.write_text(world.issuer.token("verify"))
    shown = ["--ca", str(world.folder / "ca.crt"), "--token-file", str(token)]

    assert run(["ledger", "verify", "--target", world.server, *shown]) == 0
    assert run(["ledger", "verify", "--target", world.server, *shown[:2]]) == 4
    assert "UNAUTHENTICATED" in capsys.readouterr().err


def test_a_socket_has_its_mode(world: World) -> None:
    modes = {(world.folder / f"{right.value}.sock").stat().st_mode & 0o777 for right in Right}

    assert modes == {0o600}
