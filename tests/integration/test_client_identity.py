"""The Python client says who it is: by certificate, by token, and never in the clear."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from server_world import World, serving

from consentry.client import AsyncClient, Client, ConsentryError, Tls
from consentry.client.questions import QuestionFields, question, service
from consentry.server.callers import (
    Caller,
    Callers,
    Identity,
    NotAuthenticatedError,
    RefusedCause,
    Right,
)
from consentry.server.certificates import CertificateFiles, ServerCertificates
from consentry.server.options import Listen
from consentry.server.options import Tls as Secured
from tests.support.certificates import Authority

NAME = "spiffe://a.example/shop"
SHOP = Identity(name="shop", rights={Right.DECIDE: None, Right.WATCH: None})
ASKED: QuestionFields = {
    "principal": service("mailer"),
    "action": "contact",
    "data": ["customer"],
    "subject": "ada",
    "purpose": "marketing.email",
}


class Tokens:
    def verify(self, token: str) -> Caller:
        if token != "good":
            raise NotAuthenticatedError(RefusedCause.BAD_TOKEN)
        return Caller(SHOP)


class Place:
    def __init__(self, folder: Path) -> None:
        self.authority = Authority()
        certificate, key = self.authority.server().write(folder)
        (folder / "ca.crt").write_bytes(self.authority.pem)
        files = CertificateFiles(
            certificate=certificate, key=key, client_authorities=folder / "ca.crt"
        )
        self.world = World(
            callers=Callers(
                identities={"shop": SHOP}, by_certificate={NAME: SHOP}, tokens=Tokens()
            ),
            certificates=ServerCertificates(files, lambda: time.time_ns() // 1_000),
        )
        self.listen = (
            Listen(address="127.0.0.1:0", tls=Secured.MUTUAL),
            Listen(address="127.0.0.1:0", tls=Secured.SERVER),
            Listen(address=f"unix:{folder}/c.sock"),
        )


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with tempfile.TemporaryDirectory(prefix="consentry-") as folder:
        made = Place(Path(folder))
        with serving(made.world, listen=made.listen, health_listen=None, http_listen=None):
            yield made


def test_a_certificate_says_who_asks(place: Place) -> None:
    shown = place.authority.client(NAME)
    tls = Tls(roots=place.authority.pem, key=shown.key, certificate=shown.certificate)
    with Client(place.world.bound.grpc[0], tls=tls, timeout_s=20, on_error="raise") as client:
        assert client.permits(**ASKED)


@pytest.mark.parametrize("where", [1, 2])
def test_a_token_says_who_asks(place: Place, where: int) -> None:
    tls = Tls(roots=place.authority.pem) if where == 1 else None
    target = place.world.bound.grpc[where]
    for token in ("good", lambda: "good"):
        with Client(target, tls=tls, token=token, timeout_s=20, on_error="raise") as client:
            assert client.permits(**ASKED)
            assert next(iter(client.stream([question(**ASKED)]))).is_permitted

    async def ask() -> bool:
        async with AsyncClient(
            target, tls=tls, token="good", timeout_s=20, on_error="raise"
        ) as client:
            return await client.permits(**ASKED)

    assert asyncio.run(ask())


def failing() -> str:
    raise RuntimeError("canary")


@pytest.mark.parametrize("token", [None, "bad", failing])
def test_without_a_good_token_nothing_is_permitted(place: Place, token: object) -> None:
    target = place.world.bound.grpc[1]
    tls = Tls(roots=place.authority.pem)
    with Client(target, tls=tls, token=token, timeout_s=1) as client:  # type: ignore[arg-type]
        assert not client.permits(**ASKED)
    with (
        Client(target, tls=tls, token=token, timeout_s=1, on_error="raise") as client,  # type: ignore[arg-type]
        pytest.raises(ConsentryError) as caught,
    ):
        client.check(**ASKED)

    assert caught.value.code in {
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
    }


def test_a_token_is_never_sent_in_the_clear() -> None:
    with pytest.raises(ValueError, match="TLS or a Unix socket"):
        Client("127.0.0.1:1", token="good")
