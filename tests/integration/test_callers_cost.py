"""What a check costs whose caller is known, beside one of anybody, over the same kind of wire."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import grpc
import pytest
from server_world import AUTHORIZATION, World, channel_to, question, serving

from consentry.server.callers import Callers, Identity, Right
from consentry.server.certificates import CertificateFiles, ServerCertificates, end_us_of
from consentry.server.options import Listen, Tls
from consentry.server.token_keys import FollowedKeys
from consentry.server.tokens import Issuer, TokenVerifier
from tests.support.certificates import Authority, TokenIssuer, key_set, secured

RAW = question().SerializeToString()
SHOP = Identity(name="shop", rights={Right.DECIDE: None})
SPIFFE = "spiffe://a.example/shop"
ROUNDS, CALLS = 9, 60

Ask = Callable[[], object]


def now_us() -> int:
    return time.time_ns() // 1_000


def asking(channel: grpc.Channel, token: str = "") -> Ask:
    method = channel.unary_unary(AUTHORIZATION + "Check")
    metadata = (("authorization", f"Bearer {token}"),) if token else ()
    return lambda: method(RAW, timeout=20, metadata=metadata)


def known(issuer: TokenIssuer) -> Callers:
    keys = FollowedKeys(
        lambda: key_set(issuer), name="i", monotonic_s=lambda: 0.0, interval_s=60, max_age_s=60
    )
    keys.refresh()
    issued = Issuer(
        name=issuer.name, audiences=("consentry",), keys=keys, identities={"shop": SHOP}
    )
    return Callers(
        identities={"shop": SHOP},
        by_certificate={SPIFFE: SHOP},
        tokens=TokenVerifier([issued], now_us),
        now_us=now_us,
        find_end_us=end_us_of,
    )


@pytest.fixture
def ways(tmp_path: Path) -> Iterator[dict[str, tuple[Ask, Ask]]]:
    """By how a caller is known: its check, and that of anybody over the same kind of wire."""
    authority, issuer = Authority(), TokenIssuer()
    certificate, key = authority.server().write(tmp_path)
    (tmp_path / "ca.crt").write_bytes(authority.pem)
    files = CertificateFiles(
        certificate=certificate, key=key, client_authorities=tmp_path / "ca.crt"
    )
    shown = authority.client(SPIFFE)
    mutual = Listen(address="127.0.0.1:0", tls=Tls.MUTUAL)
    addresses = [f"unix:{tmp_path}/{name}.sock" for name in ("anybody", "own", "token")]
    with ExitStack() as stack:

        def serve(callers: Callers, *listen: Listen) -> tuple[str, ...]:
            made = World(callers=callers, certificates=ServerCertificates(files, now_us))
            options = {"listen": listen, "health_listen": None, "http_listen": None}
            return stack.enter_context(serving(made, **options)).bound.grpc

        open_unix, open_tls = serve(Callers(), Listen(address=addresses[0]), mutual)
        own, token, certified = serve(
            known(issuer),
            Listen(address=addresses[1], identity="shop"),
            Listen(address=addresses[2]),
            mutual,
        )

        def plain(target: str, bearer: str = "") -> Ask:
            return asking(stack.enter_context(channel_to(target)), bearer)

        def safe(target: str) -> Ask:
            return asking(stack.enter_context(secured(target, authority, shown)))

        yield {
            "socket of its own": (plain(own), plain(open_unix)),
            "token": (plain(token, issuer.token("shop")), plain(open_unix)),
            "certificate": (safe(certified), safe(open_tls)),
        }


def spent_s(ask: Ask) -> float:
    began_s = time.process_time()
    for _ in range(CALLS):
        ask()
    return time.process_time() - began_s


def test_what_a_check_of_a_known_caller_costs(
    ways: dict[str, tuple[Ask, Ask]], figure: Callable[[str, object], None]
) -> None:
    for way, (ask_known, ask_anybody) in ways.items():
        spent_s(ask_known), spent_s(ask_anybody)
        ratios = [spent_s(ask_known) / spent_s(ask_anybody) for _ in range(ROUNDS)]
        ratio = statistics.median(ratios)
        figure(f"callers, CPU of a check with caller and server, {way} / anybody", f"{ratio:.2f}")
