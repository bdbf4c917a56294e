"""Certificates and tokens, made for one test: real ones, signed by authorities of its own."""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import grpc
import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID

DAY = dt.timedelta(days=1)


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@dataclass(frozen=True)
class Certified:
    """A certificate in PEM, and its key."""

    certificate: bytes
    key: bytes

    def write(self, folder: Path, name: str = "tls") -> tuple[Path, Path]:
        """Writes both as `name.crt` and `name.key`, the key for its owner only."""
        certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
        certificate.write_bytes(self.certificate)
        key.touch(mode=0o600)
        key.write_bytes(self.key)
        return certificate, key


class Authority:
    """Signs certificates."""

    def __init__(self, name: str = "authority") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._made = self._sign(self._name, self._key, [], is_authority=True)
        self.pem = self._made.public_bytes(serialization.Encoding.PEM)

    def server(self, *, valid_for: dt.timedelta = DAY) -> Certified:
        """For a server on this machine."""
        names: list[x509.GeneralName] = [
            x509.DNSName("localhost"),
            x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        ]
        return self.issue("server", names, valid_for=valid_for)

    def client(self, *names: str, common_name: str = "client") -> Certified:
        """For a caller with these names: `dns:host`, or a URI."""
        return self.issue(
            common_name,
            [
                x509.DNSName(name.removeprefix("dns:"))
                if name.startswith("dns:")
                else x509.UniformResourceIdentifier(name)
                for name in names
            ],
        )

    def issue(
        self,
        common_name: str,
        names: list[x509.GeneralName],
        *,
        valid_for: dt.timedelta = DAY,
    ) -> Certified:
        key = ec.generate_private_key(ec.SECP256R1())
        who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        made = self._sign(who, key, names, valid_for=valid_for)
        return Certified(
            made.public_bytes(serialization.Encoding.PEM),
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
        )

    def _sign(
        self,
        who: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        names: list[x509.GeneralName],
        *,
        is_authority: bool = False,
        valid_for: dt.timedelta = DAY,
    ) -> x509.Certificate:
        begins = min(now(), now() + valid_for) - DAY
        made = (
            x509.CertificateBuilder()
            .subject_name(who)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(now() + valid_for)
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        )
        if names:
            made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return made.sign(self._key, hashes.SHA256())


class TokenIssuer:
    """Issues tokens, and tells the public key that verifies them."""

    def __init__(self, name: str = "https://issuer.example", key_id: str = "one") -> None:
        self.name = name
        self.key_id = key_id
        self.key = ed25519.Ed25519PrivateKey.generate()

    def next_key(self, key_id: str) -> Self:
        """Another key of the same issuer."""
        return type(self)(self.name, key_id)

    @property
    def public(self) -> bytes:
        return self.key.public_key().public_bytes(
            serialization.Encoding.Raw, serialization.PublicFormat.Raw
        )

    def jwk(self) -> dict[str, str]:
        x = base64.urlsafe_b64encode(self.public).rstrip(b"=").decode()
        return {"kty": "OKP", "crv": "Ed25519", "kid": self.key_id, "use": "sig", "x": x}

    def token(self, sub: str | None, **changes: Any) -> str:
        """A token for `sub`; a claim that is None is left out. `lives_s` is its life."""
        lives_s = changes.pop("lives_s", 600)
        claims: dict[str, Any] = {
            "iss": self.name,
            "aud": "consentry",
            "sub": sub,
            "exp": int(time.time()) + lives_s,
        }
        claims = {k: v for k, v in (claims | changes).items() if v is not None}
        return jwt.encode(claims, self.key, algorithm="EdDSA", headers={"kid": self.key_id})


def key_set(*issuers: TokenIssuer) -> bytes:
    return json.dumps({"keys": [issuer.jwk() for issuer in issuers]}).encode()


def secured(
    target: str, authority: Authority, shown: Certified | None = None, token: str = ""
) -> grpc.Channel:
    """A channel over TLS that trusts `authority`, and shows a certificate and a token if given."""
    made = grpc.ssl_channel_credentials(
        root_certificates=authority.pem,
        private_key=shown.key if shown else None,
        certificate_chain=shown.certificate if shown else None,
    )
    if token:
        made = grpc.composite_channel_credentials(made, grpc.access_token_call_credentials(token))
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]
    return grpc.secure_channel(target, made, options=options)
