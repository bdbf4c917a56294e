"""A certificate that is renewed while calls go on; one that cannot be used changes nothing."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from server_world import AUTHORIZATION, World, call, outcome, question, serving

from consentry.server.addresses import AddressError
from consentry.server.callers import Callers, Identity, Right
from consentry.server.certificates import (
    CertificateError,
    CertificateFiles,
    ServerCertificates,
    end_us_of,
)
from consentry.server.options import Listen, Tls
from tests.support.certificates import Authority, Certified, secured

CHECK = AUTHORIZATION + "Check"
RAW = question().SerializeToString()
SHOP = Identity(name="shop", rights={Right.DECIDE: None})


def now_us() -> int:
    return time.time_ns() // 1_000


def put(folder: Path, shown: Certified) -> None:
    """As those who renew certificates do it: files beside, renamed over the old ones."""
    for name, content in (("tls.crt", shown.certificate), ("tls.key", shown.key)):
        new = folder / f"{name}.new"
        new.touch(mode=0o600)
        new.write_bytes(content)
        new.replace(folder / name)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    made = Authority()
    made.server().write(tmp_path)
    (tmp_path / "ca.crt").write_bytes(made.pem)
    return made


def opened(folder: Path) -> ServerCertificates:
    files = CertificateFiles(
        certificate=folder / "tls.crt",
        key=folder / "tls.key",
        client_authorities=folder / "ca.crt",
    )
    return ServerCertificates(files, now_us)


def world(folder: Path) -> World:
    return World(
        callers=Callers(
            identities={"shop": SHOP}, by_certificate={"spiffe://a.example/shop": SHOP}
        ),
        certificates=opened(folder),
    )


def shown_at(target: str, authority: Authority, shown: Certified, folder: Path) -> int:
    """Serial number of the certificate that a new connection is shown."""
    certificate, key = shown.write(folder, "looking")
    context = ssl.create_default_context(cadata=authority.pem.decode())
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["h2"])
    host, _, port = target.rpartition(":")
    with (
        socket.create_connection((host, int(port)), 10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as looked,
    ):
        told = looked.getpeercert(binary_form=True)
    assert told is not None
    return x509.load_der_x509_certificate(told).serial_number


def test_renewal_fails_no_call_and_is_shown_to_whoever_comes(
    tmp_path: Path, authority: Authority
) -> None:
    shop = authority.client("spiffe://a.example/shop")
    failed: list[grpc.RpcError] = []
    answered = 0
    is_over = threading.Event()
    mutual = Listen(address="127.0.0.1:0", tls=Tls.MUTUAL)
    with serving(world(tmp_path), listen=(mutual,)) as made:
        target = made.bound.grpc[0]

        def ask(reconnects: bool) -> None:
            nonlocal answered
            channel = secured(target, authority, shop)
            while not is_over.is_set():
                try:
                    call(channel, CHECK, RAW)
                    answered += 1
                except grpc.RpcError as problem:
                    failed.append(problem)
                if reconnects:
                    channel.close()
                    channel = secured(target, authority, shop)
            channel.close()

        threads = [threading.Thread(target=ask, args=(kind,)) for kind in (True, False, False)]
        for thread in threads:
            thread.start()
        serials = set()
        for _ in range(20):
            put(tmp_path, authority.server())
            serials.add(shown_at(target, authority, shop, tmp_path))
        is_over.set()
        for thread in threads:
            thread.join()

    assert failed == []
    assert answered > 20
    assert len(serials) == 20, "each new connection is shown the newest"


def test_authorities_change_for_new_connections(tmp_path: Path, authority: Authority) -> None:
    after = Authority("after")
    mutual = Listen(address="127.0.0.1:0", tls=Tls.MUTUAL)
    with serving(world(tmp_path), listen=(mutual,)) as made:
        target = made.bound.grpc[0]
        with secured(target, authority, authority.client("spiffe://a.example/shop")) as channel:
            call(channel, CHECK, RAW)
            (tmp_path / "ca.crt").write_bytes(after.pem)
            call(channel, CHECK, RAW)
        with (
            secured(target, authority, authority.client("spiffe://a.example/shop")) as channel,
            pytest.raises(grpc.RpcError),
        ):
            call(channel, CHECK, RAW)
        with secured(target, authority, after.client("spiffe://a.example/shop")) as channel:
            call(channel, CHECK, RAW)


def test_a_certificate_that_ends_ends_what_its_connection_may(
    tmp_path: Path, authority: Authority
) -> None:
    ahead_us = 0
    made = world(tmp_path)
    made.callers = replace(made.callers, now_us=lambda: now_us() + ahead_us, find_end_us=end_us_of)
    mutual = Listen(address="127.0.0.1:0", tls=Tls.MUTUAL)
    shown = authority.client("spiffe://a.example/shop")
    with (
        serving(made, listen=(mutual,)) as running,
        secured(running.bound.grpc[0], authority, shown) as channel,
    ):
        call(channel, CHECK, RAW)
        ahead_us = 2 * 86_400 * 1_000_000
        problem = outcome(channel, CHECK, RAW)

    assert problem.code() is grpc.StatusCode.UNAUTHENTICATED


BREAKAGES: dict[str, Callable[[Path, Authority], object]] = {
    "half written": lambda f, _: (f / "tls.crt").write_bytes((f / "tls.crt").read_bytes()[:80]),
    "gone": lambda f, _: (f / "tls.key").unlink(),
    "another key": lambda f, a: (f / "tls.key").write_bytes(a.server().key),
    "ended": lambda f, a: put(f, a.server(valid_for=dt.timedelta(seconds=-1))),
    "readable by everybody": lambda f, _: (f / "tls.key").chmod(0o644),
    "no authorities": lambda f, _: (f / "ca.crt").write_bytes(b"nothing"),
}


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_what_cannot_be_used_leaves_the_one_before(
    tmp_path: Path, authority: Authority, breakage: str, caplog: pytest.LogCaptureFixture
) -> None:
    certificates = opened(tmp_path)
    before = certificates.refresh()

    BREAKAGES[breakage](tmp_path, authority)
    during = [certificates.refresh() for _ in range(3)]
    with pytest.raises(CertificateError):
        opened(tmp_path)
    put(tmp_path, authority.server())
    (tmp_path / "ca.crt").write_bytes(authority.pem)
    after = certificates.refresh()

    assert all(each is before for each in during)
    assert [r.getMessage() for r in caplog.records].count("certificate_refused") == 1
    assert after.chain != before.chain


def test_secured_address_may_be_reached_from_elsewhere(
    tmp_path: Path, authority: Authority
) -> None:
    mutual = Listen(address="0.0.0.0:0", tls=Tls.MUTUAL)
    with serving(world(tmp_path), listen=(mutual,)) as made:
        assert made.bound.grpc[0].startswith("0.0.0.0:")

    one_sided = Listen(address="0.0.0.0:0", tls=Tls.SERVER)
    with serving(world(tmp_path), listen=(one_sided,)):
        pass
    anybody = World(certificates=opened(tmp_path))
    with pytest.raises(AddressError, match="nobody knows"):
        anybody.build(listen=(one_sided,)).start()
    with pytest.raises(AddressError, match="without TLS"):
        world(tmp_path).build(listen=("0.0.0.0:0",)).start()
