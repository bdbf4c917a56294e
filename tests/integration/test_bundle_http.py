"""Bundles over a real HTTP server: what is fetched again, what is refused, and what serves on."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
from collections.abc import Callable, Iterator
from http.server import ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from consentry.app.system import SystemClock
from consentry.compiler.compile import compile_policies
from consentry.pdp.bundle import BundleError
from consentry.pdp.bundle_http import BundleUrl
from consentry.pdp.policy_source import BundleSource
from consentry.pdp.policy_store import PolicyStore
from consentry.pdp.serials import SerialRecord
from consentry.pdp.sources import read_packs
from consentry.pdp.watcher import PolicyWatcher
from consentry.telemetry.metrics import Metrics
from tests.support.bundles import FORBID, PERMIT, BundleServer, Keys, bundle_server

PACKS = read_packs()


class Sidecar:
    """A store that follows a server, stepped by hand."""

    def __init__(
        self,
        server: BundleServer,
        folder: Path,
        *,
        keys: Keys | None = None,
        timeout_s: float = 30.0,
    ) -> None:
        self.folder = folder
        self.keys = keys or Keys(folder / "keys")
        self.metrics = Metrics(version="0")
        self.source = BundleSource(
            BundleUrl(server.url, timeout_s=timeout_s, max_bytes=1_000_000),
            trusted_keys=self.keys.public,
            packs=PACKS,
            record=SerialRecord(folder / "bundles"),
            keeps_last=True,
        )
        self.store = PolicyStore(
            read_sources=self.source.read,
            packs=PACKS,
            clock=SystemClock(),
            metrics=self.metrics,
            compile_apart=compile_policies,
            admit=self.source.admit,
            settle=lambda: None,
            max_age_s=60,
        )
        self.watcher = PolicyWatcher(look=self.source.look, store=self.store, settles=False)

    @property
    def rules(self) -> set[str]:
        current = self.store.current
        assert current is not None
        return {rule.name for rule in current.program.rules if rule.regime == 0}

    def count(self, result: str) -> int:
        value = self.metrics.registry.get_sample_value(
            "consentry_policy_load_total", {"result": result}
        )
        return int(value or 0)

    def refusal(self) -> str:
        """Code of what a reload says; the set of before must still be the active one."""
        before, failed = self.store.current, self.count("failed")
        result = self.store.reload()
        assert self.store.current is before
        assert self.count("failed") == failed + 1
        return next(found.code for found in result.diagnostics if found.is_error)


@pytest.fixture
def server() -> Iterator[BundleServer]:
    with bundle_server() as running:
        yield running


@pytest.fixture
def sidecar(server: BundleServer, tmp_path: Path) -> Sidecar:
    """One that is decided by bundle 5."""
    sidecar = Sidecar(server, tmp_path)
    server.offer(sidecar.keys.signed(serial=5), '"five"')
    assert sidecar.store.load_first().is_reloaded
    return sidecar


def test_bundle_is_asked_for_by_its_etag_and_sent_once(
    server: BundleServer, sidecar: Sidecar
) -> None:
    for _ in range(3):
        sidecar.watcher.step()

    assert set(server.statuses[1:]) == {304}
    assert server.statuses[0] == 200
    assert sidecar.count("loaded") == 1


def test_next_bundle_is_taken_at_the_first_look(server: BundleServer, sidecar: Sidecar) -> None:
    sidecar.watcher.step()
    server.offer(sidecar.keys.signed(PERMIT + FORBID, serial=6), '"six"')

    assert sidecar.watcher.step()

    assert sidecar.rules == {"serve", "phones"}


def test_server_without_etags_is_followed_too(server: BundleServer, sidecar: Sidecar) -> None:
    server.offer(sidecar.keys.signed(PERMIT + FORBID, serial=6))

    assert sidecar.store.reload().is_reloaded
    assert not sidecar.store.reload().is_refused
    assert server.statuses[1:] == [200, 200]


def test_change_in_any_region_is_refused_and_the_old_set_serves(
    server: BundleServer, sidecar: Sidecar
) -> None:
    raw = sidecar.keys.signed(PERMIT + FORBID, serial=6)
    for place in range(0, len(raw), 97):
        server.offer(raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :], f'"{place}"')

        assert sidecar.refusal() in ("F547", "F549")

    server.offer(raw, '"whole"')
    assert sidecar.store.reload().is_reloaded


def test_wrong_key_no_signature_and_rollback_are_refused(
    server: BundleServer, sidecar: Sidecar, tmp_path: Path
) -> None:
    server.offer(Keys(tmp_path / "stranger").signed(serial=6), '"a"')
    assert sidecar.refusal() == "F549"
    server.offer(sidecar.keys.signed(FORBID + PERMIT, serial=4), '"b"')
    assert sidecar.refusal() == "F551"


def test_broken_policies_raise_no_serial(server: BundleServer, sidecar: Sidecar) -> None:
    server.offer(sidecar.keys.signed("permit broken {\n", serial=9), '"nine"')
    assert sidecar.refusal().startswith("P")

    server.offer(sidecar.keys.signed(FORBID + PERMIT, serial=6), '"six"')

    assert sidecar.store.reload().is_reloaded


def test_truncated_download_is_refused(server: BundleServer, sidecar: Sidecar) -> None:
    server.offer(sidecar.keys.signed(FORBID + PERMIT, serial=6), '"six"')
    for sent_bytes in (0, 1, len(server.body) // 2, len(server.body) - 1):
        server.sent_bytes = sent_bytes

        assert sidecar.refusal() == "F556"

    server.sent_bytes = None
    assert sidecar.store.reload().is_reloaded


def test_slow_server_is_cut_off_though_it_never_pauses_for_long(
    server: BundleServer, tmp_path: Path
) -> None:
    sidecar = Sidecar(server, tmp_path, timeout_s=2.0)
    server.offer(sidecar.keys.signed(serial=5), '"five"')
    assert sidecar.store.load_first().is_reloaded
    server.offer(sidecar.keys.signed(FORBID + PERMIT, serial=6), '"six"')
    server.pause_s = 0.01  # more than ten seconds for the whole, and two are allowed

    result = sidecar.store.reload()

    titles = [found.title for found in result.diagnostics]
    assert titles == ["the bundle did not come within 2 s"]
    assert (sidecar.rules, sidecar.count("failed")) == ({"serve"}, 1)


@pytest.mark.parametrize("status", [301, 302, 307, 308, 401, 404, 500, 503, 206, 204])
def test_other_answers_are_refused(server: BundleServer, sidecar: Sidecar, status: int) -> None:
    elsewhere = server.url
    server.offer(sidecar.keys.signed(FORBID + PERMIT, serial=6), '"six"')
    server.status, server.headers = status, {"Location": elsewhere}

    assert sidecar.refusal() == "F555"
    assert server.statuses[-1] == status


def test_larger_than_allowed_is_refused(server: BundleServer, sidecar: Sidecar) -> None:
    server.offer(bytes(1_000_001), '"large"')

    assert sidecar.refusal() == "F556"


def test_server_that_comes_back_confirms_the_set_again(
    server: BundleServer, sidecar: Sidecar
) -> None:
    sidecar.watcher.step()
    server.status, server.etag = 503, ""
    sidecar.watcher.step()
    assert sidecar.count("failed") == 1
    server.status = 200

    assert sidecar.watcher.step()

    assert (sidecar.count("failed"), sidecar.rules) == (1, {"serve"})
    assert not sidecar.watcher.step()


def test_server_that_is_gone_leaves_the_set(tmp_path: Path) -> None:
    with bundle_server() as server:
        sidecar = Sidecar(server, tmp_path)
        server.offer(sidecar.keys.signed(), '"one"')
        assert sidecar.store.load_first().is_reloaded

    assert sidecar.refusal() == "F555"


def test_start_without_the_server_takes_the_last_bundle_unconfirmed(
    server: BundleServer, sidecar: Sidecar
) -> None:
    server.status, server.etag = 503, ""
    again = Sidecar(server, sidecar.folder, keys=sidecar.keys)

    result = again.store.load_first()

    assert (result.is_reloaded, result.is_refused) == (True, False)
    assert [found.code for found in result.diagnostics] == ["F558"]
    assert (again.rules, again.store.is_fresh()) == ({"serve"}, False)

    server.status = 200
    again.watcher.step()
    assert again.store.is_fresh()


def test_last_bundle_is_verified_anew(
    server: BundleServer, sidecar: Sidecar, tmp_path: Path
) -> None:
    server.status, server.etag = 503, ""
    kept = tmp_path / "bundles" / "last.bundle"
    raw = kept.read_bytes()

    def codes(keys: Keys) -> list[str]:
        result = Sidecar(server, sidecar.folder, keys=keys).store.load_first()
        assert not result.is_reloaded
        return [found.code for found in result.diagnostics]

    assert codes(Keys(tmp_path / "other")) == ["F549"]
    kept.write_bytes(raw[:-1])
    assert codes(sidecar.keys) == ["F547"]
    kept.write_bytes(sidecar.keys.signed(FORBID + PERMIT, serial=4))
    assert codes(sidecar.keys) == ["F551"]
    kept.unlink()
    assert codes(sidecar.keys) == ["F555"]


def test_bad_bundle_at_a_start_is_not_replaced_by_the_last_one(
    server: BundleServer, sidecar: Sidecar
) -> None:
    server.offer(b"no bundle")

    result = Sidecar(server, sidecar.folder, keys=sidecar.keys).store.load_first()

    assert [found.code for found in result.diagnostics] == ["F547"]


def test_server_that_says_nothing_is_left() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for scheme in ("http", "https"):
            url = f"{scheme}://127.0.0.1:{silent.getsockname()[1]}/shop.bundle"
            with pytest.raises(BundleError, match="did not come within") as raised:
                BundleUrl(url, timeout_s=0.2).fetch()
            assert raised.value.code == "F555"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of 127.0.0.1 and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "bundles")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                key_cert_sign=True,
                crl_sign=True,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    forms = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    path.write_bytes(
        made.public_bytes(forms[0]) + key.private_bytes(*forms, serialization.NoEncryption())
    )
    return path


def secured(certificate: Path) -> Callable[[ThreadingHTTPServer], None]:
    def secure(server: ThreadingHTTPServer) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )

    return secure


def test_https_needs_a_certificate_that_can_be_traced(certificate: Path) -> None:
    with bundle_server(secured(certificate)) as server:
        server.offer(b"content", '"x"')

        trusting = BundleUrl(server.url, authorities=certificate)
        assert trusting.fetch() == trusting.fetch() == b"content"
        with pytest.raises(BundleError, match="the certificate is not valid") as raised:
            BundleUrl(server.url).fetch()

    assert raised.value.code == "F555"
    assert server.statuses == [200, 304]
